"""Typed tensors and storages, and methods of Tensor that few programs call."""

import copy
import pickle

import numpy as np
import pytest

import numbatorch as torch


def test_typed_constructors():
    assert torch.FloatTensor([1, 2]).tolist() == [1.0, 2.0] and torch.LongTensor([1.5, 2]).tolist() == [1, 2]
    assert torch.HalfTensor(2, 3).shape == (2, 3) and torch.IntTensor(torch.Size([2, 0])).dtype is torch.int32
    assert torch.BoolTensor([0, 1]).tolist() == [False, True] and torch.ByteTensor().shape == (0,)
    assert torch.BFloat16Tensor(np.array([1.0, 2.0])).dtype is torch.bfloat16
    shared = torch.zeros(2)
    torch.FloatTensor(shared)[0] = 1
    assert shared.tolist() == [1.0, 0.0]


def test_typed_constructors_refuse():
    with pytest.raises(TypeError, match="torch.int64"):
        torch.FloatTensor(torch.tensor([1, 2]))
    with pytest.raises(TypeError, match="sequence"):
        torch.FloatTensor(2.5)
    with pytest.raises(RuntimeError, match="overflow"):
        torch.ByteTensor([300])
    with pytest.raises(TypeError, match="invalid data type 'str'"):
        torch.FloatTensor("a")
    with pytest.raises(RuntimeError, match="cuda"):
        torch.FloatTensor(2, device="cuda")


def test_isinstance_of_a_typed_class_asks_for_the_dtype():
    x = torch.zeros(2)
    assert isinstance(x, torch.FloatTensor) and not isinstance(x, torch.LongTensor)
    assert not isinstance(3, torch.IntTensor)
    assert isinstance(torch.nn.Parameter(x), torch.FloatTensor)
    assert torch.FloatTensor.dtype is torch.float32 and torch.FloatTensor.layout is torch.strided


def test_type_names_and_converts():
    x = torch.zeros(2)
    assert x.type() == torch.typename(x) == "torch.FloatTensor" and torch.typename(x.long()) == "torch.LongTensor"
    for kind in (torch.LongTensor, "torch.LongTensor", torch.int64):
        assert x.type(kind).dtype is torch.int64
    assert x.type(torch.FloatTensor) is x
    for wrong in ("torch.Foo", "LongTensor", int):
        with pytest.raises(ValueError, match="invalid type"):
            x.type(wrong)


def test_default_tensor_type():
    torch.set_default_tensor_type("torch.DoubleTensor")
    try:
        assert torch.get_default_dtype() is torch.float64
    finally:
        torch.set_default_tensor_type(torch.FloatTensor)
    assert torch.tensor(1.0).dtype is torch.float32
    for wrong in (torch.LongTensor, torch.float32, torch.cuda.FloatTensor):
        with pytest.raises(TypeError, match="floating-point"):
            torch.set_default_tensor_type(wrong)


def test_typed_storage_is_a_sequence_over_the_tensors_memory():
    x = torch.arange(4.0)
    storage = x.storage()
    assert isinstance(storage, torch.FloatStorage) and not isinstance(storage, torch.LongStorage)
    assert isinstance(storage, torch.TypedStorage) and torch.is_storage(storage)
    assert x.storage_type() is torch.FloatStorage
    assert (len(storage), storage.nbytes(), storage.element_size(), storage.type()) == (4, 16, 4, "torch.FloatStorage")
    storage[1] = 7
    assert x.tolist() == [0.0, 7.0, 2.0, 3.0] and storage[-1] == 3.0 and list(storage) == x.tolist()
    assert storage == x[1:].storage() and storage != x.clone().storage()
    assert storage.long().tolist() == [0, 7, 2, 3] and storage.data_ptr() == x.data_ptr()
    assert storage.clone().fill_(1).tolist() == [1.0] * 4 and x[0] == 0
    assert storage.copy_(torch.LongStorage([4, 3, 2, 1])).tolist() == x.tolist() == [4.0, 3.0, 2.0, 1.0]
    assert repr(torch.IntStorage([1])).endswith("[torch.storage.TypedStorage(dtype=torch.int32, device=cpu) of size 1]")
    assert pickle.loads(pickle.dumps(storage)).tolist() == copy.deepcopy(storage).tolist() == storage.tolist()
    with pytest.raises(IndexError, match="out of range"):
        storage[4]
    with pytest.raises(RuntimeError, match="slices"):
        storage[0:2]
    with pytest.raises(RuntimeError, match="size does not match"):
        storage.copy_(torch.FloatStorage(3))


