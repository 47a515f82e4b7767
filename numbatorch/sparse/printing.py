"""How sparse tensors print: their index tensors and values, each as a tensor of its own."""

from .. import dtypes, printing
from ..device import CPU
from .pattern import COLUMN_FORMATS


def _named(name, tensor, indent):
    head = f"{name}=tensor("
    shift = indent + len(head)
    text = head + printing.contents(tensor, shift)
    if tensor.numel() == 0:
        text += f", size={tuple(tensor.shape)}"
    return text + ")"


def text(tensor):
    """The repr of a sparse tensor."""
    pattern, own = tensor._pattern, tensor.dtype
    prefix = "tensor("
    indent = len(prefix)
    names = ["indices"] if pattern.is_coo else (
        ["ccol_indices", "row_indices"] if pattern.format in COLUMN_FORMATS else ["crow_indices", "col_indices"])
    parts = [_named(n, i, indent) for n, i in zip(names, pattern.indices, strict=True)]
    parts.append(_named("values", tensor._stored, indent))
    suffixes = [f"size={tuple(tensor.shape)}", f"nnz={pattern.nnz}"]
    if tensor.device is not CPU:
        suffixes.insert(0, f"device='{tensor.device}'")
    usual = own in (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool, dtypes.get_default_dtype().to_complex())
    if not usual:
        suffixes.append(f"dtype={own}")
    suffixes.append(f"layout={tensor.layout}")
    if tensor.grad_fn is not None:
        suffixes.append(f"grad_fn=<{tensor.grad_fn.name()}>")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    result = prefix + (",\n" + " " * indent).join(parts)
    if pattern.is_coo:
        result += ",\n" + " " * indent + suffixes.pop(0)
    last = len(result) - result.rfind("\n") - 1 + (0 if pattern.is_coo else 2)  # where PyTorch breaks the line
    for s in suffixes:
        if last + len(s) + 2 > printing.linewidth:
            result += ",\n" + " " * indent + s
            last = indent + len(s)
        else:
            result += ", " + s
            last += len(s) + 2
    return result + ")"
