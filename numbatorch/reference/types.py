"""Types of parameters and results, as the stub writes them: from the role, the default and the name of a parameter.

A name means one thing in every op, since names are PyTorch's. Numbers, types and sizes have names of their own here,
because `Tensor.int`, `Tensor.float` and others hide Python's in the class body. What is not known is Any.
"""

import inspect

from ..ops.declare import Op

_EMPTY = inspect.Parameter.empty

HEAD = """from builtins import bool as _bool, complex as _complex, float as _float, int as _int
from collections.abc import Callable as _Callable, Iterator as _Iterator, Sequence as _Sequence
from typing import Any, Literal as _Literal, NamedTuple as _NamedTuple, SupportsIndex, TypeAlias as _TypeAlias, overload
"""
_PLAIN = {bool: "_bool", int: "_int", float: "_float", complex: "_complex", str: "str", tuple: "_Ints",
          dict: "dict[str, Any]", list: "list[Any]", object: "Any"}
_BUILTIN = {"bool": "_bool", "int": "_int", "float": "_float", "complex": "_complex", "Size": "_Size",
            "dtypes.dtype": "_dtype", "device_type": "_device", "np.ndarray": "_ndarray",
            "Iterator[Tensor]": "_Iterator[Tensor]", "tuple[int, int]": "tuple[_int, _int]"}

# What a name stands for wherever it is not annotated.
_NAMED = {name: kind for names, kind in (
    ("input other weight target source src bias x1 x2 input1 input2 input3 grid tensor tensor1 tensor2 mat1 mat2 mat",
     "Tensor"),
    ("vec vec1 vec2 batch1 batch2 A B LU LD LU_data LU_pivots pivots query key log_probs targets anchor positive",
     "Tensor"),
    ("boundaries sorted_sequence indices index mask condition running_mean running_var w_ih w_hh b_ih b_hh theta",
     "Tensor"),
    ("pos_weight attn_mask per_sample_weights offsets key_padding_mask in_proj_weight in_proj_bias out_proj_weight",
     "Tensor"),
    ("out_proj_bias weights window prepend append sorter negative", "Tensor"),
    ("value fill_value exponent elements test_elements", "Tensor | _Number"),
    ("tensors", "_Sequence[Tensor]"),
    ("dim dims size sizes shape output_size kernel_size dilation output_padding normalized_shape repeats shifts pad s",
     "_Ints"),
    ("destination split_sizes sections indices_or_sections split_size_or_sections", "_Ints"),
    ("stride", "_Ints | None"), ("padding", "_Ints | str"),
    ("dtype", "_dtype"), ("device", "_DeviceLike"), ("layout", "_layout_type"), ("memory_format", "_memory_format"),
    ("generator", "Generator"), ("requires_grad pin_memory", "_bool | None"), ("keepdim inplace", "_bool"),
    ("alpha beta margin min max min_val max_val norm_type eps rtol atol lower upper delta", "_float"),
    ("scale_factor", "_float | _Sequence[_float]"), ("p ord", "_float | str"), ("low high step steps", "_Number"),
    ("mode reduction", "str"), ("n k dim0 dim1 dim2 axis0 axis1 chunks num_classes groups", "_int"),
    ("function hook", "_Callable[..., Any]"),
) for name in names.split()}
_SEVERAL = {"tensors": "Tensor | _Sequence[Tensor]", "matrices": "Tensor", "operands": "Any", "args": "Any",
            "data": "Any"}


def of_parameter(p: inspect.Parameter, op: Op | None = None, position: int = 0) -> str:
    """The type of one parameter, of an op or of another function."""
    if p.name == "out":
        several = op is not None and len(op.outputs) > 1
        return "tuple[Tensor, ...] | None" if several else "Tensor | None"
    own = next((q for q in op.parameters if q.name == p.name), None) if op else None
    if own is not None and op is not None and op.kind in ("elementwise", "reduction", "rowwise", "view"):
        if own.role == "operand":
            number = op.kind == "elementwise" and position > 0 and p.name not in op.only_tensors
            return _or_none("Tensor | _Number" if number else "Tensor", p)
    if own is not None and own.role in ("number", "neutral"):
        return _or_none("_Number", p)
    if p.kind is inspect.Parameter.VAR_POSITIONAL:
        return _SEVERAL.get(p.name, "_Ints")
    if p.kind is inspect.Parameter.VAR_KEYWORD:
        return "Any"
    note = own.annotation if own is not None else p.annotation
    if isinstance(note, type) and note in _PLAIN and note is not tuple:
        return _or_none(_PLAIN[note], p)
    if isinstance(note, str):
        return written(note)
    if op is not None and p.name in ("other", "exponent"):
        return _or_none("Tensor | _Number", p)
    kind = _NAMED.get(p.name)
    if kind is not None and _fits(kind, p.default):
        return _or_none(kind, p)
    if note is tuple:
        return _or_none("_Ints", p)
    if p.default is None or p.default is _EMPTY:
        return "Any"
    return "_float" if type(p.default) is float else _PLAIN.get(type(p.default), "Any")


def _fits(kind, default):
    """Whether a default may have the type that a name stands for."""
    if isinstance(default, bool):
        return "_bool" in kind and default is False
    if isinstance(default, str):
        return "str" in kind
    if isinstance(default, (int, float)):
        return kind not in ("str", "_bool") and not (isinstance(default, float) and kind == "_int")
    return True


def _or_none(kind, p):
    return f"{kind} | None" if p.default is None and kind != "Any" and not kind.endswith("| None") else kind


def written(note: str) -> str:
    """An annotation of the source as the stub writes it."""
    return _BUILTIN.get(note, note)


def default(p: inspect.Parameter) -> str:
    """A default as a stub writes it: plain values as they are, others as `...`."""
    plain = isinstance(p.default, (bool, int, float, str, tuple, type(None)))
    text = repr(p.default)
    return text if plain and len(text) < 40 and "inf" not in text and "<" not in text else "..."


def parameters(given, op=None, method=False, out=True):
    """The text of a parameter list. `method`: the first one is self."""
    parts, star = [], False
    for position, p in enumerate(given):
        if p.name == "out" and not out:
            continue
        if method and position == 0:
            parts.append("self")
            continue
        if p.kind is inspect.Parameter.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        mark = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(p.kind, "")
        star = star or mark == "*"
        kind = of_parameter(p, op, position)
        text = f"{mark}{p.name}: {kind}"
        if p.default is not _EMPTY and not mark:
            text += f" = {default(p)}"
        parts.append(text)
    return ", ".join(parts)


def result(op: Op) -> str:
    """The type of an op's result."""
    note = inspect.signature(op.body).return_annotation if op.kind == "composite" or op.eager else _EMPTY
    if note is tuple:
        return "tuple[Tensor, ...]"
    if note is list:
        return "list[Tensor]"
    if isinstance(note, type) and note is not _EMPTY:
        return _PLAIN.get(note, note.__name__)
    if len(op.outputs) > 1:
        if op.outputs[0].startswith("result"):
            return f"tuple[{', '.join(['Tensor'] * len(op.outputs))}]"
        return named(op)
    return "Tensor"


def named(op: Op) -> str:
    """The name of the type of several named results."""
    space = op.namespaces[0].rpartition(".")[2]
    return f"_{space + '_' if space else ''}{op.name.strip('_')}_result"
