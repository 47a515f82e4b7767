"""What a plan asks a backend to do: plain data, one class per kind of loop.

A backend's template turns a request and the layouts of its operands into a `Launch`. Requests know no device and
templates know no op: this is all that passes between them.
"""

from dataclasses import dataclass, field
from typing import Any

from ..layout import Layout
from .tree import Expr


@dataclass
class Operand:
    """An input of a formula: its name, its layout (or "int", "float", "bool" for a number passed by value), and the
    dtype that the formula sees."""

    name: str
    layout: Layout | str
    dtype: str


@dataclass
class Elementwise:
    """One formula per output, evaluated at every position of `shape`."""

    name: str
    roots: tuple[Expr, ...]
    operands: list[Operand]
    outputs: list[Layout]
    shape: tuple[int, ...]
    compute: str


@dataclass
class Rows:
    """Formulas that combine the elements of a row: everything along `dims` of `shape`.

    Operands are broadcast to `shape`. Outputs have the shape with `dims` set to 1 (one value a row, `is_row`),
    `shape`, or, the last `summed` of them, 1 in place of all other dimensions: sums over the rows.
    `walk`: in which order a row's elements are to be taken, as the backend's `fusion.form` says of another request.
    """

    name: str
    roots: tuple[Expr, ...]
    operands: list[Operand]
    outputs: list[Layout]
    is_row: tuple[bool, ...]
    shape: tuple[int, ...]
    dims: tuple[int, ...]
    compute: str
    summed: int = 0
    walk: Any = None


@dataclass
class Nest:
    """Index notation: result[free] = combine over `summed` of `element`, a formula of loads.

    `extents` gives the size of each index, `arrays` the operands by the names that loads use. `combine` is "sum",
    "max", "min" or "set" (nothing to combine). `where`: loads outside an array give `fill`. With `index_of`, a second
    output holds the flat value of that formula (an int64) at the chosen element. `finish`: the result, a formula of
    `total` and loads at `free`; `also`: such formulas of further outputs.
    """

    name: str
    element: Expr
    free: tuple[str, ...]
    summed: tuple[str, ...]
    extents: dict[str, int]
    arrays: dict[str, Layout]
    outputs: list[Layout]
    compute: str
    combine: str = "sum"
    index_of: Expr | None = None
    finish: Expr | None = None
    also: tuple[Expr, ...] = ()


@dataclass
class Scan:
    """Running combination along one dimension: y[i] = combine(y[i - 1], x[i]), from the end when `reverse`.

    kind: "sum", "prod", "logsumexp"; "max" and "min", with a second output for positions; "recurrence", with a second
    input a: y[i] = x[i] + a[i] * y[i - 1].
    """

    name: str
    kind: str
    inputs: tuple[Layout, ...]
    outputs: list[Layout]
    dim: int
    compute: str
    reverse: bool = False


@dataclass
class Native:
    """A request that a backend answers by the name of one of its functions: sort, scatter, random, contraction...

    `request(layouts, **options)` of module `template` returns the Launch.
    """

    template: str
    function: str
    inputs: tuple[Layout, ...]
    outputs: list[Layout]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class Launch:
    """A compiled answer: call `kernel(*input addresses and numbers, *output addresses, meta, units, grain)`.

    `keep` holds what `meta` points to; `request` is the formula of a copy, which others may make in its place.
    """

    kernel: Any
    meta: int
    units: int
    grain: int
    keep: Any = None
    request: Any = None
