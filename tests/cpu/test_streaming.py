"""Results written past the caches: the same bits as others, at any place in memory."""

import math

import pytest

import numbatorch
from numbatorch.cpu import streaming
from numbatorch.nn import functional as F


@pytest.fixture
def sizes(monkeypatch):
    """Set how large the last cache is said to be; plans made before keep what they have, so shapes must differ."""
    return lambda size: monkeypatch.setattr(streaming, "last_cache_bytes", lambda: size)


def test_a_flat_result_is_the_same_wherever_it_begins(sizes):
    numbatorch.manual_seed(0)
    x, y = numbatorch.randn(5003), numbatorch.randn(5003)
    sizes(1 << 62)
    expected = (x * y, x.to(numbatorch.bfloat16), x > y, numbatorch.exp(x))
    sizes(0)
    x, y = x.view(1, 5003), y.view(1, 5003)
    for result, want in zip((x * y, x.to(numbatorch.bfloat16), x > y, numbatorch.exp(x)), expected, strict=True):
        assert (result[0] == want).all()
    room = numbatorch.zeros(5020)
    for first in range(17):
        out = room[first : first + 5003]
        numbatorch.mul(x[0], y[0], out=out)
        assert (out == expected[0]).all()
        assert not room[:first].any() and not room[first + 5003 :].any()
        room.zero_()


def test_choices_are_the_same_by_any_byte_of_a_condition(sizes):
    numbatorch.manual_seed(0)
    bytes_ = numbatorch.randint(0, 3, (3000,), dtype=numbatorch.uint8) * 127  # 0, 127, 254
    condition = bytes_.view(numbatorch.bool)
    for k, dtype in enumerate((numbatorch.float32, numbatorch.float64, numbatorch.bfloat16, numbatorch.int32)):
        x, y = (numbatorch.randn(3000) * 9).to(dtype), (numbatorch.randn(3000) * 9).to(dtype)
        if dtype.is_floating_point:
            x[::7], y[::5], x[::11] = math.nan, math.inf, -0.0
        want = [a if c else b for c, a, b in zip(bytes_.tolist(), x.tolist(), y.tolist(), strict=True)]
        filled = [type(a)(3) if c else a for c, a in zip(bytes_.tolist(), x.tolist(), strict=True)]
        for last_cache in (1 << 62, 0):
            sizes(last_cache)
            shape = (3000,) if last_cache else (k + 1, -1, 2)  # plans are kept by shape
            c, a, b = (t.repeat(k + 1).view(shape) if not last_cache else t for t in (condition, x, y))
            assert str(numbatorch.where(c, a, b).flatten()[:3000].tolist()) == str(want)
            assert str(a.masked_fill(c, 3).flatten()[:3000].tolist()) == str(filled)


@pytest.mark.parametrize("length", [512, 528, 4096, 8192])
def test_rows_are_the_same(sizes, length):
    numbatorch.manual_seed(0)
    x, grad, weight = numbatorch.randn(6, length), numbatorch.randn(6, length), numbatorch.randn(length)

    def results(shape):
        own = x.view(shape).requires_grad_()
        made = [F.softmax(own, -1), F.log_softmax(own, -1), F.layer_norm(own, (length,), weight),
                F.rms_norm(own, (length,))]
        for result in list(made):
            result.backward(grad.view(shape))
            made.append(own.grad)
            own.grad = None
        return [t.detach().reshape(6, length) for t in made]

    sizes(1 << 62)
    expected = results((6, length))
    sizes(0)
    for result, want in zip(results((2, 3, length)), expected, strict=True):
        assert (result == want).all()


