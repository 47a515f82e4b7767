"""Convolutions and the elementwise steps on what they give: one step of the same bits, for every template."""

import pytest

import numbatorch as torch

nn, F = torch.nn, torch.nn.functional

# What stands for a template: input, outputs, kernel, stride, padding, groups.
SHAPES = [
    ((2, 40, 13, 11), 37, 3, 1, 1, 1),  # Winograd, in two images and odd sizes
    ((9, 33, 30, 29), 34, 3, 1, 1, 1),  # Winograd, many runs in one launch
    ((1, 3, 30, 31), 64, 7, 2, 3, 1),  # outputs in the lanes
    ((2, 24, 12, 15), 20, 5, 1, 2, 1),  # in place
    ((3, 40, 9, 10), 70, 3, 2, 1, 1),  # packed
    ((2, 36, 9, 11), 36, 3, 1, 1, 36),  # channels in the lanes
    ((2, 4, 21, 19), 4, 3, 1, 1, 4),  # plane by plane
    ((2, 48, 7, 9), 56, 1, 1, 0, 1),  # a product
    ((2, 8, 300), 24, 3, 2, 1, 2),  # one dimension
    ((1, 6, 5, 9, 8), 16, 3, 1, 1, 1),  # three
]


def compiled(function, *args):
    """(names of the steps, results for 1 and 2 threads) of a compiled function whose results equal the function's."""
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            run = torch.compile(function)
            for _ in range(3):
                results, expected = run(*args), function(*args)
            assert run.programs, run.explain()
            for a, b in zip(results, expected, strict=True):
                assert torch.equal(a, b)
            found.append(results)
    finally:
        torch.set_num_threads(before)
    for a, b in zip(*found, strict=True):
        assert torch.equal(a, b)
    return [s.name for s in run.graph.steps]


@pytest.mark.parametrize(("shape", "outputs", "kernel", "stride", "padding", "groups"), SHAPES)
def test_a_convolution_with_what_follows_it_is_one_step(shape, outputs, kernel, stride, padding, groups):
    rank = len(shape) - 2
    conv = getattr(F, f"conv{rank}d")
    x = torch.randn(shape)
    weight, bias = torch.randn(outputs, shape[1] // groups, *(kernel,) * rank), torch.randn(outputs)
    mean, scale, shift = (torch.randn(1, outputs, *(1,) * rank) for _ in range(3))
    more = torch.randn(conv(x, weight, None, stride, padding, 1, groups).shape)

    def f(x):
        return (conv(x, weight, bias, stride, padding, 1, groups).relu(),)
    assert len(compiled(f, x)) == 1

    def g(x):
        total = conv(x, weight, None, stride, padding, 1, groups)
        return ((total - mean) * scale + shift + more).relu(), total
    assert len(compiled(g, x)) == 1


@pytest.mark.parametrize(("kernel", "groups"), [(1, 1), (3, 1), (3, 32)])
def test_the_gradient_of_a_convolution_s_input_and_a_mask_are_one_step(kernel, groups):
    grad, weight = torch.randn(2, 32, 10, 12), torch.randn(32, 32 // groups, kernel, kernel)
    x = torch.randn(2, 32, 10, 12)

    def f(grad, x):
        made = F.conv_transpose2d(grad, weight, None, 1, kernel // 2, 0, groups)
        return (torch.where(x > 0, made, 0.0),)
    assert len(compiled(f, grad, x)) == 1


def test_batch_norm_in_eval_mode_runs_with_its_convolution():
    layers = nn.Sequential(nn.Conv2d(3, 24, 3, 2), nn.BatchNorm2d(24), nn.ReLU6(), nn.Conv2d(24, 24, 3, groups=24),
                           nn.BatchNorm2d(24), nn.Hardswish())
    x = torch.randn(2, 3, 33, 33)
    with torch.no_grad():
        layers(x)
        layers.eval()
        names = compiled(lambda x: (layers(x),), x)
    assert sum(name.startswith("conv") for name in names) == 2
    assert len(names) <= 4  # the two, and 1 / sqrt(var + eps) of each


def test_what_does_not_lie_by_rows_of_positions_stands_alone():
    x, weight = torch.randn(2, 16, 12, 12), torch.randn(16, 16, 3, 3)
    turned = torch.randn(2, 16, 12, 12).mT
    assert len(compiled(lambda x: (F.conv2d(x, weight, padding=1) + turned,), x)) == 2
    assert len(compiled(lambda x: (F.conv2d(x, weight, padding=1).exp(),), x)) == 2


def test_a_residual_that_is_changed_in_place_gets_no_sums():
    x, weight = torch.randn(2, 16, 12, 12), torch.randn(16, 16, 3, 3)

    def f(x):
        kept = x * 2
        kept += F.conv2d(kept, weight, padding=1)
        return (kept.relu_(),)
    compiled(f, x)


def test_gradients_among_zeros_and_a_mask_stand_alone():
    grad, weight, x = torch.randn(2, 32, 5, 6), torch.randn(32, 16, 1, 1), torch.randn(2, 16, 9, 11)

    def f(grad, x):  # a kernel of one element with a stride: most inputs are met by none
        return (torch.where(x > 0, F.conv_transpose2d(grad, weight, None, 2), 0.0),)
    assert len(compiled(f, grad, x)) >= 2


@pytest.mark.parametrize("read", [
    lambda made: made + made.transpose(0, 1) * 2,  # of other images and channels, which have no sums yet
    lambda made: made[:, :1].expand(8, 8, 14, 14) * 2,
    lambda made: made[:1].expand(8, 8, 14, 14) * 2,
])
def test_what_reads_other_parts_of_the_result_stands_alone(read):
    x, weight = torch.randn(8, 4, 14, 14), torch.randn(8, 4, 3, 3)
    assert len(compiled(lambda x: (read(F.conv2d(x, weight, padding=1)),), x)) == 2