def test_storage_constructors():
    assert torch.FloatStorage([1, 2]).tolist() == [1.0, 2.0] and len(torch.DoubleStorage(3)) == 3
    assert torch.TypedStorage([1, 2], dtype=torch.int16).dtype is torch.int16
    assert len(torch.FloatStorage(wrap_storage=torch.UntypedStorage(8))) == 2
    for wrong, error in ((lambda: torch.FloatStorage(2.5), TypeError), (lambda: torch.FloatStorage(2, 3), RuntimeError),
                         (lambda: torch.FloatStorage(2, dtype=torch.int64), RuntimeError)):
        with pytest.raises(error, match="Storage"):
            wrong()


def test_untyped_storage_holds_bytes():
    x = torch.tensor([1, 256], dtype=torch.int16)
    storage = x.untyped_storage()
    assert storage.tolist() == [1, 0, 0, 1] and storage[3] == 1 and storage[1:3].tolist() == [0, 0]
    storage[0] = 2
    assert x[0] == 2
    assert storage.clone() != storage and storage == x.untyped_storage()
    storage.copy_(torch.UntypedStorage([1, 2, 3, 4]))
    assert storage.tolist() == [1, 2, 3, 4] and copy.deepcopy(storage).tolist() == [1, 2, 3, 4]
    assert len(storage.resize_(2)) == 2 and len(storage.resize_(4)) == 4
    with pytest.raises(NotImplementedError, match="grow"):
        storage.resize_(5)


def test_set_takes_storages_of_the_same_dtype():
    x = torch.zeros(2).set_(torch.FloatStorage([1, 2, 3]), 1, (2,))
    assert x.tolist() == [2.0, 3.0]
    with pytest.raises(RuntimeError, match="torch.float64"):
        torch.zeros(2).set_(torch.DoubleStorage([1]))
    with pytest.raises(RuntimeError, match="out of bounds"):
        torch.zeros(2).set_(torch.FloatStorage([1, 2, 3]), 2, (2,))


def test_from_file_shares_pages_or_copies_them(tmp_path):
    path = str(tmp_path / "numbers.bin")
    with pytest.raises(RuntimeError, match="unable to open"):
        torch.from_file(path, size=2)
    shared = torch.from_file(path, shared=True, size=3)
    shared.copy_(torch.tensor([1.0, 2.0, 3.0]))
    own = torch.from_file(path, size=2)
    own[0] = 9
    assert torch.from_file(path, size=3).tolist() == shared.tolist() == [1.0, 2.0, 3.0]
    assert torch.FloatStorage.from_file(path, False, 2).tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="smaller than the required"):
        torch.from_file(path, size=4)
    assert torch.from_file(path).shape == (0,)


def test_as_subclass_keeps_memory_and_history():
    class Mine(torch.Tensor):
        pass
    x = torch.ones(2, requires_grad=True)
    mine = (x * 2).as_subclass(Mine)
    assert type(mine) is Mine
    mine.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    with pytest.raises(TypeError, match="inherit from Tensor"):
        x.as_subclass(int)


def test_dim_order():
    x = torch.zeros(2, 3, 4, 5)
    assert x.dim_order() == (0, 1, 2, 3) and x.permute(2, 0, 1, 3).dim_order() == (1, 2, 0, 3)
    assert x.to(memory_format=torch.channels_last).dim_order(ambiguity_check=True) == (0, 2, 3, 1)
    with pytest.raises(RuntimeError, match="unique dim order"):
        torch.zeros(2, 1, 1, 5).dim_order(ambiguity_check=True)
    with pytest.raises(TypeError, match="ambiguity_check"):
        x.dim_order(ambiguity_check="yes")


