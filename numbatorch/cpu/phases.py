"""Rows in blocks: one walk over every row of a block, then the next walk, instead of all walks over one row.

The walks over one row wait for each other: to join the lanes of a sum or a maximum takes longer than to walk over a
hundred elements. Those of different rows do not, so the CPU does several at a time; and what is computed once a row (a
logarithm) becomes vector code over the rows of a block. A block is as many rows as stay in the first-level cache.
"""

import re

BLOCK = 4096  # elements of a block of rows: 16 KB of float32, and as much of the result
ROWS = 256  # at most: what the local arrays of lowering/intrinsics.py hold
_ASSIGNED = re.compile(r"^(\s*)(\w+) = (.*)$")
_NAME = re.compile(r"\b[A-Za-z_]\w*\b")


def blocked(row, phases, types):
    """Lines in place of `for row in range(start, stop)`: `row`, then `phases`; None where there is nothing to gain.

    row: lines that every phase needs, at two levels of indentation as all others are. types: {variable: type} of values
    that a phase may leave for later ones, one for each row.
    """
    phases = [lines for lines in phases if lines]
    if len(phases) < 2:
        return None
    own = [{m[2] for m in map(_ASSIGNED.match, lines) if m and len(m[1]) == 8} for lines in phases]
    wanted = [_read(lines) for lines in phases]
    handed: dict[str, int] = {}  # variable: the phase that leaves it
    for k, names in enumerate(wanted):
        for name in sorted(names):
            giver = max((j for j in range(k) if name in own[j]), default=None)
            if giver is not None:
                handed[name] = giver
    if any(types.get(name) not in ("float32", "float64", "int64") for name in handed):
        return None
    arrays = {name: f"rows_{number}" for number, name in enumerate(handed)}
    pad = " " * 4
    lines = [f"{pad}{arrays[name]} = local_{types[name]}()" for name in handed]
    lines += [f"{pad}many = min({ROWS}, {BLOCK} // (length + 1) + 1)",
              f"{pad}for block in range((stop - start + many - 1) // many):",
              f"{pad * 2}first_row = start + block * many", f"{pad * 2}rows = min(many, stop - first_row)"]
    for k, phase in enumerate(phases):
        taken = [name for name, giver in handed.items() if giver < k and name in wanted[k]]
        left = [name for name, giver in handed.items() if giver == k]
        lines += [f"{pad * 2}for turn in range(rows):", f"{pad * 3}row = first_row + turn"]
        lines += [pad + line for line in _needed(row, phase)]
        lines += [f"{pad * 3}{name} = {arrays[name]}[turn]" for name in taken]
        lines += [pad + line for line in phase]
        lines += [f"{pad * 3}{arrays[name]}[turn] = {name}" for name in left]
    return lines


def _read(lines):
    """Names that are read before they are assigned."""
    read, assigned = set(), set()
    for line in lines:
        match = _ASSIGNED.match(line)
        read |= set(_NAME.findall(match[3] if match else line)) - assigned
        if match:
            assigned.add(match[2])
    return read


def _needed(row, phase):
    """The lines of `row` whose value a phase reads, directly or through another."""
    wanted, kept = _read(phase), []
    for line in reversed(row):
        name = re.match(r"\s*(\w+) \+?= ", line)[1]
        if name in wanted or name in ("rest", "at"):
            kept.append(line)
            wanted |= set(_NAME.findall(line.partition("= ")[2]))
    return kept[::-1]
