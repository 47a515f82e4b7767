"""The table of numbatorch/expr/README.md: every function is in it, none errs more than it states."""

from pathlib import Path

import pytest

import numbatorch
from numbatorch.expr import mathematics

PAGE = Path(numbatorch.__file__).parent / "expr" / "README.md"
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.read_text().splitlines()
        if line.startswith("| ") and line.split("|")[2].strip() in ("float32", "float64")]
MEASURED = {f"{name}_{dtype}": (stated, float(measured)) for name, dtype, stated, measured, *_ in ROWS}
NOT_PUBLIC = {"cbrt_float32", "cbrt_float64", "sigmoid_float32", "sigmoid_float64"}  # steps of others
GAMMA_FAMILY = ("lgamma", "digamma", "trigamma")


@pytest.mark.parametrize("name", sorted(mathematics.ULP.keys() - NOT_PUBLIC))
def test_measured_error_is_what_the_function_states(name):
    stated, measured = MEASURED[name]
    assert stated == f"{mathematics.ULP[name]:g}" and measured <= mathematics.ULP[name]


@pytest.mark.parametrize("name", sorted(name for name in MEASURED if name.endswith("float32")))
def test_float32_errs_by_two_units_at_most(name):
    assert MEASURED[name][1] <= (4 if name.startswith(GAMMA_FAMILY) else 2)
