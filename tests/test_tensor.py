"""Tensors: memory and views, NumPy and DLPack, copies and pickles, printing, Python values."""

import copy
import pickle

import numpy as np
import pytest

import numbatorch as torch

# What PyTorch 2.13 prints.
TEXTS = [
    ('torch.tensor(3)', 'tensor(3)'),
    ('torch.tensor([1, -2, 30])', 'tensor([ 1, -2, 30])'),
    ('torch.tensor([1.0, 2.0, 3.0])', 'tensor([1., 2., 3.])'),
    ('torch.tensor([0.1, 2.25, -3.0])', 'tensor([ 0.1000,  2.2500, -3.0000])'),
    ('torch.tensor([1e-8, 1.0, 1e6])', 'tensor([1.0000e-08, 1.0000e+00, 1.0000e+06])'),
    ("torch.tensor([float('nan'), float('inf'), -1.0])", 'tensor([nan, inf, -1.])'),
    ('torch.tensor([True, False])', 'tensor([ True, False])'),
    ('torch.tensor([1.5, 2.0], dtype=torch.float64)', 'tensor([1.5000, 2.0000], dtype=torch.float64)'),
    ('torch.tensor([1.5, 2.0], dtype=torch.bfloat16)', 'tensor([1.5000, 2.0000], dtype=torch.bfloat16)'),
    ('torch.tensor([1, 2], dtype=torch.int32)', 'tensor([1, 2], dtype=torch.int32)'),
    ('torch.tensor([1 + 2j, -0.5j])', 'tensor([1.+2.0000j, -0.-0.5000j])'),
    ('torch.tensor([])', 'tensor([])'),
    ('torch.empty(0, 3)', 'tensor([], size=(0, 3))'),
    ('torch.empty(2, 0, dtype=torch.int64)', 'tensor([], size=(2, 0), dtype=torch.int64)'),
    ('torch.ones(2, 3, requires_grad=True)',
     'tensor([[1., 1., 1.],\n'
     '        [1., 1., 1.]], requires_grad=True)'),
    ('torch.ones(2, requires_grad=True) * 2', 'tensor([2., 2.], grad_fn=<MulBackward0>)'),
    ('torch.arange(6.0).reshape(2, 3)',
     'tensor([[0., 1., 2.],\n'
     '        [3., 4., 5.]])'),
    ('torch.arange(8).reshape(2, 2, 2)',
     'tensor([[[0, 1],\n'
     '         [2, 3]],\n'
     '\n'
     '        [[4, 5],\n'
     '         [6, 7]]])'),
    ('torch.arange(2000)', 'tensor([   0,    1,    2,  ..., 1997, 1998, 1999])'),
    ('torch.zeros(1001, 2)',
     'tensor([[0., 0.],\n'
     '        [0., 0.],\n'
     '        [0., 0.],\n'
     '        ...,\n'
     '        [0., 0.],\n'
     '        [0., 0.],\n'
     '        [0., 0.]])'),
    ('torch.arange(30.0)',
     'tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n'
     '        14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24., 25., 26., 27.,\n'
     '        28., 29.])'),
    ('torch.tensor([[1.0, 1000.5], [-22.25, 0.0]])',
     'tensor([[ 1.0000e+00,  1.0005e+03],\n'
     '        [-2.2250e+01,  0.0000e+00]])'),
    ('torch.tensor([123456789.0])', 'tensor([1.2346e+08])'),
    ('torch.tensor(1e-10)', 'tensor(1.0000e-10)'),
    ('torch.max(torch.tensor([[1.0, 3.0]]), 1)',
     'torch.return_types.max(\n'
     'values=tensor([3.]),\n'
     'indices=tensor([1]))'),
]


@pytest.mark.parametrize(("expression", "text"), TEXTS, ids=[e for e, _ in TEXTS])
def test_repr(expression, text):
    assert repr(eval(expression, {"torch": torch})) == text


def test_format_and_str():
    assert f"{torch.tensor(2.5):.2f}" == "2.50"
    assert str(torch.tensor([1])) == "tensor([1])"
    assert str(torch.Size([2, 3])) == "torch.Size([2, 3])"
    assert str(torch.float32) == "torch.float32" and str(torch.device("cpu")) == "cpu"


# ---------------------------------------------------------------- memory

