"""Layers with native arguments, in-place functions and random tensors against PyTorch, where it is installed."""

import numpy as np
import pytest

import numbatorch
from numbatorch.ops.inplace import functions

torch = pytest.importorskip("torch")


def numbers(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


X, INDICES, OFFSETS = numbers(2, 3, 4), np.array([1, 2, 3, 3, 0]), np.array([0, 2, 2])
SCALES = np.array([0.1, 0.2, 0.3], np.float32)
CALLS = {
    "batch_norm": (X, numbers(3), numbers(3, seed=1), np.zeros(3, np.float32), np.ones(3, np.float32), True, 0.1, 1e-5,
                   True),
    "instance_norm": (X, None, None, None, None, True, 0.1, 1e-5, True),
    "bilinear": (numbers(2, 3), numbers(2, 4), numbers(5, 3, 4)),
    "binary_cross_entropy_with_logits": (numbers(3), np.abs(numbers(3)) % 1, None, None, 1),
    "conv_tbc": (numbers(5, 2, 3), numbers(3, 3, 4), numbers(4), 1),
    "convolution": (numbers(2, 3, 8, 8), numbers(3, 5, 3, 3), None, [2, 1], [1, 1], [1], True, [1, 0], 1),
    "embedding": (numbers(4, 3), INDICES, 1),
    "embedding_bag sum": (numbers(4, 3), INDICES, OFFSETS),
    "embedding_bag mean": (numbers(4, 3), INDICES, OFFSETS, False, 1, False, None, False, 2),
    "embedding_bag max": (numbers(4, 3), INDICES, OFFSETS, False, 2),
    "native_dropout": (X, 0.4, True),
    "dropout": (X, 0.4, True),
    "alpha_dropout": (X, 0.4, True),
    "feature_dropout": (X, 0.4, True),
    "feature_alpha_dropout": (X, 0.4, True),
    "rrelu": (X, 0.1, 0.3, True),
    "prelu": (X, numbers(3)),
    "affine_grid_generator": (numbers(2, 2, 3), [2, 1, 3, 4], False),
    "fake_quantize_per_tensor_affine": (X * 12, 0.1, 3, -128, 127),
    "fake_quantize_per_channel_affine": (X * 12, SCALES, np.array([1, 2, 3], np.int32), 1, 0, 100),
}


def flat(result):
    return [r.detach().numpy() for r in (result if isinstance(result, tuple) else (result,))]


@pytest.mark.parametrize("name", CALLS)
def test_value_and_gradient(name):
    found = []
    for library in (torch, numbatorch):
        arguments = [library.from_numpy(a.copy()) if isinstance(a, np.ndarray) else a for a in CALLS[name]]
        arguments[0].requires_grad_()
        library.manual_seed(3)
        result = getattr(library, name.split()[0])(*arguments)
        first = result[0] if isinstance(result, tuple) else result
        (first * library.arange(first.numel()).reshape(first.shape)).sum().backward()
        found.append([*flat(result), arguments[0].grad.numpy()])
    for ours, theirs in zip(found[1], found[0], strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_inplace_functions_are_those_of_pytorch():
    theirs = {n for n in dir(torch) if n.endswith("_") and not n.startswith("_") and callable(getattr(torch, n))}
    others = {"as_strided_", "detach_", "embedding_renorm_", "index_put_", "resize_as_", "resize_as_sparse_", "zero_"}
    assert theirs - others == set(functions())


@pytest.mark.parametrize("name", ["bool", "uint8", "int16", "int64", "float16", "float32", "float64", "complex64"])
def test_make_tensor_draws_pytorchs_numbers(name):
    drawn = []
    for library in (torch, numbatorch):
        library.manual_seed(0)
        options = {"dtype": getattr(library, name), "device": "cpu"}
        drawn.append([library.testing.make_tensor(3, 4, **options).tolist(),
                      library.testing.make_tensor((5, 2), noncontiguous=True, exclude_zero=True, **options).tolist()])
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("name", ["bfloat16", "float8_e5m2", "complex32", "float32", "bool"])
def test_dlpack_shares_memory_with_pytorch(name):
    ours = numbatorch.tensor([0.0, 1.0, 2.0]).to(numbatorch.complex64).to(getattr(numbatorch, name)) if (
        name == "complex32") else numbatorch.tensor([0.0, 1.0, 2.0]).to(getattr(numbatorch, name))
    theirs = torch.from_dlpack(ours)
    assert theirs.dtype is getattr(torch, name) and theirs.data_ptr() == ours.data_ptr()
    assert theirs.tolist() == ours.tolist()
    back = numbatorch.from_dlpack(theirs)
    assert back.dtype is ours.dtype and back.data_ptr() == ours.data_ptr()


SHAPES = {"plain": lambda t: t.zeros(2, 3, 4, 5), "permuted": lambda t: t.zeros(5, 3, 4).permute(2, 0, 1),
          "of ones": lambda t: t.zeros(2, 1, 4, 1).permute(3, 1, 0, 2),
          "expanded": lambda t: t.zeros(3, 1).expand(3, 4), "scalar": lambda t: t.zeros(()),
          "channels last": lambda t: t.zeros(2, 3, 4, 5).to(memory_format=t.channels_last)}


@pytest.mark.parametrize("name", SHAPES)
def test_dim_order(name):
    assert SHAPES[name](numbatorch).dim_order() == SHAPES[name](torch).dim_order()
