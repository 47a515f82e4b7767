"""The meta device: shapes, dtypes and strides without memory or values."""

import copy
import io
import pickle

import pytest

import numbatorch as torch
from numbatorch import nn


def meta(*shape, **options):
    return torch.empty(*shape, device="meta", **options)


def test_what_it_prints_and_answers():
    x = meta(3)
    assert repr(x) == "tensor(..., device='meta', size=(3,))"
    assert repr(meta(2, 3, dtype=torch.int32)) == "tensor(..., device='meta', size=(2, 3), dtype=torch.int32)"
    assert x.is_meta and not x.is_cpu and x.device == torch.device("meta") and x.get_device() == -1
    assert torch.empty(1, device="meta:0").device == torch.device("meta")
    assert x[1:].storage_offset() == 1 and x.untyped_storage().nbytes() == 12


OPS = {
    "broadcast": lambda x: x.unsqueeze(1) + x.t().contiguous()[:, 0],
    "promotion": lambda x: x.to(torch.float16) * x.double(),
    "reduction": lambda x: x.sum(0, keepdim=True),
    "views": lambda x: x.t()[1:, ::2].unfold(0, 2, 1),
    "matmul": lambda x: x @ x.t(),
    "conv": lambda x: torch.conv2d(x.reshape(1, 1, 4, 6), x.new_ones(2, 1, 3, 3), padding=1),
    "cat": lambda x: torch.cat([x, x], 1),
    "sort": lambda x: x.sort(-1),
    "index": lambda x: x[:, torch.tensor([0, 2, 2])],
    "gather": lambda x: x.gather(1, x.new_zeros(4, 2, dtype=torch.int64)),
    "embedding": lambda x: nn.functional.embedding(x.new_zeros(2, dtype=torch.int64), x),
    "in place": lambda x: x.clone().t().mul_(2),
    "out": lambda x: torch.add(x, 1, out=x.new_empty(0)),
    "softmax": lambda x: x.t().softmax(0),
    "attention": lambda x: nn.functional.scaled_dot_product_attention(x[None, None], x[None, None], x[None, None]),
    "dropout": lambda x: nn.functional.dropout(x, 0.5),
    "cumsum": lambda x: x.cumsum(1),
    "tril": lambda x: x.tril(),
    "numpy: fft": lambda x: torch.fft.rfft(x),
    "numpy: solve": lambda x: torch.linalg.solve(x @ x.t(), x),
    "numpy: svd": lambda x: torch.linalg.svd(x, full_matrices=False),
    "numpy: cholesky": lambda x: torch.linalg.cholesky(x @ x.t()),
    "values: multinomial": lambda x: x.abs().multinomial(2),
    "values: bce": lambda x: nn.functional.binary_cross_entropy(x.abs(), x),
    "values: one_hot": lambda x: nn.functional.one_hot(x.new_zeros(3, dtype=torch.int64), 5),
    "values: histogram": lambda x: torch.histogram(x, 4),
    "integers": lambda x: x.long() // 2,
    "interpolate": lambda x: nn.functional.interpolate(x[None, None], scale_factor=2, mode="bicubic"),
}


@pytest.mark.parametrize("name", OPS)
def test_results_have_the_layouts_of_the_cpu(name):
    x = torch.arange(1.0, 25.0).view(4, 6) / 25
    want, got = OPS[name](x), OPS[name](x.to("meta"))
    several = want if isinstance(want, tuple) else (want,)
    found = got if isinstance(got, tuple) else (got,)
    assert type(want) is type(got)
    for a, b in zip(several, found, strict=True):
        assert b.is_meta and (a.shape, a.dtype, a.stride()) == (b.shape, b.dtype, b.stride())


@pytest.mark.parametrize("ask", [
    lambda x: x[0].item(), lambda x: bool(x[0]), lambda x: x.tolist(), lambda x: x.cpu(), lambda x: x.nonzero(),
    lambda x: x[x > 0], lambda x: x.unique(), lambda x: torch.equal(x, x), lambda x: torch.allclose(x, x),
    lambda x: torch.zeros(3).copy_(x), lambda x: x.long().bincount(), lambda x: torch.masked_select(x, x > 0),
    lambda x: x.repeat_interleave(x.long()), lambda x: x.to_sparse(), lambda x: [i for i in x if i > 0]])
def test_what_depends_on_values_raises(ask):
    with pytest.raises(NotImplementedError):
        ask(meta(3))


