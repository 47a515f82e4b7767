"""Sparse tensors that move between the host and the GPU."""

import pytest

import numbatorch as torch

pytestmark = pytest.mark.usefixtures("gpu")

MAKE = {"coo": lambda d: d.to_sparse(), "csr": lambda d: d.to_sparse_csr(), "csc": lambda d: d.to_sparse_csc(),
        "bsr": lambda d: d.to_sparse_bsr((2, 2)), "bsc": lambda d: d.to_sparse_bsc((2, 2)),
        "hybrid": lambda d: d.to_sparse(1), "batch": lambda d: torch.stack([d, d]).to_sparse_csr()}


def dense():
    return torch.tensor([[0.0, 1, 0, 2], [3, 0, 0, 0], [0, 0, 4, 5], [0, 6, 0, 0]])


@pytest.mark.parametrize("make", MAKE)
def test_there_and_back(make):
    d = dense()
    s = MAKE[make](d)
    there = s.cuda()
    assert there.is_cuda and there.layout is s.layout and there.device == torch.device("cuda:0")
    assert there.values().is_cuda and s.to("cuda", torch.float64).dtype is torch.float64
    assert torch.equal(there.to_dense().cpu(), s.to_dense())
    for back in (there.cpu(), there.to("cpu"), there.to(s), s.cuda().to("cpu", non_blocking=True)):
        torch.cuda.synchronize()
        assert not back.is_cuda and back.layout is s.layout and torch.equal(back.to_dense(), s.to_dense())
    assert there.to("cuda") is there and "cuda:0" in repr(there)


@pytest.mark.parametrize("make", ["coo", "csr", "csc"])
def test_products_and_gradients(make):
    d, x = dense(), torch.arange(8.0).reshape(4, 2)
    assert torch.equal((MAKE[make](d).cuda() @ x.cuda()).cpu(), d @ x)
    leaf = MAKE[make](d).requires_grad_()
    (leaf.cuda().to_dense() * 3).sum().backward()
    assert not leaf.grad.is_cuda and torch.equal(leaf.grad.to_dense(), 3 * (d != 0))