def test_views_share_memory():
    x = torch.arange(12).reshape(3, 4)
    views = [x[1], x.t(), x[:, ::2], x.view(-1), x.unsqueeze(0), x.expand(2, 3, 4), x.narrow(1, 1, 2), x.detach(),
             x.diagonal(), x.unfold(1, 2, 1), x.permute(1, 0), x.flatten(), x.squeeze(), x.view_as(x)]
    for v in views:
        assert v.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    copies = [x.clone(), x + 0, x[[0, 1]], x.t().contiguous(), x.repeat(1, 1), x.double(), x.t().reshape(-1)]
    for c in copies:
        assert c.untyped_storage().data_ptr() != x.untyped_storage().data_ptr()
    x[1, 1] = 100
    assert views[0][1] == 100 and views[1][1, 1] == 100 and views[3][5] == 100


def test_sizes_strides_and_offsets():
    x = torch.arange(24).reshape(2, 3, 4)
    part = x[1, :, 1::2]
    assert part.shape == torch.Size([3, 2]) and part.stride() == (4, 2) and part.storage_offset() == 13
    assert part.data_ptr() == x.data_ptr() + 13 * 8
    assert not part.is_contiguous() and part.contiguous().stride() == (2, 1)
    assert x.size(-1) == 4 and x.size() == (2, 3, 4) and x.stride(0) == 12
    assert x.numel() == 24 and x.nbytes == 192 and x.element_size() == 8 and x.dim() == 3 and len(x) == 2
    with pytest.raises(IndexError, match="out of range"):
        x.size(3)


def test_as_strided():
    x = torch.arange(6.0)
    windows = x.as_strided((4, 3), (1, 1))
    assert windows.tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]]
    assert x.as_strided((2,), (3,), 1).tolist() == [1, 4]
    windows[0, 2] = 50
    assert x[2] == 50 and windows[2, 0] == 50
    with pytest.raises(RuntimeError, match="out of bounds"):
        x.as_strided((4,), (2,), 1)


def test_memory_formats():
    x = torch.arange(24.0).reshape(1, 2, 3, 4)
    y = x.to(memory_format=torch.channels_last)
    assert y.stride() == (24, 1, 8, 2) and y.is_contiguous(memory_format=torch.channels_last)
    assert not y.is_contiguous() and torch.equal(x, y)
    assert (y + 1).stride() == y.stride() and y.contiguous().stride() == x.stride()
    assert torch.empty_like(y).stride() == y.stride()
    assert y.clone(memory_format=torch.contiguous_format).is_contiguous()
    with pytest.raises(RuntimeError, match="rank 4"):
        x[0].contiguous(memory_format=torch.channels_last)


def test_versions_count_in_place_changes():
    x = torch.zeros(3)
    before = x._version
    x.add_(1)
    x[0] = 5
    assert x._version == before + 2 and x.view(3)._version == x._version
    assert x.detach()._version == x._version


def test_resize_and_set():
    x = torch.arange(4)
    x.resize_(2, 3)
    assert x.shape == (2, 3) and x.flatten()[:4].tolist() == [0, 1, 2, 3]
    y = torch.zeros(1)
    y.set_(torch.ones(2, 2))
    assert y.tolist() == [[1, 1], [1, 1]]


def test_data_shares_memory_without_history():
    x = torch.ones(2, requires_grad=True)
    x.data.mul_(3)
    assert x.tolist() == [3, 3] and not x.data.requires_grad
    x.data = torch.zeros(4)
    assert x.shape == (4,) and x.requires_grad


# ---------------------------------------------------------------- NumPy, DLPack

@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool",
                                   "complex64", "complex128"])
def test_numpy_both_ways_without_copies(dtype):
    array = np.ones((2, 3), dtype=dtype)
    x = torch.from_numpy(array)
    assert x.dtype is getattr(torch, dtype)
    array[0, 1] = 0
    assert x[0, 1] == 0
    back = x.numpy()
    assert back.ctypes.data == array.ctypes.data and back.dtype == array.dtype
    strided = torch.from_numpy(array[::-1].copy().T)
    assert strided.stride() == (1, 3)


def test_numpy_memory_outlives_its_maker():
    x = torch.from_numpy(np.arange(1000.0))
    y = torch.arange(1000.0).numpy()
    junk = [np.full(1000, -1.0) for _ in range(20)]
    assert x.sum().item() == y.sum() == 499500 and len(junk) == 20


def test_numpy_refusals():
    with pytest.raises(RuntimeError, match="detach"):
        torch.ones(1, requires_grad=True).numpy()
    with pytest.raises(TypeError, match="bfloat16"):
        torch.ones(1, dtype=torch.bfloat16).numpy()
    with pytest.raises(TypeError, match="ndarray"):
        torch.from_numpy([1, 2])
    with pytest.raises(ValueError, match="negative"):
        torch.from_numpy(np.arange(3)[::-1])