def test_grad_dtype_is_the_dtype_of_the_gradient():
    x = torch.ones(2, requires_grad=True)
    assert x.grad_dtype is torch.float32
    x.grad_dtype = torch.float64
    for _ in range(2):
        (x * 2).sum().backward()
    assert x.grad.dtype is torch.float64 and x.grad.tolist() == [4.0, 4.0]
    x.grad_dtype = None
    x.grad = torch.zeros(2, dtype=torch.float16)
    assert x.grad_dtype is None
    y = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="different type"):
        y.grad = torch.zeros(2, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="leaf"):
        (x * 2).grad_dtype = torch.float32


def test_small_methods():
    x = torch.tensor([1.0, 2.0])
    assert x.const_data_ptr() == x.data_ptr() and x.name is None and not x.is_distributed()
    assert x.is_same_size(torch.zeros(2)) and not torch.is_same_size(x, torch.zeros(3))
    assert torch.tensor([3]).is_nonzero() and torch.get_device(x) == -1 and torch.is_signed(x)
    assert x.clone().map2_(x, x + 1, lambda a, b, c: a + b * c).tolist() == [3.0, 8.0]
    assert torch.detach(x.clone().requires_grad_()).requires_grad is False
    y = x.clone()
    y = y.__idiv__(2)
    assert y.tolist() == [0.5, 1.0]
    assert x.module_load(torch.zeros(2), assign=True).tolist() == [0.0, 0.0] and x.tolist() == [1.0, 2.0]
    with pytest.raises(NotImplementedError, match="nested"):
        x.to_padded_tensor(0.0)
    with pytest.raises(NotImplementedError, match="first-class"):
        x.index((0,), None)
    with pytest.raises(TypeError, match="must be Tensor"):
        torch.is_conj(3)


def test_autograd_names():
    with torch.autograd.set_multithreading_enabled(False):
        assert not torch.autograd.is_multithreading_enabled()
    assert torch.autograd.is_multithreading_enabled() and torch.autograd.grad_mode.no_grad is torch.no_grad
    from numbatorch.autograd.variable import Variable
    assert Variable is torch.Tensor
    with pytest.raises(RuntimeError, match="static"):
        torch.autograd.NestedIOFunction()


def test_make_tensor_stays_in_its_range():
    torch.manual_seed(0)
    for dtype in (torch.bool, torch.uint8, torch.int64, torch.float16, torch.float32, torch.complex64):
        x = torch.testing.make_tensor(4, 5, dtype=dtype, device="cpu", noncontiguous=True)
        assert x.shape == (4, 5) and x.dtype is dtype and not x.is_contiguous()
    assert torch.testing.make_tensor((200,), dtype=torch.uint8, device="cpu", low=0, high=2, exclude_zero=True).all()
    assert torch.testing.make_tensor(50, dtype=torch.float16, device="cpu", low=-1e9, high=1e9).isfinite().all()
    assert torch.testing.make_tensor(2, dtype=torch.float32, device="cpu", requires_grad=True).requires_grad
    with pytest.raises(ValueError, match="less than"):
        torch.testing.make_tensor(2, dtype=torch.int32, device="cpu", low=3, high=3)
    with pytest.raises(ValueError, match="only supports"):
        torch.testing.make_tensor(2, dtype=torch.int8, device="cpu", low=200, high=300)


def test_swap_tensors_exchanges_all_but_identity():
    a, b = torch.ones(2), torch.nn.Parameter(torch.zeros(3))
    a.mark = "of the ones"
    torch.utils.swap_tensors(a, b)
    assert b.mark == "of the ones" and not hasattr(a, "mark")
    assert isinstance(a, torch.nn.Parameter) and a.requires_grad and a.shape == (3,) and b.tolist() == [1.0, 1.0]
    assert type(b) is torch.Tensor and not b.requires_grad
    import weakref
    kept = weakref.ref(a)
    with pytest.raises(RuntimeError, match="weakref"):
        torch.utils.swap_tensors(a, b)
    assert kept() is a


def test_what_hangs_on_a_tensor_can_be_replaced_at_once():
    x = torch.ones(2)
    x.old = 1
    x.__dict__ = {"new": 2}
    assert x.__dict__ == {"new": 2} and not hasattr(x, "old") and x.tolist() == [1.0, 1.0]
