"""How threads find their elements: dimensions put in order and merged, then numbers that a kernel gets as parameters.

Numbers below 2**31 are divided by a product's upper half and a shift (Granlund & Montgomery 1994, section 4) and places
below that are computed in 32 bits: a division takes a GPU some thirty instructions, in 64 bits a hundred.
"""

from ..layout import coalesce


def ordered(shape, rows):
    """Dimensions from slow to fast as the last row (the output) strides, then merged. Rows are strides over `shape`."""
    lead = rows[-1]
    dims = sorted(range(len(shape)), key=lambda d: (-abs(lead[d]), -max(abs(r[d]) for r in rows), d))
    return coalesce([shape[d] for d in dims], [[r[d] for d in dims] for r in rows])


def stride_class(stride):
    """Strides that a kernel is written for: 0, 1, or n, a parameter."""
    return {0: "0", 1: "1"}.get(stride, "n")


def width(count):
    """The type of running numbers below `count`."""
    return "uint32" if count < 2**31 else "int64"


def rounded(nbytes):
    """Bytes up to the next place where any number may begin."""
    return -(-nbytes // 256) * 256


class Parameters:
    """Numbers that a kernel gets besides its arrays: names, types and values, in order."""

    def __init__(self):
        self.names, self.types, self.values = [], [], []

    def add(self, name, value, type_="int64"):
        """A parameter; returns its name."""
        self.names.append(name)
        self.types.append(type_)
        self.values.append(value)
        return name


def taken_apart(indent, rest, at, size, label, numbers, kind):
    """Lines that divide the number `rest` of type `kind` by a size: `at` becomes the remainder, `rest` the quotient."""
    if size <= 1:  # of nothing, nothing is asked for
        return [f"{indent}{at} = {kind}(0)"]
    divisor = numbers.add(f"size{label}", size, kind)
    if kind == "uint32":
        shift = (size - 1).bit_length() - 1
        magic = numbers.add(f"magic{label}", -(-(1 << 32 + shift) // size), kind)
        over = f"quotient({rest}, {magic}, {numbers.add(f'shift{label}', shift, kind)})"
    else:
        over = f"{kind}({rest} // {divisor})"
    return [f"{indent}over = {over}", f"{indent}{at} = {kind}({rest} - over * {divisor})", f"{indent}{rest} = over"]


def decode(indent, shape, strides, numbers, counter, kind, label=""):
    """Lines that turn a running number of type `kind` into offsets.

    strides: {name of an offset, "at_input": its stride over each dimension of `shape`}; sizes and strides other than 0
    and 1 become parameters, whose names have `label` in them.
    """
    reach = max((sum(abs(s) * (n - 1) for s, n in zip(row, shape, strict=True)) for row in strides.values()), default=0)
    type_ = "int32" if kind == "uint32" and reach < 2**31 else "int64"
    lines, terms = [f"{indent}rest = {kind}({counter})"], {name: [] for name in strides}
    for d in range(len(shape) - 1, -1, -1):
        lines += taken_apart(indent, "rest", f"at{d}", shape[d], f"{label}{d}", numbers, kind) if d else [
            f"{indent}at0 = rest"]
        for name, row in strides.items():
            if row[d] and shape[d] != 1:
                step = f"step{label}{d}_{name.partition('_')[2]}"
                terms[name].append(f"{type_}(at{d})" + (
                    f" * {numbers.add(step, row[d], type_)}" if row[d] != 1 else ""))
    return lines + [f"{indent}{name} = int64({type_}({' + '.join(t) or 0}))" for name, t in terms.items()]