def test_numpy_functions_take_tensors():
    x = torch.tensor([1.0, 4.0])
    assert np.asarray(x).tolist() == [1, 4] and np.array(x).sum() == 5
    assert np.sqrt(x.numpy()).tolist() == [1, 2]
    assert isinstance(x * np.float32(2), torch.Tensor) and (x * np.float64(2)).dtype is torch.float32
    assert torch.tensor(np.arange(3)).dtype is torch.int64


def test_dlpack_both_ways():
    x = torch.arange(6.0).reshape(2, 3)
    array = np.from_dlpack(x)
    array[0, 0] = 9
    assert x[0, 0] == 9
    y = torch.from_dlpack(array)
    assert y.data_ptr() == x.data_ptr() and x.__dlpack_device__() == (1, 0)
    assert torch.from_dlpack(x.t()).stride() == (1, 3)
    with pytest.raises(BufferError, match="detach"):
        torch.ones(1, requires_grad=True).__dlpack__()


# ---------------------------------------------------------------- copies

def test_deepcopy_keeps_what_is_shared():
    x = torch.arange(4.0)
    pair = copy.deepcopy([x, x[1:], x])
    pair[0][1] = 50
    assert pair[1][0] == 50 and pair[2] is pair[0] and x[1] == 1
    leaf = torch.ones(2, requires_grad=True)
    leaf.grad = torch.full((2,), 3.0)
    twin = copy.deepcopy(leaf)
    assert twin.requires_grad and twin.grad.tolist() == [3, 3] and twin.grad is not leaf.grad
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(leaf * 2)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_pickle(protocol):
    for x in (torch.arange(6.0).reshape(2, 3).t(), torch.tensor([True, False]), torch.ones(1, dtype=torch.bfloat16),
              torch.empty(0, 2), torch.tensor(1 + 2j), torch.ones(2, requires_grad=True)):
        y = pickle.loads(pickle.dumps(x, protocol))
        assert y.dtype is x.dtype and y.shape == x.shape and y.stride() == x.stride()
        assert y.tolist() == x.tolist() and y.requires_grad == x.requires_grad


def test_sizes_dtypes_and_devices_pickle_to_themselves():
    assert pickle.loads(pickle.dumps(torch.float32)) is torch.float32
    assert pickle.loads(pickle.dumps(torch.Size([2]))) == torch.Size([2])
    assert pickle.loads(pickle.dumps(torch.device("cpu"))) == torch.device("cpu")
    assert copy.deepcopy(torch.int64) is torch.int64


# ---------------------------------------------------------------- Python values

def test_item_and_tolist():
    assert torch.tensor([[2.5]]).item() == 2.5 and type(torch.tensor(3).item()) is int
    assert torch.tensor(True).item() is True and torch.tensor(1 + 2j).item() == 1 + 2j
    assert torch.tensor(1.5, dtype=torch.bfloat16).item() == 1.5
    assert torch.tensor(0.5, dtype=torch.float16).item() == 0.5
    assert torch.tensor([[1, 2], [3, 4]]).t().tolist() == [[1, 3], [2, 4]] and torch.tensor(7).tolist() == 7
    assert torch.empty(2, 0).tolist() == [[], []]
    with pytest.raises(RuntimeError, match="2 elements cannot be converted to Scalar"):
        torch.ones(2).item()
    with pytest.raises(RuntimeError, match="0 elements"):
        torch.ones(0).item()


def test_python_numbers():
    assert int(torch.tensor(3.7)) == 3 and float(torch.tensor(3)) == 3.0 and bool(torch.tensor([2]))
    assert [10, 20, 30][torch.tensor(1)] == 20 and list(range(torch.tensor(3))) == [0, 1, 2]
    with pytest.raises(RuntimeError, match="ambiguous"):
        bool(torch.ones(2))
    with pytest.raises(RuntimeError, match="ambiguous"):
        bool(torch.ones(0))
    with pytest.raises(TypeError, match="integer tensors"):
        [1, 2][torch.tensor(1.0)]
    with pytest.raises(TypeError, match="0-d"):
        len(torch.tensor(1))
    with pytest.raises(TypeError, match="0-d"):
        iter(torch.tensor(1))


