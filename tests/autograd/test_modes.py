"""no_grad, enable_grad, set_grad_enabled, inference_mode, and which tensors may ask for gradients."""

import pytest

import numbatorch as torch


def leaf(*values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def test_no_grad_and_enable_grad():
    x = leaf(1.0)
    with torch.no_grad():
        assert not torch.is_grad_enabled()
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
    assert torch.is_grad_enabled()


def test_modes_as_decorators():
    x = leaf(1.0)

    @torch.no_grad()
    def plain(t):
        return t * 2

    @torch.no_grad
    def bare(t):
        return t * 2

    @torch.enable_grad()
    def recorded(t):
        return t * 2
    assert not plain(x).requires_grad and not bare(x).requires_grad
    with torch.no_grad():
        assert recorded(x).requires_grad


def test_a_mode_acts_inside_a_generator_only():
    x = leaf(1.0)

    @torch.no_grad()
    def values():
        sent = yield x * 2
        yield sent * 2
    iterator = values()
    assert not next(iterator).requires_grad
    assert torch.is_grad_enabled()
    assert not iterator.send(x).requires_grad
    assert torch.is_grad_enabled()


def test_generator_under_a_mode_sees_exceptions():
    closed = []

    @torch.no_grad()
    def values():
        try:
            yield 1
        except ValueError:
            yield "caught"
        finally:
            closed.append(torch.is_grad_enabled())
    iterator = values()
    next(iterator)
    assert iterator.throw(ValueError()) == "caught"
    iterator.close()
    assert closed == [False]


def test_set_grad_enabled():
    x = leaf(1.0)
    with torch.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    assert torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    try:
        assert not (x * 2).requires_grad
    finally:
        torch.set_grad_enabled(True)

    @torch.set_grad_enabled(False)
    def plain(t):
        return t * 2
    assert torch.is_grad_enabled() and not plain(x).requires_grad


def test_inference_mode():
    x = leaf(1.0)
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled()
        y = x * 2
        assert not y.requires_grad and y.is_leaf
        with torch.inference_mode(False):
            assert (x * 2).requires_grad
    assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()

    @torch.inference_mode()
    def plain(t):
        return t * 2
    assert not plain(x).requires_grad


def test_requires_grad_rules():
    with pytest.raises(RuntimeError, match="floating point"):
        torch.tensor([1]).requires_grad_()
    y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match="leaf"):
        y.requires_grad_(False)
    assert y.requires_grad and not y.is_leaf
