"""Making tensors: from Python and NumPy values, filled, in sequence, like others."""

import numpy as np
import pytest

import numbatorch as torch


def test_tensor_infers_dtypes():
    assert torch.tensor(1).dtype is torch.int64 and torch.tensor(1.0).dtype is torch.float32
    assert torch.tensor([True]).dtype is torch.bool and torch.tensor(1j).dtype is torch.complex64
    assert torch.tensor([1, 2.5]).dtype is torch.float32 and torch.tensor([True, 2]).dtype is torch.int64
    assert torch.tensor([]).dtype is torch.float32 and torch.tensor([[], []]).shape == (2, 0)
    assert torch.tensor(np.float64(2)).dtype is torch.float64
    assert torch.tensor(np.arange(2, dtype="i4")).dtype is torch.int32
    assert torch.tensor([np.float32(1), np.float32(2)]).tolist() == [1, 2]


def test_tensor_of_tensors():
    assert torch.tensor([torch.tensor(1), torch.tensor(2)]).tolist() == [1, 2]
    x = torch.ones(2)
    assert torch.tensor(x).tolist() == [1, 1] and torch.tensor(x).data_ptr() != x.data_ptr()


def test_tensor_copies_and_as_tensor_shares():
    array = np.zeros(2, dtype="f4")
    copied, shared = torch.tensor(array), torch.as_tensor(array)
    array[0] = 1
    assert copied[0] == 0 and shared[0] == 1
    x = torch.ones(1)
    assert torch.as_tensor(x) is x and torch.as_tensor(array, dtype=torch.float64).dtype is torch.float64
    assert torch.asarray(array).data_ptr() == array.ctypes.data


def test_tensor_options():
    x = torch.tensor([1, 2], dtype=torch.float64, device="cpu", requires_grad=True)
    assert x.dtype is torch.float64 and x.requires_grad and x.device == torch.device("cpu")
    with pytest.raises(RuntimeError, match="floating point"):
        torch.tensor([1], requires_grad=True)


def test_tensor_errors():
    with pytest.raises(ValueError, match="expected sequence of length 2 at dim 1"):
        torch.tensor([[1, 2], [3]])
    for data, error in ((["a"], ValueError), ([1, "a"], TypeError), (None, RuntimeError), ({}, RuntimeError),
                        ([2**63], ValueError), (-2**63 - 1, ValueError), ("a", TypeError), ([1, [2]], TypeError),
                        ([torch.ones(2)], ValueError)):
        with pytest.raises(error, match=r"^tensor\(\)|^expected"):
            torch.tensor(data)
    for value in (300, float("nan"), float("inf")):
        with pytest.raises(RuntimeError, match="without overflow"):
            torch.tensor([value], dtype=torch.uint8)
    assert torch.tensor([-1], dtype=torch.uint8).tolist() == [255]
    assert torch.tensor([torch.tensor([1]), 2.5]).tolist() == [1, 2.5]
    assert torch.tensor([np.float64(2)]).dtype is torch.float64


def test_filled():
    assert torch.zeros(2, 3).tolist() == [[0] * 3] * 2 and torch.ones((2,)).tolist() == [1, 1]
    assert torch.full((2,), 7).dtype is torch.int64 and torch.full((2,), 2.5).tolist() == [2.5, 2.5]
    assert torch.full((1,), True).dtype is torch.bool and torch.full((1,), 3, dtype=torch.float16).item() == 3
    assert torch.zeros(()).shape == () and torch.zeros(0).shape == (0,) and torch.empty(2, 0).numel() == 0
    assert torch.zeros(torch.Size([2, 1])).shape == (2, 1) and torch.zeros(size=(3,)).shape == (3,)
    assert torch.ones(2, dtype=torch.bool).tolist() == [True, True]
    with pytest.raises(RuntimeError, match="negative dimension"):
        torch.zeros(-1)
    with pytest.raises(TypeError):
        torch.zeros(1.5)


@pytest.mark.parametrize(("arguments", "values"), [
    ((4,), [0, 1, 2, 3]), ((1, 4), [1, 2, 3]), ((1, 8, 3), [1, 4, 7]), ((5, 0, -2), [5, 3, 1]), ((0,), []),
    ((2, 2), []), ((1.0, 2.0, 0.25), [1.0, 1.25, 1.5, 1.75]), ((0.5,), [0.0]),
])
def test_arange(arguments, values):
    x = torch.arange(*arguments)
    assert x.tolist() == values
    assert x.dtype is (torch.float32 if any(isinstance(a, float) for a in arguments) else torch.int64)


def test_arange_options_and_errors():
    assert torch.arange(3, dtype=torch.float64).tolist() == [0, 1, 2]
    assert torch.arange(start=1, end=3).tolist() == [1, 2] and torch.arange(end=2).tolist() == [0, 1]
    with pytest.raises(RuntimeError, match="nonzero"):
        torch.arange(0, 3, 0)
    with pytest.raises(RuntimeError, match="inconsistent"):
        torch.arange(0, 3, -1)


