"""The generated source of some kernels is kept: a diff shows what a change does to kernels."""

import pytest

from numbatorch.plan import show
from tests.golden_kernels import KERNELS, path


@pytest.mark.parametrize("kernel", KERNELS, ids="-".join)
def test_kernel_source_is_the_kept_one(kernel):
    assert show(*kernel) == path(*kernel).read_text(), "if this change is meant: python tests/golden_kernels.py"


def test_show_names_what_it_cannot_show():
    with pytest.raises(KeyError):
        show("no_such_op")
    with pytest.raises(ValueError, match="kind"):
        show("matmul")
    with pytest.raises(ValueError, match="layout"):
        show("add", "float32", "sideways")
