"""vmap: values, shapes and dtypes are those of PyTorch's, for rules, composites and what goes element by element."""

import numpy as np
import pytest

import numbatorch

torch = pytest.importorskip("torch")

_random = np.random.RandomState(0)


def r(*shape):
    """Normal numbers of a shape."""
    return _random.randn(*shape).astype(np.float32)


def i(high, *shape):
    """Integers below `high`."""
    return _random.randint(0, high, shape)


CASES = {
    "add": (lambda T, x, y: x+y, [r(4, 3), r(4, 3)]),
    "outer bcast": (lambda T, x, y: x[:, None]*y, [r(4, 3), r(4, 5)]),
    "mv": (lambda T, w, x: w@x, [r(4, 2, 3), r(4, 3)]),
    "mm": (lambda T, w, x: w@x, [r(4, 2, 3), r(4, 3, 5)]),
    "bmm": (lambda T, w, x: T.bmm(w, x), [r(4, 2, 3, 3), r(4, 2, 3, 5)]),
    "sum": (lambda T, x: x.sum(), [r(4, 3, 2)]),
    "sum0": (lambda T, x: x.sum(0), [r(4, 3, 2)]),
    "mean-1": (lambda T, x: x.mean(-1, keepdim=True), [r(4, 3, 2)]),
    "max": (lambda T, x: x.max(0), [r(4, 3, 2)]),
    "argmax": (lambda T, x: x.argmax(), [r(4, 3, 2)]),
    "var": (lambda T, x: x.var(1), [r(4, 3, 2)]),
    "norm": (lambda T, x: x.norm(), [r(4, 3, 2)]),
    "std": (lambda T, x: T.std(x), [r(4, 3, 2)]),
    "softmax": (lambda T, x: T.softmax(x, -1), [r(4, 3, 2)]),
    "logsm": (lambda T, x: T.log_softmax(x, 0), [r(4, 3, 2)]),
    "cumsum": (lambda T, x: x.cumsum(0), [r(4, 3, 2)]),
    "sort": (lambda T, x: x.sort(0), [r(4, 3, 2)]),
    "topk": (lambda T, x: x.topk(2), [r(4, 3)]),
    "ln": (lambda T, x: T.nn.functional.layer_norm(x, (2,)), [r(4, 3, 2)]),
    "idx": (lambda T, x: x[1:, None, ..., 0], [r(4, 3, 2)]),
    "idxt": (lambda T, x: x[T.tensor([0, 2])], [r(4, 3, 2)]),
    "view": (lambda T, x: x.view(-1), [r(4, 3, 2)]),
    "reshape": (lambda T, x: x.reshape(2, 3), [r(4, 3, 2)]),
    "transpose": (lambda T, x: x.transpose(0, 1), [r(4, 3, 2)]),
    "permute": (lambda T, x: x.permute(1, 0), [r(4, 3, 2)]),
    "T": (lambda T, x: x.T, [r(4, 3, 2)]),
    "t": (lambda T, x: x.t(), [r(4, 3, 2)]),
    "unsq": (lambda T, x: x.unsqueeze(-1), [r(4, 3)]),
    "sq": (lambda T, x: x.squeeze(), [r(4, 1, 3)]),
    "expand": (lambda T, x: x.expand(5, 3), [r(4, 3)]),
    "diag": (lambda T, x: T.diagonal(x), [r(4, 3, 3)]),
    "trace": (lambda T, x: T.trace(x), [r(4, 3, 3)]),
    "unfold": (lambda T, x: x.unfold(0, 2, 1), [r(4, 5)]),
    "flip": (lambda T, x: x.flip(0), [r(4, 5)]),
    "cat": (lambda T, x, y: T.cat([x, y]), [r(4, 5), r(4, 2)]),
    "stack": (lambda T, x, y: T.stack([x, y], -1), [r(4, 5), r(4, 5)]),
    "where": (lambda T, x, y: T.where(x>0, x, y), [r(4, 5), r(4, 5)]),
    "linear": (lambda T, x, w: T.nn.functional.linear(x, w), [r(4, 5), r(4, 2, 5)]),
    "linear2": (lambda T, x, w: T.nn.functional.linear(x, w, w[:, 0]), [r(4, 7, 5), r(4, 2, 5)]),
    "conv": (lambda T, x, w: T.nn.functional.conv2d(x, w), [r(4, 2, 3, 5, 5), r(4, 6, 3, 3, 3)]),
    "maxpool": (lambda T, x: T.nn.functional.max_pool2d(x, 2), [r(4, 3, 6, 6)]),
    "avgpool": (lambda T, x: T.nn.functional.avg_pool2d(x, 2), [r(4, 2, 3, 6, 6)]),
    "ce": (lambda T, x, y: T.nn.functional.cross_entropy(x, y), [r(4, 2, 5), i(5, 4, 2)]),
    "ce1": (lambda T, x, y: T.nn.functional.cross_entropy(x, y), [r(4, 5), i(5, 4)]),
    "mse": (lambda T, x, y: T.nn.functional.mse_loss(x, y), [r(4, 5), r(4, 5)]),
    "gather": (lambda T, x, i: x.gather(0, i), [r(4, 5), i(5, 4, 3)]),
    "isel": (lambda T, x, i: x.index_select(0, i), [r(4, 5, 2), i(5, 4, 3)]),
    "emb": (lambda T, i, w: T.nn.functional.embedding(i, w), [i(5, 4, 3), r(4, 5, 2)]),
    "inv": (lambda T, x: T.linalg.inv(x+3*T.eye(3)), [r(4, 3, 3)]),
    "det": (lambda T, x: T.linalg.det(x), [r(4, 3, 3)]),
    "solve": (lambda T, x, y: T.linalg.solve(x, y), [r(4, 3, 3), r(4, 3)]),
    "fft": (lambda T, x: T.fft.fft(x).abs(), [r(4, 8)]),
    "rfft": (lambda T, x: T.fft.rfft(x).real, [r(4, 8)]),
    "inplace": (lambda T, x, y: x.clone().add_(y), [r(4, 3), r(4, 3)]),
    "setitem": (lambda T, x: T.zeros_like(x).add(x), [r(4, 3)]),
    "einsum": (lambda T, x, y: T.einsum('ij, jk->ik', x, y), [r(4, 2, 3), r(4, 3, 2)]),
    "scalar": (lambda T, x, y: x*y, [r(4), r(4, 3)]),
    "scalar prom": (lambda T, x, y: x.double()*y, [r(4), r(4, 3)]),
    "roll": (lambda T, x: x.roll(1, 0), [r(4, 5)]),
    "pad": (lambda T, x: T.nn.functional.pad(x, (1, 2)), [r(4, 5)]),
    "tril": (lambda T, x: x.tril(), [r(4, 3, 3)]),
    "clamp": (lambda T, x: x.clamp(0, 1), [r(4, 3)]),
    "sdpa": (lambda T, q, k, v: T.nn.functional.scaled_dot_product_attention(q, k, v),
        [r(4, 2, 3, 5), r(4, 2, 3, 5), r(4, 2, 3, 5)]),
    "bn": (lambda T, x: T.nn.functional.batch_norm(x, None, None, training=True), [r(4, 6, 3)]),
    "gn": (lambda T, x: T.nn.functional.group_norm(x, 2), [r(4, 2, 4, 3)]),
    "repeat": (lambda T, x: x.repeat(2, 1), [r(4, 3)]),
    "outer": (lambda T, x, y: T.outer(x, y), [r(4, 3), r(4, 2)]),
    "prod": (lambda T, x: x.prod(), [r(4, 3)]),
    "median": (lambda T, x: x.median(), [r(4, 3)]),
    "logsumexp": (lambda T, x: x.logsumexp(0), [r(4, 3)]),
    "cdist": (lambda T, x, y: T.cdist(x, y), [r(4, 3, 2), r(4, 5, 2)]),
    "chunk": (lambda T, x: x.chunk(2), [r(4, 4)]),
    "split": (lambda T, x: x.split(2), [r(4, 5)]),
    "masked_fill": (lambda T, x: x.masked_fill(x>0, 7.), [r(4, 5)]),
    "scatter": (lambda T, x, i, y: x.scatter(0, i, y), [r(4, 5), i(5, 4, 3), r(4, 3)]),
    "index_add": (lambda T, x, i, y: x.index_add(0, i, y), [r(4, 5), i(5, 4, 3), r(4, 3)]),
    "gelu": (lambda T, x: T.nn.functional.gelu(x), [r(4, 5)]),
    "type": (lambda T, x: x.to(T.float64), [r(4, 5)]),
    "matpow": (lambda T, x: T.matrix_exp(x), [r(4, 3, 3)]),
    "svd": (lambda T, x: T.linalg.svdvals(x), [r(4, 3, 3)]),
}