def test_linspace_and_logspace():
    assert torch.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert torch.linspace(3, 3, 1).tolist() == [3] and torch.linspace(0, 1, 0).shape == (0,)
    ends = torch.linspace(-0.1, 0.7, 11, dtype=torch.float64)
    assert ends[0].item() == -0.1 and ends[-1].item() == 0.7
    np.testing.assert_allclose(torch.logspace(0, 2, 3).numpy(), [1, 10, 100], rtol=1e-6)
    assert torch.linspace(0, 10, 3, dtype=torch.int64).tolist() == [0, 5, 10]
    assert torch.linspace(-3, 3, 4, dtype=torch.uint8).tolist() == [253, 169, 86, 3]
    with pytest.raises(RuntimeError, match="non-negative"):
        torch.linspace(0, 1, -1)
    for start, end, kind in ((0, 300, torch.uint8), (-256, 5, torch.uint8), (255, 0, torch.int8)):
        with pytest.raises(RuntimeError, match="without overflow"):
            torch.linspace(start, end, 4, dtype=kind)


def test_eye():
    assert torch.eye(2).tolist() == [[1, 0], [0, 1]] and torch.eye(1, 3).tolist() == [[1, 0, 0]]
    assert torch.eye(0).shape == (0, 0)


def test_like_keeps_dtype_and_order_of_dimensions():
    x = torch.arange(6, dtype=torch.float64).reshape(2, 3).t()
    for make, value in ((torch.zeros_like, 0), (torch.ones_like, 1), (lambda t, **k: torch.full_like(t, 5, **k), 5)):
        y = make(x)
        assert y.dtype is torch.float64 and y.stride() == (1, 3) and (y == value).all()
        assert make(x, dtype=torch.int32).dtype is torch.int32
        assert make(x, requires_grad=True).requires_grad
    assert torch.empty_like(x).shape == (3, 2)
    assert torch.zeros_like(torch.ones(1).expand(4)).stride() == (1,)


def test_new_methods():
    x = torch.ones(1, dtype=torch.float64)
    assert x.new_zeros(2, 2).dtype is torch.float64 and x.new_ones((2,)).tolist() == [1, 1]
    assert x.new_full((2,), 4).tolist() == [4, 4] and x.new_empty(3).shape == (3,)
    assert x.new_tensor([1, 2]).dtype is torch.float64 and x.new_zeros(1, dtype=torch.int8).dtype is torch.int8


def test_out_of_creation():
    out = torch.empty(3)
    assert torch.arange(3, out=out) is out and out.tolist() == [0, 1, 2]
    assert torch.zeros(2, out=torch.ones(2)).tolist() == [0, 0]


def test_a_new_tensor_has_not_been_changed():
    for make in (torch.zeros, torch.ones):
        for _ in range(2):  # the second call finds the plan of the first
            made = make(3, 5, dtype=torch.int16)
            assert made._version == 0 and set(made.flatten().tolist()) == {int(make is torch.ones)}
        assert made.add_(1)._version == 1
    with torch.inference_mode():
        assert torch.zeros(3, 5, dtype=torch.int16).is_inference()


def test_default_dtype():
    x = torch.tensor([1])
    assert (x / 2).dtype is torch.float32 and (x * 0.5).dtype is torch.float32 and x.log().dtype is torch.float32
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.zeros(1).dtype is torch.float64 and torch.tensor(1.5).dtype is torch.float64
        assert (x / 2).dtype is torch.float64 and (x * 0.5).dtype is torch.float64  # plans of before do not serve
        assert x.log().dtype is torch.float64 and torch.tensor(1j).dtype is torch.complex128
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.get_default_dtype() is torch.float32 and (x / 2).dtype is torch.float32
    with pytest.raises(TypeError, match="float"):
        torch.set_default_dtype(torch.int64)


def test_devices():
    assert torch.device("cpu").type == "cpu" and torch.zeros(1, device=torch.device("cpu")).device.type == "cpu"
    with pytest.raises(RuntimeError):
        torch.zeros(1, device="nowhere")


def test_from_buffer_and_complex_parts():
    assert torch.frombuffer(bytearray(b"\x01\x02"), dtype=torch.uint8).tolist() == [1, 2]
    assert torch.complex(torch.tensor([1.0]), torch.tensor([2.0])).tolist() == [1 + 2j]
    assert torch.polar(torch.tensor([2.0]), torch.tensor([0.0])).tolist() == [2 + 0j]


def test_triangles_of_indices():
    assert torch.tril_indices(2, 2).tolist() == [[0, 1, 1], [0, 0, 1]]
    assert torch.triu_indices(2, 3, 1).tolist() == [[0, 0, 1], [1, 2, 2]]


def test_sizes_by_name():
    for make in (torch.zeros, torch.ones, torch.empty, torch.rand, torch.randn):
        assert make(size=(2, 3)).shape == (2, 3)
        with pytest.raises(TypeError, match="unexpected keyword"):
            make(2, shape=(2,))
    assert torch.empty(1, 2, 3, 4, memory_format=torch.channels_last).stride() == (24, 1, 8, 2)