@pytest.mark.parametrize("length", [528, 1600, 8192])
def test_totals_of_rows_are_the_same(sizes, length):
    numbatorch.manual_seed(0)
    x = numbatorch.randn(6, length)

    def results(x):
        return [x.sum(-1), x.mean(-1), x.norm(dim=-1), x.norm(1, -1), x.var(-1), x.amin(-1), x.argmax(-1),
                x.to(numbatorch.bfloat16).sum(-1, dtype=numbatorch.float32), F.rms_norm(x, (length,))]

    sizes(1 << 62)
    expected = results(x)
    sizes(0)
    for result, want in zip(results(x.view(2, 3, length)), expected, strict=True):
        assert (result.reshape(want.shape) == want).all()
    assert x.view(-1).sum() == x.view(1, -1).sum(-1).item()


@pytest.mark.parametrize("dtype", [numbatorch.float32, numbatorch.float64, numbatorch.bfloat16])
def test_what_a_condition_chooses_is_the_same(sizes, dtype):
    numbatorch.manual_seed(0)
    x, grad = numbatorch.randn(1003, dtype=dtype), numbatorch.randn(1003, dtype=dtype)
    x[:5] = numbatorch.tensor([0.0, -0.0, math.nan, math.inf, -math.inf], dtype=dtype)
    grad[:10] = numbatorch.tensor([math.nan, math.inf, -0.0, 0.0, -math.inf] * 2, dtype=dtype)

    def results(shape):
        own, other = x.view(shape).requires_grad_(), grad.view(shape)
        made = [numbatorch.where(own > other, own * 2, other).detach(), numbatorch.where(other < 1, other, 0)]
        for call in (F.relu, F.relu6, F.leaky_relu, lambda x: F.threshold(x, 0.5, 2), lambda x: x.clamp(-0.5, 0.5)):
            own.grad = None
            call(own).backward(other)
            made.append(own.grad)
        return [t.reshape(1003) for t in made]

    sizes(1 << 62)
    expected = results((1003,))
    sizes(0)
    for result, want in zip(results((17, 59)), expected, strict=True):
        for look in (numbatorch.isnan, numbatorch.nan_to_num, numbatorch.signbit):
            assert look(result).equal(look(want))


def test_joins_and_copies_turned_over_are_the_same(sizes):
    parts = [numbatorch.arange(36 * n, dtype=numbatorch.float32).view(n, 36) + n for n in (3, 20, 5)]
    whole = numbatorch.arange(80 * 48.0).view(80, 48)
    sizes(0)
    for dim, several in ((0, parts), (1, [part.t().contiguous() for part in parts])):
        for part, piece in zip(several, numbatorch.cat(several, dim).split([3, 20, 5], dim), strict=True):
            assert (part == piece).all()
    assert numbatorch.cat([parts[0]] * 9)[24:].equal(parts[0])  # more than are passed by argument
    for shift in (0, 3, 16):
        out = numbatorch.zeros(80 * 48 + shift)[shift:].view(48, 80)
        assert out.copy_(whole.t()).tolist() == [list(column) for column in zip(*whole.tolist(), strict=True)]
    assert whole.view(5, 16, 48).permute(2, 0, 1).contiguous()[7, 3, 2] == whole[50, 7]


def test_rows_that_an_index_chooses_are_the_same(sizes):
    sizes(0)
    for width in (256, 301):
        x = numbatorch.arange(9 * 310.0).view(9, 310)[:, :width]
        index = numbatorch.tensor([8, 0, 3, 3])
        for chosen in (x, x.to(numbatorch.complex128)):
            assert chosen.index_select(0, index).tolist() == [chosen[k].tolist() for k in index.tolist()]


def test_the_last_cache_is_the_largest_that_the_system_tells(tmp_path):
    for index, size in enumerate(("48K", "32768K", "1M")):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        (folder / "size").write_text(size + "\n")
    assert streaming.last_cache_bytes(tmp_path) == 1 << 25
    (tmp_path / "index0" / "size").write_text("384M\n")
    streaming.last_cache_bytes.cache_clear()
    assert streaming.last_cache_bytes(tmp_path) == 384 << 20
    assert streaming.last_cache_bytes(tmp_path / "none") == 1 << 25
