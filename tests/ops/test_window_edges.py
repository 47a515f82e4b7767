"""Windows at the edges of what they take: no positions, no windows, kernels larger than the image, padding."""

import pytest

import numbatorch as torch
from numbatorch.nn import functional as F


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_convolution_of_an_image_without_positions_is_refused(rank):
    weight = torch.ones((1, 1) + (1,) * rank)
    convolve = getattr(F, f"conv{rank}d")
    with pytest.raises(RuntimeError, match=f"conv{rank}d: only a batch or channels of size 0"):
        convolve(torch.ones((1, 1) + (0,) * rank), weight, padding=1)
    assert convolve(torch.ones((0, 1) + (2,) * rank), weight, padding=1).shape == (0, 1) + (4,) * rank


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_convolution_refuses_empty_kernels(rank):
    with pytest.raises(RuntimeError, match="kernel size should be greater than zero"):
        getattr(F, f"conv{rank}d")(torch.ones((1, 1) + (3,) * rank), torch.ones((1, 1) + (0,) * rank))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_transposed_convolution_refuses_negative_padding_and_negative_sizes(rank):
    convolve = getattr(F, f"conv_transpose{rank}d")
    image, weight = torch.ones((1, 1) + (2,) * rank), torch.ones((1, 1) + (1,) * rank)
    with pytest.raises(RuntimeError, match="negative padding"):
        convolve(image, weight, padding=-1)
    with pytest.raises(RuntimeError, match="Output size is too small"):
        convolve(image, weight, padding=2)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["avg", "max"])
def test_adaptive_pooling_to_no_windows(kind, rank):
    image = torch.ones((2, 3) + (4,) * rank, requires_grad=True)
    result = getattr(F, f"adaptive_{kind}_pool{rank}d")(image, 0)
    assert result.shape == (2, 3) + (0,) * rank
    result.sum().backward()
    assert image.grad.shape == image.shape and image.grad.abs().sum() == 0


def test_adaptive_means_of_no_channels():
    assert F.adaptive_avg_pool1d(torch.ones(1, 0, 4), 2).shape == (1, 0, 2)
    assert F.adaptive_avg_pool2d(torch.ones(1, 0, 4, 4), 2).shape == (1, 0, 2, 2)
    for pool, shape in ((F.adaptive_avg_pool3d, (1, 0, 4, 4, 4)), (F.adaptive_max_pool2d, (1, 0, 4, 4))):
        with pytest.raises(RuntimeError, match="non-zero size for non-batch dimensions"):
            pool(torch.ones(shape), 2)


def test_means_of_volumes_smaller_than_the_kernel_are_refused():
    with pytest.raises(RuntimeError, match="avg_pool3d: input image .* is smaller than kernel_size"):
        F.avg_pool3d(torch.ones(1, 1, 2, 2, 2), 3, ceil_mode=True)
    with pytest.raises(RuntimeError, match="avg_pool2d: given input size"):
        F.avg_pool2d(torch.ones(1, 1, 2, 2), 3)
    assert F.avg_pool2d(torch.ones(1, 1, 2, 2), 3, ceil_mode=True).tolist() == [[[[1.0]]]]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_padding_of_pools_is_measured_by_the_kernel_without_its_dilation(rank):
    image = torch.ones((1, 1) + (7,) * rank)
    pool = getattr(F, f"max_pool{rank}d")
    with pytest.raises(RuntimeError, match="pad should be at most half of kernel_size"):
        pool(image, 3, 1, padding=2, dilation=3)
    assert pool(image, 3, 1, padding=1, dilation=3).shape == (1, 1) + (3,) * rank
