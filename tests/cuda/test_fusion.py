"""What compiled programs of a GPU bring together: which steps become one, and that values keep eager code's bits."""

import pytest

import numbatorch as torch
from numbatorch.cuda import fusion, row_levels, rows, split
from numbatorch.cuda.compile import compile_kernel
from numbatorch.nn import functional as F
from tests.compiler.agreement import steps_of
from tests.cuda.assembling import assemble

pytestmark = pytest.mark.usefixtures("gpu")


def numbers(*shape, dtype=None):
    return torch.randn(*shape).to("cuda", dtype)


@pytest.mark.parametrize("width", [6, 96, 200, 202])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_residual_and_its_norm_are_one_step(width, dtype):
    x, y, weight, bias = (numbers(*s, dtype=dtype) for s in ((33, width), (33, width), (width,), (width,)))

    def f(x, y):
        total = x + y
        return total, F.layer_norm(total, (width,), weight, bias).relu() * 2
    assert len(steps_of(f, x, y)) == 1


@pytest.mark.parametrize("width", [6, 200, 1500])
def test_elementwise_steps_around_rows(width):
    x, y = numbers(3, width), numbers(3, width)
    assert len(steps_of(lambda x, y: (x * 0.5 + y).softmax(-1) * 3, x, y)) == 1
    assert len(steps_of(lambda x, y: (x - y).square().sum(), x, y)) == 1
    assert len(steps_of(lambda x, y: x - (x * y).mean(-1, keepdim=True), x, y)) == 1
    assert len(steps_of(lambda x, y: F.rms_norm(x + y, (width,)) + x, x, y)) == 1


def test_rows_of_one_dtype_take_up_copies_to_and_from_another():
    x = numbers(9, 64, dtype=torch.bfloat16)
    assert len(steps_of(lambda x: F.layer_norm(x.float(), (64,)).bfloat16(), x)) == 1


def test_sums_and_extremes_share_a_walk_and_elements_are_stored_on_the_way():
    x, y = numbers(5, 200), numbers(5, 200)
    assert len(steps_of(lambda x, y: (x.sum(-1), x.amax(-1), x.amin(-1)), x, y)) == 1
    assert len(steps_of(lambda x, y: ((z := x * y), z.sum(-1)), x, y)) == 1


def test_long_rows_in_pieces_are_summed_as_alone():
    x, y = numbers(40_000), numbers(40_000)
    assert len(steps_of(lambda x, y: (x - y).square().mean(), x, y)) == 1
    request = rows_request(lambda x: x.sum(), 40_000)
    assert fusion.form(request)[3] == split.pieces_of(rows.Walk(request)) > 1


def test_rows_whose_levels_are_kernels_stand_alone():
    x = numbers(1, 70_000)
    assert len(steps_of(lambda x: (x * 2).softmax(-1) + 1, x)) == 3
    request = rows_request(lambda x: x.softmax(-1), 1, 70_000)
    assert row_levels.when(request, rows.Walk(request)) and not fusion.takes_steps(request)


def rows_request(function, *shape):
    """The request of the row formula that a function asks for."""
    run, x = torch.compile(function), torch.zeros(*shape, device="cuda")
    for _ in range(2):
        run(x)
    from numbatorch.compiler.passes.compose import rows_of
    return next(r for s in run.graph.steps if (r := rows_of(s)) is not None)


def test_costly_values_are_not_made_twice():
    assert len(steps_of(lambda x: F.layer_norm(x.exp(), (200,)), numbers(33, 200))) == 2


def test_a_walk_in_another_order_is_not_joined():
    x, y = numbers(24, 64), numbers(64, 24)
    found = steps_of(lambda x, y: (x + y.t()).softmax(-1), x, y)
    assert 1 <= len(found) <= 2
    x, y = numbers(6, 5, 40), numbers(5, 6, 40)
    steps_of(lambda x, y: (x * y.transpose(0, 1)).sum((0, 2)), x, y)


def test_sums_do_not_depend_on_addresses():
    """Rows at addresses that are no multiples of 16 are read one by one, in the order of those that are."""
    data = torch.randn(8 * 512 + 1)
    moved = data.cuda()[1:].view(8, 512)
    whole = data[1:].clone().cuda().view(8, 512)
    assert moved.data_ptr() % 16 and not whole.data_ptr() % 16
    for function in (lambda x: x.sum(1), lambda x: F.layer_norm(x, (512,)), lambda x: x.softmax(1)):
        assert torch.equal(function(moved).cpu(), function(whole).cpu())


def test_losses_and_gradients_of_a_block():
    torch.manual_seed(0)
    weight, bias, table = (numbers(*s).requires_grad_() for s in ((64,), (64,), (5, 64)))
    target = torch.tensor([1, 0, 3, 2, 4, 1]).cuda()

    def step(x, y):
        hidden = F.layer_norm(x + y, (64,), weight, bias)
        loss = F.cross_entropy((hidden + x) @ table.t(), target)
        return (loss.detach(), *torch.autograd.grad(loss, (weight, bias, table)))
    found = steps_of(step, numbers(6, 64), numbers(6, 64))
    assert "add" not in found and any("layer_norm" in name for name in found)


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90a"])
def test_fused_rows_assemble_without_spills(architecture, tmp_path):
    x, y, weight = numbers(16, 1024), numbers(16, 1024), numbers(1024)

    def f(x, y):
        total = x + y
        return total, F.layer_norm(total, (1024,), weight).relu() * y
    run = torch.compile(f)
    for _ in range(3):
        run(x, y)
    (step,) = run.graph.steps
    kernel = step.kernel.kernel
    assert "_wide4" in kernel.name
    made = compile_kernel(kernel.name, kernel.source, kernel.signature, kernel.block, True)
    text = made.ptx(architecture)
    assert ".v4" in text and ".local" not in text
    assemble(text, architecture, tmp_path)


def test_a_loss_its_softmax_and_its_gradient_are_one_step():
    target = torch.arange(16).cuda() % 7

    def step(x):
        x = x.detach().requires_grad_()
        loss = F.cross_entropy(x * 2, target)
        return loss.detach(), torch.autograd.grad(loss, x)[0]
    found = steps_of(step, numbers(16, 200))
    assert sum("surprise" in name or "cross_entropy" in name or "softmax" in name for name in found) == 1
    assert not any("mul" in name.split("_")[:1] for name in found)


def test_what_is_known_while_compiling_is_computed_there():
    def f(x):
        table = torch.arange(6.0, device="cuda") * 2 + 1
        return x * table.sum() + torch.full((4, 1), 3.0, device="cuda").exp()
    assert len(steps_of(f, numbers(4, 6))) == 1