def _same(expected, found):
    if isinstance(expected, (tuple, list)):
        return len(expected) == len(found) and all(_same(a, b) for a, b in zip(expected, found, strict=True))
    return (tuple(expected.shape) == tuple(found.shape) and str(expected.dtype) == str(found.dtype)
            and np.allclose(expected.numpy(), found.numpy(), atol=1e-5, rtol=1e-4))


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_torch(name):
    function, arrays = CASES[name]
    expected = torch.vmap(lambda *xs: function(torch, *xs))(*map(torch.tensor, arrays))
    found = numbatorch.vmap(lambda *xs: function(numbatorch, *xs))(*map(numbatorch.tensor, arrays))
    assert _same(expected, found), (expected, found)


@pytest.mark.parametrize("options", [
    {"in_dims": (None, 0)}, {"in_dims": (1, 0)}, {"in_dims": (0, None), "out_dims": 1}, {"out_dims": -1},
    {"chunk_size": 2}, {"in_dims": (-1, 1)}], ids=str)
def test_dims_and_chunks(options):
    a, b = r(4, 4, 4), r(4, 4, 4)
    results = [library.vmap(lambda x, y: (x * y).sum(0), **options)(library.tensor(a), library.tensor(b))
               for library in (torch, numbatorch)]
    assert _same(*results)


