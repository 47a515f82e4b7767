"""einsum: what an equation takes is worked out once for its shapes, and is no more than it needs."""

import sys

import numpy as np
import pytest

import numbatorch as nt
from numbatorch import einstein

EQUATIONS = {
    "ij,jk->ik": [(3, 4), (4, 5)],
    "ij,kj->ik": [(3, 4), (5, 4)],
    "bhid,bhjd->bhij": [(2, 3, 4, 5), (2, 3, 6, 5)],
    "ij,jk,kl->il": [(2, 3), (3, 4), (4, 5)],
    "ii->i": [(4, 4)],
    "ii": [(4, 4)],
    "ij->ji": [(3, 4)],
    "i,j->ij": [(3,), (4,)],
    "bi,bi->b": [(3, 4), (3, 4)],
    "...ij,...jk": [(2, 1, 3, 4), (5, 4, 2)],
    "ij,k->j": [(2, 3), (4,)],
    "iij,jk->k": [(2, 2, 3), (3, 4)],
    ",i->i": [(), (3,)],
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_values_are_those_of_numpy(equation):
    arrays = [np.random.default_rng(k).standard_normal(shape) for k, shape in enumerate(EQUATIONS[equation])]
    found = nt.einsum(equation, *map(nt.from_numpy, arrays))
    np.testing.assert_allclose(found.numpy(), np.einsum(equation, *arrays), rtol=1e-12)


@pytest.mark.parametrize("equation, shapes, expected", [
    ("ij,jk->ik", ((3, 4), (4, 5)), ["matmul"]),
    ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 5)), ["matmul", "matmul"]),
    ("bij,bjk->bik", ((2, 3, 4), (2, 4, 5)), ["matmul"]),
    ("ij,kj->ik", ((3, 4), (5, 4)), ["permute", "matmul"]),
    ("ij->ij", ((3, 4),), []),
])
def test_no_step_leaves_things_as_they_are(equation, shapes, expected, monkeypatch):
    monkeypatch.setitem(sys.modules, "opt_einsum", None)  # which may choose another order
    einstein._program.cache_clear()
    steps, _ = einstein._program(equation, shapes)
    assert [call for call, _, _ in steps] == [nt.ops.OPS[name].call for name in expected]


def test_an_equation_is_worked_out_once_for_its_shapes(monkeypatch):
    einstein._program.cache_clear()
    nt.einsum("ab,bc->ac", nt.ones(2, 3), nt.ones(3, 4))
    monkeypatch.setattr(einstein, "_contract", lambda *_: pytest.fail("worked out again"))
    assert nt.einsum("ab,bc->ac", nt.ones(2, 3), nt.ones(3, 4)).shape == (2, 4)


def test_one_operand_as_it_is_gives_a_view():
    x = nt.ones(2, 3, requires_grad=True)
    found = nt.einsum("ij->ij", x)
    assert found is not x and found.data_ptr() == x.data_ptr()
    found.sum().backward()
    assert x.grad.tolist() == [[1.0] * 3] * 2


def test_errors_name_the_operand_and_the_equation():
    with pytest.raises(RuntimeError, match="subscript j has size 5 for operand 1"):
        nt.einsum("ij,jk->ik", nt.ones(2, 3), nt.ones(5, 4))


def test_bilinear_results_are_contiguous():
    first, second = nt.ones(2, 5, 3, 4), nt.ones(2, 5, 3, 6)
    for bias in (None, nt.ones(3)):
        assert nt.nn.functional.bilinear(first, second, nt.ones(3, 4, 6), bias).is_contiguous()
