"""Convolutions of nothing and to nothing: what they give, and what is refused."""

import pytest

import numbatorch as nt


@pytest.mark.parametrize("rank, input, weight, padding, shape", [
    (1, (2, 3, 1), (3, 4, 2), 1, (2, 4, 0)),
    (1, (0, 3, 5), (3, 4, 2), 0, (0, 4, 6)),
    (2, (2, 3, 1, 4), (3, 4, 2, 2), 1, (2, 4, 0, 3)),
    (2, (2, 3, 4, 1), (3, 4, 2, 2), 1, (2, 4, 3, 0)),
    (3, (1, 2, 2, 1, 1), (2, 1, 1, 1, 2), (0, 0, 1), (1, 1, 2, 1, 0)),
])
def test_a_transposed_convolution_may_have_an_empty_result(rank, input, weight, padding, shape):
    x, w = (nt.randn(size, requires_grad=True) for size in (input, weight))
    result = getattr(nt, f"conv_transpose{rank}d")(x, w, padding=padding)
    assert result.shape == shape
    result.sum().backward()
    assert x.grad.shape == input and w.grad.shape == weight
    assert not x.grad.any() and not w.grad.any()


def test_a_convolution_without_channels_is_its_bias():
    x, w, bias = nt.randn(2, 0, 5, requires_grad=True), nt.randn(4, 0, 3, requires_grad=True), nt.randn(4)
    result = nt.conv1d(x, w, bias)
    assert nt.equal(result, bias[:, None].expand(2, 4, 3))
    result.sum().backward()
    assert x.grad.shape == (2, 0, 5) and w.grad.shape == (4, 0, 3)


@pytest.mark.parametrize("name, input, weight, padding, message", [
    ("conv_transpose1d", (2, 3, 1), (3, 4, 1), 2, "Output size is too small"),
    ("conv_transpose2d", (2, 3, 0, 4), (3, 4, 2, 2), 0, "no positions"),
    ("conv_transpose1d", (2, 0, 5), (0, 4, 2), 0, "at least 1 at dimension 0"),
    ("conv2d", (2, 3, 8, 8), (0, 3, 3, 3), 0, "at least 1 at dimension 0"),
])
def test_sizes_that_give_no_convolution_are_named(name, input, weight, padding, message):
    with pytest.raises(RuntimeError, match=f"{name}.*{message}"):
        getattr(nt, name)(nt.randn(input), nt.randn(weight), padding=padding)
