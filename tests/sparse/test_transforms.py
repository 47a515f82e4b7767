"""Function transforms around sparse tensors: of what they multiply, and of their values."""

import pytest

import numbatorch as torch
from numbatorch.func import hessian, jacfwd, jacrev, jvp, vmap

DENSE = torch.tensor([[0, 2.0, 0], [1, 0, 3]])
INDICES = DENSE.to_sparse().indices()
UNITS = torch.zeros(3, 6).index_put((torch.arange(3), INDICES[0] * 3 + INDICES[1]), torch.ones(3))
TRANSFORMS = {
    "jvp": lambda f, x: jvp(f, (x,), (x * x + 1,)), "vmap": lambda f, x: vmap(f)(torch.stack([x, x * 2])),
    "jacfwd": lambda f, x: jacfwd(f)(x), "jacrev": lambda f, x: jacrev(f)(x),
    "hessian": lambda f, x: hessian(lambda y: (f(y) ** 3).sum())(x),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@pytest.mark.parametrize("layout", ["coo", "csr", "csc"])
def test_of_a_product(transform, layout):
    matrix = getattr(DENSE, f"to_sparse_{layout}")()
    for x in (torch.tensor([1.0, -2, 0.5]), torch.tensor([[1.0, 2], [3, -1], [0.5, 0.1]])):
        torch.testing.assert_close(transform(lambda x: matrix @ x, x), transform(lambda x: DENSE @ x, x))


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@pytest.mark.parametrize("function", [
    lambda a, dense: a.to_dense(), lambda a, dense: a @ dense, lambda a, dense: (a * dense.t()).to_dense(),
    lambda a, dense: a.sum(), lambda a, dense: a.sin().to_dense()])
def test_of_values(transform, function):
    values, dense = torch.tensor([2.0, 1, 3]), torch.tensor([[1.0, 2], [3, -1], [0.5, 0.1]])
    found = transform(lambda v: function(torch.sparse_coo_tensor(INDICES, v, (2, 3)), dense), values)
    torch.testing.assert_close(found, transform(lambda v: function((v @ UNITS).reshape(2, 3), dense), values))