@pytest.mark.parametrize("make", [torch.tensor, torch.as_tensor, torch.asarray])
def test_storages_are_shared(make):
    storage = torch.UntypedStorage([1, 2, 3, 4])
    flat = make(storage, dtype=torch.int16)
    assert flat.tolist() == [0x0201, 0x0403] and flat.data_ptr() == storage.data_ptr()
    part = make(storage[1:3], dtype=torch.uint8)
    assert part.tolist() == [2, 3] and part.data_ptr() == storage.data_ptr() + 1
    typed = torch.FloatStorage([1.0, 2.0])
    assert make(typed).tolist() == [1.0, 2.0]
    with pytest.raises(TypeError, match="float32, not"):
        make(typed, dtype=torch.int32)


@pytest.mark.parametrize("dtype", [None, *"int8 int32 uint8 float32 float64 bfloat16 bool complex64".split()])
@pytest.mark.parametrize("data", [[1, 2, 3], [1, True], [1, 2.5], [0.5, 2], [1] * 100])
def test_flat_lists_become_what_arrays_would(dtype, data):
    own = None if dtype is None else getattr(torch, dtype)
    made = torch.tensor(data, dtype=own)
    wanted = torch.tensor(np.array(data)).to(own or (
        torch.float32 if any(type(v) is float for v in data) else torch.int64))
    assert made.dtype is wanted.dtype and torch.equal(made, wanted)
    assert torch.ones(1, dtype=made.dtype).new_tensor(data).dtype is made.dtype


def test_flat_lists_refuse_what_does_not_fit():
    with pytest.raises(RuntimeError, match="300"):
        torch.tensor([1, 300], dtype=torch.int8)
    with pytest.raises(ValueError, match="Overflow"):
        torch.tensor([1, 2**63])


def test_types_of_python_are_dtypes_and_sizes_are_needed():
    assert [torch.zeros(2, dtype=kind).dtype for kind in (float, int, bool, complex)] == [
        torch.float64, torch.int64, torch.bool, torch.complex128]
    assert torch.zeros(()).shape == torch.ones(size=()).shape == torch.empty([]).shape == ()
    for make in (torch.zeros, torch.ones, torch.empty):
        with pytest.raises(TypeError, match='missing 1 required positional arguments: "size"'):
            make()


def test_products_that_are_added_have_one_dtype():
    x, y = torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.bfloat16)
    for call in (lambda: torch.addmm(x, y, y), lambda: torch.addmm(y, x, x),
                 lambda: torch.baddbmm(x, y[None], y[None])):
        with pytest.raises(RuntimeError, match="operands of the same dtype"):
            call()


def test_filled_tensors_have_not_been_changed():
    for made in (torch.zeros(3), torch.full((3,), 2.5), torch.full((3,), 2.5), torch.full_like(torch.ones(3), 7)):
        assert made._version == 0
    for made in (torch.rand(3), torch.randn(20), torch.randint(5, (3,)), torch.randn_like(torch.ones(3))):
        assert made._version == 0
    out = torch.empty(3)
    assert torch.rand(3, out=out) is out and out._version == 1 and out.uniform_()._version == 2
    with pytest.raises(RuntimeError):
        torch.full((2,), 300, dtype=torch.int8)


def test_numbers_and_ranges_made_in_one_step_are_what_they_were():
    for arguments in ((0,), (5,), (2, 9), (0, 10, 3), (5000,), (-3, 4), (3, 3), (4090, 4100), (0, 2**40, 2**39)):
        made = torch.arange(*arguments)
        assert made.tolist() == list(range(*arguments)) and made.dtype is torch.int64
    made = torch.arange(4)
    made.add_(1)
    assert torch.arange(4).tolist() == [0, 1, 2, 3] and torch.arange(3, requires_grad=False)._version == 0
    assert torch.tensor(2.5, dtype=torch.int64).tolist() == 2 and torch.tensor(0.5, dtype=torch.bool).tolist() is True
    assert torch.tensor(float("inf")).tolist() == float("inf") and torch.tensor(-2**63).tolist() == -2**63
    assert torch.tensor(True).dtype is torch.bool and torch.tensor(1e300).tolist() == float("inf")
    assert torch.tensor(1.5, requires_grad=True).requires_grad and torch.tensor(7, dtype=torch.uint8).tolist() == 7


def test_lists_for_tuples_find_the_same_plans():
    x = torch.arange(6.0).view([2, 3])
    for _ in range(2):
        assert x.view([3, 2]).tolist() == x.view(3, 2).tolist() and x.sum([0]).tolist() == [3, 5, 7]
        assert x.permute([1, 0]).shape == (3, 2) and x.repeat([2, 1]).shape == (4, 3)
    assert x[None].shape == (1, 2, 3) and x.size(-1) == 3
    with pytest.raises(IndexError):
        x.size(2)
