"""How tensors print: the digits, widths and ellipses of PyTorch's repr."""

import math

from . import dtypes

precision, threshold, edgeitems, linewidth, sci_mode = 4, 1000, 3, 80, None


def set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None):
    """Digits after the point, elements before summarising, items at each edge, characters a line; as in PyTorch."""
    profiles = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, math.inf, 3, 80)}
    g = globals()
    if profile is not None:
        g["precision"], g["threshold"], g["edgeitems"], g["linewidth"] = profiles[profile]
    for name, value in (("precision", precision), ("threshold", threshold), ("edgeitems", edgeitems),
                        ("linewidth", linewidth)):
        if value is not None:
            g[name] = value
    g["sci_mode"] = sci_mode


class _Format:
    """One width and notation for all shown values of a tensor."""

    def __init__(self, values, dtype):
        self.floating = dtype.category == dtypes.FLOAT
        self.integral, self.scientific = True, False
        self.width = 1
        if dtype.category == dtypes.BOOL or not self.floating:
            self.width = max((len(str(v)) for v in values), default=1)
            return
        signed = [v for v in values if math.isfinite(v) and v != 0]
        finite = [abs(v) for v in signed]
        if not finite:
            return
        self.integral = all(v == math.ceil(v) for v in finite)
        largest, smallest = max(finite), min(finite)
        if self.integral:
            self.scientific = largest / smallest > 1000.0 or largest > 1.0e8
        else:
            self.scientific = largest / smallest > 1000.0 or largest > 1.0e8 or smallest < 1.0e-4
        if sci_mode is not None:
            self.scientific = sci_mode
        self.width = max(len(self.text(v)) for v in signed)

    def text(self, value):
        if isinstance(value, bool) or not self.floating:
            return str(value)
        if self.scientific:
            return f"{value:.{precision}e}"
        if self.integral:
            return f"{value:.0f}" + ("." if math.isfinite(value) else "")
        return f"{value:.{precision}f}"

    def __call__(self, value):
        return self.text(value).rjust(self.width)


class _ComplexFormat:
    def __init__(self, values, dtype):
        self.real = _Format([v.real for v in values], dtypes.float64)
        self.imag = _Format([v.imag for v in values], dtypes.float64)
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, value):
        sign = "-" if math.copysign(1.0, value.imag) < 0 else "+"
        imag = self.imag.text(abs(value.imag)).rjust(self.imag.width - (1 if sign == "-" else 0))
        return f"{self.real(value.real)}{sign}{imag.lstrip()}j"


def _shown(nested, shape, summarise):
    """The nested list with ... where items are left out."""
    if not shape:
        return nested
    if summarise and shape[0] > 2 * edgeitems:
        items = [*nested[:edgeitems], ..., *nested[-edgeitems:]]
    else:
        items = nested
    return [item if item is ... else _shown(item, shape[1:], summarise) for item in items]


def _leaves(nested):
    if isinstance(nested, list):
        for item in nested:
            yield from _leaves(item)
    elif nested is not ...:
        yield nested


def _lines(nested, indent, formatter, depth):
    if not isinstance(nested, list):
        return formatter(nested)
    if depth == 1:
        per_line = max(1, (linewidth - indent) // (formatter.width + 2))
        texts = [" ..." if v is ... else formatter(v) for v in nested]
        rows = [texts[i:i + per_line] for i in range(0, len(texts), per_line)] or [[]]
        return "[" + (",\n" + " " * (indent + 1)).join(", ".join(r) for r in rows) + "]"
    parts = ["..." if item is ... else _lines(item, indent + 1, formatter, depth - 1) for item in nested]
    return "[" + ("," + "\n" * (depth - 1) + " " * (indent + 1)).join(parts) + "]"


def has_values(tensor):
    """Whether there is something to print: not for tensors without memory."""
    return tensor._layout.has_values


def contents(tensor, indent):
    """The values of a tensor as text."""
    own = tensor.dtype
    shape = tuple(tensor.shape)
    if not has_values(tensor):
        return "..."
    if tensor.numel() == 0:
        return "[]"
    summarise = tensor.numel() > threshold
    array = tensor.detach().cpu().to(own.familiar)._array()
    if own.name == "float16":
        array = array.astype("float32")
    nested = _shown(array.tolist() if not summarise else _edges(array), shape if not summarise else (), summarise)
    make = _ComplexFormat if own.category == dtypes.COMPLEX else _Format
    formatter = make(list(_leaves(nested)), own)
    return _lines(nested, indent, formatter, len(shape))


def _edges(array):
    """Nested lists of the items at the edges of a large array."""
    if array.ndim == 0:
        return array.item()
    if array.shape[0] > 2 * edgeitems:
        return [*(_edges(a) for a in array[:edgeitems]), ..., *(_edges(a) for a in array[-edgeitems:])]
    return [_edges(a) for a in array]


def text(tensor):
    """The repr of a tensor."""
    prefix = "tensor(" if type(tensor).__name__ in ("Tensor", "Parameter") else f"{type(tensor).__name__}("
    indent = len(prefix)
    body = contents(tensor, indent)
    suffixes = []
    own = tensor.dtype
    known = has_values(tensor)
    if tensor.device.type != "cpu":
        suffixes.append(f"device='{tensor.device}'")
    if not known or tensor.numel() == 0 and tuple(tensor.shape) != (0,):
        suffixes.append(f"size={tuple(tensor.shape)}")
    usual = own in (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool, dtypes.get_default_dtype().to_complex())
    if not usual or (known and tensor.numel() == 0 and own not in (dtypes.get_default_dtype(),)):
        suffixes.append(f"dtype={own}")
    if tensor.grad_fn is not None:
        suffixes.append(f"grad_fn=<{tensor.grad_fn.name()}>")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    result = prefix + body
    last = len(result) - result.rfind("\n") - 1 if "\n" in result else len(result)
    for s in suffixes:
        if last + len(s) + 3 > linewidth:
            result += ",\n" + " " * indent + s
            last = indent + len(s)
        else:
            result += ", " + s
            last += len(s) + 2
    return result + ")"
