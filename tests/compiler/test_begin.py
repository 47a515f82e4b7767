"""Elementwise steps and the convolutions and products that alone read what they give: one step of the same bits."""

import pytest

import numbatorch as torch
from numbatorch.cpu import bands_begin, convolution_begin

nn, F = torch.nn, torch.nn.functional

# What stands for a template: input, outputs, kernel, stride, padding, groups.
SHAPES = [
    ((9, 33, 30, 29), 34, 3, 1, 1, 1),  # Winograd, many runs in one launch, some of two images
    ((9, 33, 31, 29), 34, 3, 1, 0, 1),  # the same without padding, with a row that is no result's
    ((4, 24, 12, 15), 20, 5, 1, 2, 1),  # in place
    ((5, 40, 9, 10), 70, 3, 2, 1, 1),  # packed, runs of several images
    ((6, 36, 9, 11), 36, 3, 1, 1, 36),  # channels in the lanes
    ((4, 4, 21, 19), 4, 3, 1, 1, 4),  # plane by plane
    ((4, 48, 7, 9), 56, 1, 1, 0, 1),  # a product
    ((5, 70, 13, 9), 300, 1, 1, 0, 1),  # a product of more channels than a unit has
    ((16, 40, 30, 31), 5, 1, 1, 0, 1),  # a product of few channels
    ((9, 100, 27, 29), 156, 1, 2, 0, 1),  # single taps with a stride
    ((40, 19, 300), 48, 3, 2, 1, 1),  # one dimension
    ((16, 20, 5, 9, 8), 36, 3, 1, 1, 1),  # three
]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Inputs of any size, in chunks of a few rows."""
    for module in (bands_begin, convolution_begin):
        monkeypatch.setattr(module, "LEAST_BYTES", 0)
    monkeypatch.setattr(convolution_begin.begin, "CHUNK_BYTES", 4096)
    monkeypatch.setattr(convolution_begin.begin, "EVEN", 2.0)


def compiled(function, *args):
    """The steps of a compiled function whose results for 1, 2 and 4 threads equal the function's."""
    before = torch.get_num_threads()
    expected = function(*args)
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            run = torch.compile(function)
            for _ in range(4):
                results = run(*args)
            assert run.programs, run.explain()
            for a, b in zip(results, expected, strict=True):
                assert torch.equal(a, b)
            if threads == 1:
                found = run
    finally:
        torch.set_num_threads(before)
    return found


def steps(function, *args):
    return [s.name for s in compiled(function, *args).graph.steps]


