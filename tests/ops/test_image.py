"""Images: known answers, inverse pairs, and torch where it is installed."""

import importlib.util

import pytest

import numbatorch as nt

F = nt.nn.functional
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="compares with torch")


def test_nearest_by_a_whole_factor_repeats_pixels():
    x = nt.tensor([[[1.0, 2.0]]], requires_grad=True)
    y = F.interpolate(x, scale_factor=3)
    assert y.tolist() == [[[1, 1, 1, 2, 2, 2]]]
    y.sum().backward()
    assert x.grad.tolist() == [[[3, 3]]]


def test_bilinear_with_aligned_corners_keeps_the_corners():
    y = F.interpolate(nt.tensor([[[[0.0, 1.0], [2.0, 3.0]]]]), size=(3, 3), mode="bilinear", align_corners=True)
    assert y.tolist() == [[[[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]]]]


def test_pixel_unshuffle_undoes_pixel_shuffle():
    x = nt.arange(2.0 * 8 * 3 * 2).reshape(2, 8, 3, 2)
    assert F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2).equal(x)


def test_folding_patches_counts_how_often_they_overlap():
    columns = F.unfold(nt.ones(1, 1, 3, 3), 2)
    assert F.fold(columns, (3, 3), 2).tolist() == [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]


def test_identity_grid_samples_the_image_itself():
    x = nt.arange(12.0).reshape(1, 1, 3, 4)
    grid = F.affine_grid(nt.tensor([[[1.0, 0, 0], [0, 1, 0]]]), (1, 1, 3, 4), align_corners=False)
    assert F.grid_sample(x, grid, align_corners=False).allclose(x, atol=1e-5)


def test_size_of_another_rank_is_named():
    with pytest.raises(ValueError, match="spatial dimensions"):
        F.interpolate(nt.ones(1, 1, 3, 3), size=(3, 3, 3))


@needs_torch
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_antialiased_shrinking(mode):
    import torch
    x = torch.randn(1, 2, 9, 7)
    wanted = torch.nn.functional.interpolate(x, size=(4, 3), mode=mode, antialias=True)
    found = F.interpolate(nt.from_numpy(x.numpy()), size=(4, 3), mode=mode, antialias=True)
    assert abs(found.numpy() - wanted.numpy()).max() < 1e-5


@needs_torch
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample_and_its_gradients(mode, padding_mode):
    import torch
    torch.manual_seed(0)
    values, places = torch.randn(2, 3, 4, 5), torch.rand(2, 3, 3, 2) * 3 - 1.5
    pairs = []
    for library in (torch, nt):
        x, grid = (library.from_numpy(v.numpy().copy()).requires_grad_() for v in (values, places))
        y = library.nn.functional.grid_sample(x, grid, mode=mode, padding_mode=padding_mode, align_corners=False)
        y.square().sum().backward()
        pairs.append([y.detach().numpy(), x.grad.numpy(), grid.grad.numpy()])
    for wanted, found in zip(*pairs, strict=True):
        assert abs(wanted - found).max() < 1e-3
