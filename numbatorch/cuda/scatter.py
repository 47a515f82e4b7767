"""Template of scatter-like loops: each element of the source goes to a place of the target that an index tensor gives.

Places that several elements go to get them in the order of the index, so the result is the same in every run: a thread
has one place of the dimensions that the index does not choose, and walks all of the index that meets there.
"""

import math

from ..expr import write
from ..layout import coalesce
from . import geometry
from .gather import WORDS
from .launching import launch

BLOCK = 64  # few, so that few threads are on many multiprocessors


def plan(request):
    """target[at(p) + index[p] * stride] = combine(that, source[p]): writes its first input."""
    text, name, signature, values, units = _write(request)
    return launch(name, text, signature, request.outputs[0].device, values, units, BLOCK)


def _write(request):
    walk, (target, index, _) = request.options, request.inputs
    combine, shape, names = walk["combine"], walk["shape"], ("target", "index", "source")
    rows = [walk[n] for n in names]
    alone = sorted((d for d in range(len(shape)) if walk["target"][d]), key=lambda d: (-abs(walk["target"][d]), d))
    meeting = [d for d in range(len(shape)) if d not in alone]
    outer, outer_rows = coalesce([shape[d] for d in alone], [[r[d] for d in alone] for r in rows])
    turns, turn_rows = coalesce([shape[d] for d in meeting], [[r[d] for d in meeting] for r in rows])
    units = math.prod(outer) if 0 not in shape else 0
    numbers, pad, deep = geometry.Parameters(), " " * 8, " " * 12
    lines = geometry.decode(pad, outer or (1,), {f"at_{n}": r if outer else (0,) for n, r in zip(
        names, outer_rows, strict=True)}, numbers, "unit", geometry.width(units))
    inner = geometry.Parameters()
    steps = geometry.decode(deep, turns or (1,), {f"on_{n}": r if turns else (0,) for n, r in zip(
        names[1:], turn_rows[1:], strict=True)}, inner, "turn", geometry.width(math.prod(turns)))
    for old, type_, value in zip(inner.names, inner.types, inner.values, strict=True):
        new = numbers.add(f"turn_{old}", value, type_)
        steps = [line.replace(old, new) if new not in line else line for line in steps]
    numbers.add("turns", math.prod(turns))
    numbers.add("size", walk["size"])
    numbers.add("stride", walk["stride"])
    numbers.add("units", units)
    dtype = target.dtype.name
    value = combined(combine, dtype).format(old="target[spot]", new="source[at_source + on_source]")
    lines += [f"{pad}turn = int64(0)", f"{pad}while turn < turns:", *steps,
              f"{deep}chosen = int64(index[at_index + on_index])",
              f"{deep}chosen = chosen + size if chosen < 0 else chosen", f"{deep}spot = at_target + chosen * stride",
              f"{deep}target[spot] = {value}", f"{deep}turn = turn + 1"]
    stored = WORDS[target.dtype.itemsize] if combine == "set" else write.storage(dtype)
    classes = "".join(geometry.stride_class(s) for r in (*outer_rows, *turn_rows[1:]) for s in r)
    name = (f"scatter_{combine}_{dtype if combine != 'set' else stored}_{index.dtype.name}_{len(outer)}_{len(turns)}_"
            f"{classes}")
    head = [f"def {name}({', '.join([*names, 'unused', *numbers.names])}):", "    unit = grid()",
            "    if unit < units:"]
    signature = (f"{stored}*", f"{index.dtype.name}*", f"{stored}*", f"{stored}*", *numbers.types)
    return "\n".join([*head, *lines]) + "\n", name, signature, numbers.values, units


def combined(combine, dtype):
    """Text of the value to store, from `old` and `new` places."""
    if combine == "set":
        return "{new}"
    old, new = write.load("{old}", dtype), write.load("{new}", dtype)
    kind = write.compute_type(dtype)
    if kind == "bool":
        text = {"add": f"({old}) | ({new})", "max": f"({old}) | ({new})"}.get(combine, f"({old}) & ({new})")
    elif combine in ("add", "mul"):
        text = f"({old}) {'+' if combine == 'add' else '*'} ({new})"
    elif kind.startswith("float"):
        text = f"{combine}imum({old}, {new})"
    else:
        text = f"{new} if {new} {'>' if combine == 'max' else '<'} {old} else {old}"
    return write.store(text if kind == "bool" else f"{kind}({text})", kind, dtype)