@pytest.mark.parametrize(("shape", "outputs", "kernel", "stride", "padding", "groups"), SHAPES)
def test_a_convolution_with_what_comes_before_it_is_one_step(shape, outputs, kernel, stride, padding, groups):
    rank = len(shape) - 2
    conv = getattr(F, f"conv{rank}d")
    x, more = torch.randn(shape), torch.randn(shape)
    weight = torch.randn(outputs, shape[1] // groups, *(kernel,) * rank)
    bias = torch.randn(outputs) if kernel > 1 else None
    mean, scale, shift = (torch.randn(1, shape[1], *(1,) * rank) for _ in range(3))

    def f(x):
        return (conv(((x - mean) * scale + shift + more).relu(), weight, bias, stride, padding, 1, groups),)
    assert len(steps(f, x)) == 1

    def both(x):  # and what follows
        return (conv(((x - mean) * scale).relu(), weight, None, stride, padding, 1, groups).relu() * 2,)
    assert len(steps(both, x)) == 1


def test_formulas_with_functions_run_before_their_convolution():
    x, weight = torch.randn(9, 32, 20, 21), torch.randn(32, 32, 5, 5)
    assert len(steps(lambda x: (F.conv2d(F.silu(x), weight, padding=2),), x)) == 1


@pytest.mark.parametrize(("rows", "depth", "columns"), [(2000, 33, 100), (3111, 64, 40), (1333, 20, 500),
                                                        (9000, 200, 3)])
def test_a_product_with_what_comes_before_it_is_one_step(rows, depth, columns):
    x, more = torch.randn(rows, depth), torch.randn(rows, depth)
    weight, bias, shift = torch.randn(columns, depth), torch.randn(columns), torch.randn(depth)
    assert len(steps(lambda x: (F.linear((x + more).relu(), weight),), x)) == 1
    assert len(steps(lambda x: (F.linear(F.gelu(x + shift), weight, bias),), x)) == 1
    assert len(steps(lambda x: (x.sigmoid() @ weight.T.contiguous(),), x)) <= 2  # the weight's copy, if it is made


def test_a_product_of_batches_of_rows_takes_up_what_comes_before():
    x, weight, shift = torch.randn(5, 700, 64), torch.randn(40, 64), torch.randn(64)
    assert len(steps(lambda x: (F.linear((x + shift).relu(), weight),), x)) == 1


def test_float64_and_masks():
    x, weight = torch.randn(16, 40, 12, 11).double(), torch.randn(70, 40, 1, 1).double()
    mask = x > 0.3
    assert len(steps(lambda x: (F.conv2d(torch.where(mask, x * 1.5, 0.25), weight),), x)) == 1


def test_numbers_of_a_formula_are_operands():
    x, weight = torch.randn(8, 32, 20, 20), torch.randn(32, 32, 5, 5)
    assert len(steps(lambda x: (F.conv2d((x * 0.3 + 2).clamp(-0.7, 1.9), weight, padding=2),), x)) == 1


def test_joins_with_batch_norm_before_their_convolutions():
    class Block(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.norm, self.conv = nn.BatchNorm2d(channels), nn.Conv2d(channels, 12, 5, padding=2, bias=False)

        def forward(self, x):
            return torch.cat([x, self.conv(self.norm(x).relu())], 1)
    layers, x = nn.Sequential(Block(16), Block(28)), torch.randn(8, 16, 20, 20)
    with torch.no_grad():
        layers(x)
        layers.eval()
        run = compiled(lambda x: (layers(x),), x)
        assert "relu_conv_forward" in run.profile(x)
    names = [s.name for s in run.graph.steps]
    assert sum(name.endswith("conv_forward") and name != "conv_forward" for name in names) == 2
    assert "relu_conv_forward" in str(run.graph)
    assert "relu_conv_forward" in run.memory()


def test_a_gradient_s_input_is_kept_for_the_backward_pass():
    x, weight = torch.randn(8, 32, 20, 20), torch.randn(32, 32, 3, 3, requires_grad=True)

    def f(x):
        weight.grad = None
        total = F.conv2d((x * 2).relu(), weight, padding=1).square().sum()
        total.backward()
        return total, weight.grad
    assert any(name == "conv_forward" or name.startswith("conv_forward") for name in steps(f, x))


@pytest.mark.parametrize("function", [
    lambda x, w: (x.relu(), F.conv2d(x.relu(), w, padding=1)),  # which is a result, too
    lambda x, w: ((made := x * 2) + F.conv2d(made, w, padding=1),),
    lambda x, w: (F.conv2d(x.mT.exp(), w, padding=1),),
    lambda x, w: (F.conv2d(x.relu().double(), w.double(), padding=1),),
])
def test_what_others_read_or_lies_across_is_the_same(function):
    x, w = torch.randn(8, 32, 20, 20), torch.randn(32, 32, 3, 3)
    compiled(lambda x: function(x, w), x)


def test_what_is_changed_in_place_in_between_stays_in_order():
    w = torch.randn(32, 32, 3, 3)

    def f(x):
        kept = x * 1.5
        made = (kept + 1).relu()
        kept.mul_(3)
        return F.conv2d(made, w, padding=1), kept
    compiled(f, torch.randn(8, 32, 20, 20))

    def g(x, out):
        made = (out + x).relu()
        out.copy_(F.conv2d(made, w, padding=1))
        return (out.clone(),)
    x, out = torch.randn(8, 32, 20, 20), torch.randn(8, 32, 20, 20)
    run, kept = torch.compile(g), out.clone()
    for _ in range(4):
        out.copy_(kept)
        (result,) = run(x, out)
        assert torch.equal(result, F.conv2d((kept + x).relu(), w, padding=1))


def test_small_and_uneven_inputs_stand_alone(monkeypatch):
    x, w = torch.randn(8, 32, 20, 20), torch.randn(32, 32, 3, 3)
    monkeypatch.setattr(convolution_begin, "LEAST_BYTES", 1 << 20)
    assert len(steps(lambda x: (F.conv2d(x.relu(), w, padding=1),), x)) == 2


def test_buffers_are_no_more_than_the_input_that_is_not_stored():
    x, w = torch.randn(8, 32, 20, 20), torch.randn(32, 32, 5, 5)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        run = torch.compile(lambda x: F.conv2d(x.relu(), w, padding=2))
        for _ in range(3):
            run(x)
        assert len(run.graph.steps) == 1
        assert 0 < sum(b.nbytes for b in run.graph.buffers if b.name.startswith("work of")) <= x.numel() * 4 + 64 * 3
    finally:
        torch.set_num_threads(before)
