"""gradcheck finds right and wrong gradients; a sample of ops passes it, once and twice differentiated."""

import pytest

import numbatorch as torch
from numbatorch.autograd import Function, gradcheck, gradgradcheck
from numbatorch.autograd.gradcheck import GradcheckError


def values(*shape):
    count = 1
    for n in shape:
        count *= n
    flat = torch.linspace(-1.3, 1.7, count, dtype=torch.float64) if count > 1 else torch.tensor(
        [0.7], dtype=torch.float64)
    return flat.reshape(shape).requires_grad_()


class WrongSquare(Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return input * input

    @staticmethod
    def backward(ctx, grad):
        (input,) = ctx.saved_tensors
        return grad * input  # half of what it should be


def test_wrong_gradients_are_found():
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"):
        gradcheck(WrongSquare.apply, (values(3),))
    assert not gradcheck(WrongSquare.apply, (values(3),), raise_exception=False)


def test_inputs_must_require_grad():
    with pytest.raises(ValueError, match="require"):
        gradcheck(torch.sin, (values(2).detach(),))


def test_single_precision_is_warned_about():
    with pytest.warns(UserWarning, match="double precision"):
        gradcheck(torch.sin, (torch.ones(1, requires_grad=True),), eps=1e-2, atol=1e-1, rtol=1e-1)


FUNCTIONS = {
    "tanh": (lambda a: a.tanh(), (3,)),
    "product": (lambda a, b: a * b, (2, 3), (3,)),
    "quotient": (lambda a, b: a / (b * b + 1), (2, 3), (2, 1)),
    "softmax": (lambda a: a.softmax(-1), (2, 3)),
    "logsumexp": (lambda a: a.logsumexp(0), (2, 3)),
    "var": (lambda a: a.var(1), (2, 3)),
    "matmul": (lambda a, b: a @ b, (2, 3), (3, 2)),
    "views": (lambda a: a.t()[1:].reshape(-1).unsqueeze(0), (2, 3)),
    "prod": (lambda a: a.prod(), (3,)),
    "norm": (lambda a: a.norm(), (4,)),
    "where": (lambda a, b: torch.where(a > 0, a * b, b.exp()), (4,), (4,)),
    "power": (lambda a, b: (a * a + 1) ** b, (3,), (3,)),
    "several": (lambda a: (a.sin(), a.sum(0)), (2, 2)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_and_second_gradients(name):
    function, *shapes = FUNCTIONS[name]
    inputs = tuple(values(*s) for s in shapes)
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


def test_complex_gradients():
    a = torch.complex(values(3).detach(), values(3).detach() + 0.5).requires_grad_()
    assert gradcheck(lambda z: z * z.conj() + z ** 2, (a,))
    assert gradcheck(lambda z: z.abs(), (a,))


def test_second_gradients_through_in_place_changes():
    def whole(x, w):
        y = x * 1
        y.mul_(w).pow_(2)
        return y * y

    def part(x, w):
        y = x * 1
        y[1:].mul_(w[1:])
        y[0] = w[0] * y[2].clone()
        y.t()[:2].exp_()
        return y * y
    for function in (whole, part):
        inputs = (values(3), (values(3).detach() + 0.5).requires_grad_())
        assert gradcheck(function, inputs)
        assert gradgradcheck(function, inputs)


class TwoOutputs(Function):
    """(2 x, 3 x), wrong where both outputs have gradients."""

    @staticmethod
    def forward(ctx, input):
        ctx.set_materialize_grads(False)
        return input * 2, input * 3

    @staticmethod
    def backward(ctx, first, second):
        return 2 * first if second is None else 3 * second if first is None else first


class Unsteady(Function):
    calls = 0

    @staticmethod
    def forward(ctx, input):
        return input * 1

    @staticmethod
    def backward(ctx, grad):
        Unsteady.calls += 1
        return grad * (1 + 1e-9 * Unsteady.calls)


def test_fast_mode():
    x = values(3)
    assert gradcheck(lambda a: (a.sin(), a * a.sum()), (x,), fast_mode=True)
    assert gradgradcheck(lambda a: a.sin() * a, (x,), fast_mode=True, gen_non_contig_grad_outputs=True)
    z = torch.complex(values(3).detach(), values(3).detach() + 0.5).requires_grad_()
    assert gradcheck(lambda z: (z.abs(), z * z.conj() + z.exp()), (z,), fast_mode=True)
    with pytest.raises(GradcheckError, match="fast mode"):
        gradcheck(WrongSquare.apply, (values(3),), fast_mode=True)


def test_outputs_that_nobody_uses_count_as_zeros():
    with pytest.raises(GradcheckError, match="undefined output grads"):
        gradcheck(TwoOutputs.apply, (values(2),))
    assert gradcheck(TwoOutputs.apply, (values(2),), check_undefined_grad=False)


def test_backward_must_repeat_itself():
    with pytest.raises(GradcheckError, match="nondet_tol"):
        gradcheck(Unsteady.apply, (values(2),))
    assert gradcheck(Unsteady.apply, (values(2),), nondet_tol=1e-6)


def test_outputs_without_gradients_must_not_depend_on_inputs():
    assert gradcheck(lambda a: (a * 2, a.detach() * 0), (values(2),))
    with pytest.raises(GradcheckError, match="does not require grad"):
        gradcheck(lambda a: (a * 2, a.detach() * 3), (values(2),))


def test_forward_mode_and_batches():
    options = {"check_forward_ad": True, "check_batched_grad": True, "check_batched_forward_grad": True}
    z = torch.complex(values(3).detach(), values(3).detach() + 0.5).requires_grad_()
    for fast in (False, True):
        assert gradcheck(lambda a, b: (a @ b, a.sin().sum()), (values(2, 3), values(3)), fast_mode=fast, **options)
        assert gradcheck(lambda z: z * z.conj() + z.exp(), (z,), fast_mode=fast, **options)
        assert gradcheck(torch.tanh, (values(3),), check_forward_ad=True, check_backward_ad=False, fast_mode=fast)
        assert gradgradcheck(lambda a, b: (a * b).sin(), (values(3), values(3)), fast_mode=fast,
                             check_batched_grad=True, check_fwd_over_rev=True)


def test_wrong_tangents_are_found(monkeypatch):
    from numbatorch.autograd import gradcheck_modes
    right = gradcheck_modes._tangent
    monkeypatch.setattr(gradcheck_modes, "_tangent", lambda *args: 2 * right(*args))
    for fast in (False, True):
        with pytest.raises(GradcheckError, match="in forward mode"):
            gradcheck(torch.tanh, (values(3),), check_forward_ad=True, fast_mode=fast)


def test_inputs_must_not_share_memory_with_themselves():
    with pytest.raises(RuntimeError, match="share memory"):
        gradcheck(torch.sin, (torch.ones(1, dtype=torch.float64).expand(3).requires_grad_(),))
    with pytest.raises(AssertionError, match="check_backward_ad"):
        gradcheck(torch.sin, (values(2),), check_backward_ad=False)
    assert gradcheck(torch.sin, (values(2),), check_grad_dtypes=True, masked=True)
