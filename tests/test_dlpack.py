"""DLPack: memory shared with other libraries, also in dtypes that NumPy does not have."""

import numpy as np
import pytest

import numbatorch as torch

DTYPES = [torch.bool, torch.uint8, torch.int16, torch.int64, torch.float16, torch.bfloat16, torch.float32,
          torch.float64, torch.complex64, torch.float8_e5m2, torch.float8_e4m3fn]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_capsules_carry_every_dtype(dtype):
    x = torch.tensor([[0, 1, 2], [3, 4, 5]]).to(dtype).t()
    shared = torch.utils.dlpack.from_dlpack(torch.to_dlpack(x))
    assert shared.dtype is dtype and shared.data_ptr() == x.data_ptr() and shared.stride() == x.stride()
    assert shared.tolist() == x.tolist()


def test_numpy_shares_memory_both_ways():
    x = torch.zeros(2)
    np.from_dlpack(x)[0] = 5
    assert x.tolist() == [5.0, 0.0]
    array = np.zeros(2)
    torch.from_dlpack(array)[1] = 3
    assert array.tolist() == [0.0, 3.0]
    torch.from_dlpack(array, copy=True)[1] = 4
    assert array.tolist() == [0.0, 3.0]


def test_what_dlpack_refuses():
    capsule = torch.to_dlpack(torch.ones(2, requires_grad=True))
    assert torch.from_dlpack(capsule).tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="only once"):
        torch.from_dlpack(capsule)
    with pytest.raises(RuntimeError, match="invalid capsule"):
        torch.from_dlpack(3)
    with pytest.raises(BufferError, match="detach"):
        torch.ones(2, requires_grad=True).__dlpack__()
    with pytest.raises(AssertionError, match="stream"):
        torch.ones(2).__dlpack__(stream=1)
    with pytest.raises(BufferError):
        torch.ones(2).__dlpack__(dl_device=(2, 0))