def test_structures_of_arguments():
    vmap = numbatorch.vmap
    x = numbatorch.tensor(r(3, 2))
    found = vmap(lambda d, pair: {"sum": d["a"] + pair[1], "first": pair[0]}, in_dims=({"a": 0}, (0, None)))(
        {"a": x}, (x, numbatorch.ones(2)))
    assert found["sum"].shape == (3, 2) and found["first"].tolist() == x.tolist()


def test_nested():
    x = r(5, 3, 2)
    def rows(library):
        return lambda x: library.vmap(lambda y: (y * x.sum()).sum())(x)
    assert _same(*(library.vmap(rows(library))(library.tensor(x)) for library in (torch, numbatorch)))


def test_gradients_pass_through():
    x = numbatorch.tensor(r(3, 2), requires_grad=True)
    numbatorch.vmap(lambda v: (v * v).sum())(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.detach().numpy(), rtol=1e-6)


def test_randomness():
    vmap, x = numbatorch.vmap, numbatorch.zeros(4, 30)
    for draw in (lambda v: v + numbatorch.randn(30), lambda v: v + numbatorch.rand_like(v),
                 lambda v: numbatorch.nn.functional.dropout(v + 1), lambda v: v.clone().normal_()):
        same, different = vmap(draw, randomness="same")(x), vmap(draw, randomness="different")(x)
        assert (same[0] == same[1]).all() and not (different[0] == different[1]).all()
        with pytest.raises(RuntimeError, match="randomness error mode"):
            vmap(draw)(x)


def test_in_place_changes():
    x = numbatorch.tensor(r(3, 4))

    def change(v):
        made = numbatorch.zeros_like(v)
        made[1] = v[0]
        made.add_(v).mul_(2)
        made[numbatorch.tensor([0, 2])] = -1.0
        return made
    expected = numbatorch.stack([change(v) for v in x])
    assert _same(torch.tensor(expected.numpy()), numbatorch.vmap(change)(x))
    with pytest.raises(RuntimeError, match=r"write a batch of 3 into one tensor. Use the out-of-place form add\(\)"):
        numbatorch.vmap(lambda v: numbatorch.zeros(4).add_(v))(x)


def test_errors_speak():
    vmap, x = numbatorch.vmap, numbatorch.ones(3, 2)
    with pytest.raises(RuntimeError, match=r"calling .item\(\)"):
        vmap(lambda v: v if v.sum() > 0 else -v)(x)
    with pytest.raises(ValueError, match="same size in the mapped dimension, got sizes 3 and 2"):
        vmap(numbatorch.add)(x, numbatorch.ones(2, 2))
    with pytest.raises(ValueError, match="in_dim=2 for some input"):
        vmap(numbatorch.exp, in_dims=2)(x)
    with pytest.raises(ValueError, match="at least one tensor"):
        vmap(numbatorch.exp, in_dims=None)(x)
    with pytest.raises(ValueError, match="must only return Tensors"):
        vmap(lambda v: 3)(x)


def test_numbers_of_the_batch_are_indices():
    x = numbatorch.arange(12).view(3, 4)
    rows, columns = numbatorch.tensor([2, 0]), numbatorch.tensor([-1, 1])
    assert numbatorch.vmap(lambda i, j: x[i, j])(rows, columns).tolist() == [11, 1]
    assert numbatorch.vmap(lambda i: x[i])(rows).tolist() == [[8, 9, 10, 11], [0, 1, 2, 3]]
    assert numbatorch.vmap(lambda i: x[1:, i], out_dims=1)(columns).tolist() == [[7, 5], [11, 9]]
    with pytest.raises(IndexError):
        numbatorch.vmap(lambda i: x[i])(numbatorch.tensor([0, 3]))
