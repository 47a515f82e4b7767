"""How threads find their elements: dimensions put in order and merged, then numbers that a kernel gets as parameters.

Numbers that fit 31 bits are passed and divided as such: a 64-bit division takes a GPU some hundred instructions.
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


def decode(indent, shape, strides, numbers, counter, kind):
    """Lines that turn a running number of type `kind` into offsets.

    strides: {name of an offset, "at_input": its stride over each dimension of `shape`}; sizes and strides other than 0
    and 1 become parameters.
    """
    lines, terms = [], {name: [] for name in strides}
    for d in range(len(shape) - 1, -1, -1):
        if d == len(shape) - 1:
            lines.append(f"{indent}rest = {kind}({counter})")
        if d:
            size = numbers.add(f"size{d}", shape[d], kind)
            lines += [f"{indent}at{d} = int64(rest % {size})", f"{indent}rest = {kind}(rest // {size})"]
        else:
            lines.append(f"{indent}at0 = int64(rest)")
        for name, row in strides.items():
            if row[d] == 1:
                terms[name].append(f"at{d}")
            elif row[d]:
                step = numbers.add(f"step{d}_{name.partition('_')[2]}", row[d])
                terms[name].append(f"at{d} * {step}")
    return lines + [f"{indent}{name} = {' + '.join(t) if t else 'int64(0)'}" for name, t in terms.items()]