def test_errors_of_numpy_and_of_other_devices():
    with pytest.raises(TypeError, match="can't convert meta device type tensor to numpy"):
        meta(2).numpy()
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        meta(2) + torch.ones(2)
    with pytest.raises(RuntimeError, match="do not broadcast"):
        meta(2) + meta(3)
    assert (meta(2) + torch.tensor(1.0)).is_meta and meta(2).copy_(torch.ones(2)).is_meta


def test_nothing_is_allocated():
    huge = meta(1 << 20, 1 << 20)
    assert (huge @ huge.t()).add_(1).softmax(-1).shape == (1 << 20, 1 << 20)
    with torch.device("meta"):
        layer = nn.Linear(1 << 20, 1 << 20)
    assert layer(huge[:1]).shape == (1, 1 << 20)


def test_gradients_have_shapes():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.GELU(), nn.Linear(4, 2)).to("meta")
    optimizer = torch.optim.AdamW(model.parameters())
    nn.functional.cross_entropy(model(meta(5, 3)), meta(5, dtype=torch.int64)).backward()
    assert all(p.grad.is_meta and p.grad.shape == p.shape for p in model.parameters())
    assert nn.utils.clip_grad_norm_(model.parameters(), 1.0).is_meta
    optimizer.step()
    a = meta(3, 3, requires_grad=True)
    torch.linalg.inv(a).sum().backward()
    assert a.grad.is_meta and a.grad.shape == (3, 3)
    x = meta(3, requires_grad=True)
    (first,) = torch.autograd.grad(x.exp().sum(), x, create_graph=True)
    assert torch.autograd.grad(first.sum(), x)[0].is_meta


def test_modules_get_memory_later():
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(2, 3), nn.LSTM(3, 2))
    assert all(p.is_meta for p in model.parameters())
    with pytest.raises(NotImplementedError, match=r"to_empty\(\) instead of torch.nn.Module.to\(\)"):
        model.to("cpu")
    state = nn.Sequential(nn.Linear(2, 3), nn.LSTM(3, 2)).state_dict()
    assigned = copy.deepcopy(model)
    assigned.load_state_dict(state, assign=True)
    assert all(not p.is_meta and isinstance(p, nn.Parameter) and p.requires_grad for p in assigned.parameters())
    assert torch.equal(assigned[0].weight, state["0.weight"])
    with pytest.warns(UserWarning, match="assign=True"):
        model.load_state_dict(state)
    model.to_empty(device="cpu").load_state_dict(state)
    x = torch.ones(1, 2)
    assert torch.equal(model(x)[0], assigned(x)[0])
    assert not nn.utils.skip_init(nn.Linear, 2, 3).weight.is_meta


def test_filling_draws_no_numbers():
    torch.manual_seed(0)
    want = torch.rand(2)
    torch.manual_seed(0)
    layer = nn.Linear(3, 3, device="meta")
    nn.init.xavier_normal_(layer.weight)
    torch.rand(4, device="meta")
    assert torch.equal(torch.rand(2), want)


def test_pickles_and_checkpoints():
    x = meta(2, 3).t()
    file = io.BytesIO()
    torch.save({"x": x, "y": torch.ones(2)}, file)
    file.seek(0)
    found = torch.load(file)
    for other in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), found["x"]):
        assert other.is_meta and other.shape == (3, 2) and other.stride() == (1, 3)
    file.seek(0)
    assert found["y"].tolist() == [1.0, 1.0] and torch.load(file, map_location="meta")["y"].is_meta


def test_overlapping_changes_are_told():
    x = meta(4)
    with pytest.raises(RuntimeError, match="single memory location"):
        x[1:].add_(x[:-1])
    x.add_(meta(4))
    with pytest.raises(RuntimeError, match="more than one element"):
        meta(1).expand(3).add_(1)


NEEDS_VALUES = {
    "solve": lambda x: torch.linalg.solve(x @ x.t() + torch.eye(4, device=x.device), x),
    "prod": lambda x: x.prod(1),
    "det": lambda x: torch.linalg.det(x @ x.t()),
    "lu": lambda x: torch.linalg.lu_factor_ex(x @ x.t())[0],
    "quantile": lambda x: x.quantile(0.5, 1),
    "fft": lambda x: torch.fft.rfft(x).abs(),
}


@pytest.mark.parametrize("name", NEEDS_VALUES)
def test_gradients_of_what_needs_values_have_shapes(name):
    x = meta(4, 6, requires_grad=True)
    NEEDS_VALUES[name](x).sum().backward()
    assert x.grad.is_meta and x.grad.shape == (4, 6)


def test_gradients_do_not_come_back_from_a_device_without_values():
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        x.to("meta").sum().backward()
