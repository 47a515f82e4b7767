"""Parts of kernels of products: which element a number stands for, how it is read, and what becomes of a sum."""

import math

from ..expr import write
from ..expr.tree import arg, order
from . import geometry, matrix_tiles, nest

SHORT = 16  # sizes up to which an index is taken out of a number by a constant


class ProductText:
    """Text about out[batch, m, n] = finish(sum over k of left[batch, m, k] * right[batch, k, n]).

    Each of the four groups of indices is walked as one number. kind: of matrix_tiles.KINDS.
    """

    def __init__(self, request, roles, kind):
        self.request, self.kind_name, self.kind = request, kind, matrix_tiles.KINDS[kind]
        self.left, self.right = roles.left, roles.right
        self.groups = {"b": roles.batch, "m": roles.m, "n": roles.n, "k": roles.k}
        self.sizes = {g: math.prod(request.extents[x] for x in names) for g, names in self.groups.items()}
        self.numbers = geometry.Parameters()
        self.keeps = max(self.kind.nbytes, 4)  # bytes of a total
        self.total = str(self.kind.total) if self.kind.parts == 1 else f"complex{8 * self.keeps}"
        self.definitions: list[str] = []
        self.helpers: dict = {}
        for group in "mnk":
            self._number(f"size_{group}", self.sizes[group], "int32")

    def _number(self, name, value, type_="int64"):
        return name if name in self.numbers.names else self.numbers.add(name, value, type_)

    def _decoded(self, group, counter, indent):
        """Lines that take a group's number apart into its indices."""
        names, lines = self.groups[group], []
        if len(names) == 1:
            return [f"{indent}{names[0]} = int32({counter})"]
        if names:
            lines.append(f"{indent}rest_{group} = uint32({counter})")
        for name in names[:0:-1]:
            size = self.request.extents[name]
            if size <= SHORT:
                lines += [f"{indent}{name} = int32(rest_{group} % uint32({size}))",
                          f"{indent}rest_{group} = uint32(rest_{group} // uint32({size}))"]
                continue
            numbers = geometry.Parameters()
            lines += [*geometry.taken_apart(indent, f"rest_{group}", "part", size, f"_of_{name}", numbers, "uint32"),
                      f"{indent}{name} = int32(part)"]
            for one, type_, value in zip(numbers.names, numbers.types, numbers.values, strict=True):
                self._number(one, value, type_)
        return [*lines, f"{indent}{names[0]} = int32(rest_{group})"] if names else []

    def _place(self, node, indent):
        """(lines, guards, offset) of a load: all texts."""
        array, *indices = node.args
        layout = self.request.arrays[array]
        lines, guards, terms = [], [], []
        for d, e in enumerate(indices):
            text = e.args[0] if e.op == "arg" else f"place{d}"
            if e.op != "arg":
                size = self._number(f"size{d}_{array}", layout.shape[d], "int32")
                lines.append(f"{indent}place{d} = int32({nest.index(e)})")
                guards.append(f"uint32(place{d}) < uint32({size})")
            step = layout.strides[d]
            if step and layout.shape[d] != 1 or e.op != "arg":
                terms.append(text if step == 1 else f"{text} * {self._number(f'step{d}_{array}', step)}")
        return lines, guards, " + ".join(terms) or "0"

    def _helper(self, side, fixed, moving):
        """The name of a function that loads an element by the indices of a group and the number of another."""
        node, pad = (self.left, self.right)[side], " " * 4
        array = node.args[0]
        dtype = self.request.arrays[array].dtype.name
        storage = "float32" if self.kind_name == "plain32" else write.storage(dtype)
        name = f"{'left' if side == 0 else 'right'}_{fixed}"
        if name in self.helpers:
            return self.helpers[name]
        body = self._decoded(moving, "number", pad)
        lines, guards, offset = self._place(node, pad)
        taken = {"int8": "int32", "uint8": "int32", "int16": "int32"}.get(storage, storage)
        zero = "complex64(complex(float32(0), float32(0)))" if taken == "complex64" else (
            "complex128(0)" if taken == "complex128" else f"{taken}(0)")
        text = "\n".join([*body, *lines])
        used = [n for n in self.numbers.names if n in text or n in offset or any(n in g for g in guards)]
        given = [array, *self.groups["b"], *self.groups[fixed], "number", "inside", *used]
        made = [f"def {name}({', '.join(given)}):", *body, f"{pad}value = {zero}", f"{pad}if inside:",
                         *("    " + line for line in lines)]
        deep, element = pad * 2, f"{array}[{offset}]"
        if storage != write.storage(dtype):
            element = write.load(element, dtype, storage)
        if guards:
            made.append(f"{deep}if {' and '.join(guards)}:")
            deep += pad
        made += [f"{deep}value = {taken}({element})", f"{pad}return value", "", ""]
        self.definitions += made

        def call(number, inside):
            return f"{name}({', '.join([array, *self.groups['b'], *self.groups[fixed], number, inside, *used])})"
        self.helpers[name] = call
        return call

    def _finished(self, pad, value="value"):
        """Lines that store a value, finished, at the indices of a result, and what else is made of it."""
        request, type_ = self.request, self.request.compute
        lines = []
        if self.kind_name == "float32":  # parts of an infinity are not numbers
            lines = self._again(pad, value)
        keep, bound = [arg("total")], {}
        own = "int32" if type_ == "bool" else type_
        lines.append(f"{pad}total = {write.convert(value, self.total, own)}")
        roots = [request.finish if request.finish is not None else keep[0], *request.also]
        bound[id(keep[0])] = ("total", own)
        for k, node in enumerate(n for n in order(*roots) if n.op == "load"):
            before, guards, offset = self._place(node, pad)
            array = node.args[0]
            text = write.load(f"{array}[{offset}]", request.arrays[array].dtype.name, own)
            if guards:
                text = f"{text} if {' and '.join(guards)} else {write.literal(0, own)}"
            lines += [*before, f"{pad}added{k} = {text}"]
            bound[id(node)] = (f"added{k}", own)
        writer = write.Writer(own, bound, pad, "f")
        found = [writer.typed(root) for root in roots]
        lines += writer.lines
        terms, step = [], 1
        for name in reversed(request.free):
            terms.append(name if step == 1 else f"{name} * {self._number(f'out_{name}', step)}")
            step *= request.extents[name]
        del keep
        at = " + ".join(reversed(terms)) or "0"
        return lines + [f"{pad}{name}[{at}] = {write.store(text, got, out.dtype.name)}"
                        for name, (text, got), out in zip(nest.outputs(request), found, request.outputs, strict=True)]

    def _again(self, pad, value):
        """Lines that compute a result again, element by element, which is NaN."""
        left, right = (self._helper(side, "mn"[side], "k")("number", "True") for side in (0, 1))
        return [f"{pad}if {value} != {value}:", f"{pad}    exact = float64(0)", f"{pad}    number = int32(0)",
                f"{pad}    while number < size_k:", f"{pad}        exact = exact + float64({left}) * float64({right})",
                f"{pad}        number = int32(number + 1)", f"{pad}    {value} = float32(exact)"]