def test_iteration_and_membership():
    rows = list(torch.arange(6).reshape(3, 2))
    assert [r.tolist() for r in rows] == [[0, 1], [2, 3], [4, 5]]
    assert 4 in torch.arange(5) and 5 not in torch.arange(5)
    assert list(reversed(torch.arange(3)))[0] == 2
    a, b = torch.tensor([1, 2])
    assert (a, b) == (1, 2)


def test_hash_is_identity():
    x = torch.ones(1)
    assert {x: 1}[x] == 1 and hash(x) != hash(x.clone())


# ---------------------------------------------------------------- operators

def test_operators_with_numbers_on_both_sides():
    x = torch.tensor([4, 9])
    assert (x + 1).tolist() == [5, 10] and (1 + x).tolist() == [5, 10]
    assert (10 - x).tolist() == [6, 1] and (x - 10).tolist() == [-6, -1]
    assert (x / 2).tolist() == [2.0, 4.5] and (36 / x).tolist() == [9.0, 4.0]
    assert (x // 2).tolist() == [2, 4] and (19 // x).tolist() == [4, 2]
    assert (x % 5).tolist() == [4, 4] and (10 % x).tolist() == [2, 1]
    assert (x ** 2).tolist() == [16, 81] and (2 ** x).tolist() == [16, 512]
    assert (x & 5).tolist() == [4, 1] and (3 | x).tolist() == [7, 11] and (x ^ x).tolist() == [0, 0]
    assert (x << 1).tolist() == [8, 18] and (x >> 1).tolist() == [2, 4] and (~x).tolist() == [-5, -10]
    assert (5 > x).tolist() == [True, False] and (x >= 9).tolist() == [False, True]
    assert (x != 4).tolist() == [False, True]
    assert (-x).tolist() == [-4, -9] and abs(-x).tolist() == [4, 9] and (+x).tolist() == [4, 9]
    assert (x.float() @ x.float()).item() == 97


def test_in_place_operators():
    x = torch.tensor([4.0, 9.0])
    same = x
    x += 1
    x -= 2
    x *= 3
    x /= 2
    x **= 2
    x //= 2
    x %= 7
    assert same is x and x.tolist() == [3.0, 2.0]
    with pytest.raises(RuntimeError, match="can't be cast"):
        y = torch.tensor([1])
        y += 0.5


def test_operators_refuse_other_things():
    with pytest.raises(TypeError):
        torch.ones(1) + "a"
    with pytest.raises(TypeError):
        bool(torch.ones(1) < None)
    assert (torch.ones(1) == "a") is False and (torch.ones(1) != None) is True  # noqa: E711
    with pytest.raises(RuntimeError, match="broadcast|must match"):
        torch.ones(2) + torch.ones(3)


# ---------------------------------------------------------------- conversion

def test_to():
    x = torch.ones(2)
    assert x.to(torch.float32) is x and x.to("cpu") is x and x.float() is x and x.cpu() is x
    assert x.to(torch.float64).dtype is torch.float64 and x.to("cpu", torch.int32).dtype is torch.int32
    assert x.to(torch.float32, copy=True) is not x and x.to(torch.ones(1, dtype=torch.int8)).dtype is torch.int8
    assert x.type_as(torch.ones(1, dtype=torch.float64)).dtype is torch.float64
    assert x.type() == "torch.FloatTensor" and x.type(torch.int64).dtype is torch.int64
    assert x.t().to(torch.float64).tolist() == [1, 1]


def test_conversions_round_and_wrap_as_c_does():
    assert torch.tensor([1.9, -1.9]).int().tolist() == [1, -1]
    assert torch.tensor([300]).to(torch.uint8).tolist() == [44]
    assert torch.tensor([0.0, 0.5, float("nan")]).bool().tolist() == [False, True, True]
    assert torch.tensor([1e10]).half().tolist() == [float("inf")]
    assert torch.tensor([1.00390625]).bfloat16().tolist() == [1.0]


def test_conversion_passes_gradients():
    x = torch.ones(2, requires_grad=True)
    (x.double() * 3).sum().backward()
    assert x.grad.dtype is torch.float32 and x.grad.tolist() == [3, 3]


def test_size_is_a_tuple():
    s = torch.ones(2, 3).shape
    assert s == (2, 3) and s.numel() == 6 and isinstance(s[1:], torch.Size) and isinstance(s + (4,), torch.Size)
    assert {s: 1}[(2, 3)] == 1


def test_subclass_of_tensor():
    class Named(torch.Tensor):
        pass
    x = Named(torch.ones(2))
    assert isinstance(x, Named) and x.tolist() == [1, 1]
