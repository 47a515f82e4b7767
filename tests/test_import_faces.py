"""Names that packages touch while they are imported (torchvision among them): present, and honest when used."""

import pytest

import numbatorch as torch
from numbatorch.errors import MissingError


def test_libraries_of_cpp_ops_cannot_be_loaded():
    with pytest.raises(OSError, match="Could not load this library"):
        torch.ops.load_library("missing.so")


def test_shape_functions_may_come_before_their_op():
    def shapes(x):
        return torch.empty_like(x)
    assert torch.library.register_fake("faces::early")(shapes) is shapes
    op = torch.library.custom_op("faces::early", lambda x: x * 2, mutates_args=())
    assert op._fake is shapes and op(torch.ones(2)).tolist() == [2.0, 2.0]
    with pytest.raises(ValueError, match="namespace::name"):
        torch.library.register_fake("early", shapes)


def test_onnx_registers_and_does_not_export():
    from numbatorch import onnx
    assert not onnx.is_in_onnx_export()
    onnx.register_custom_op_symbolic("faces::early", lambda g, x: x, 11)
    onnx.unregister_custom_op_symbolic("faces::early", 11)
    with pytest.raises(ValueError, match="namespace::name"):
        onnx.register_custom_op_symbolic("early", lambda g, x: x, 11)
    with pytest.raises(MissingError, match=r"torch\.onnx\.export"):
        onnx.export(None, None, None)


def test_marks_of_quantization_pass_their_input_on():
    from numbatorch.ao.quantization import DeQuantStub, QuantStub
    x = torch.ones(2)
    assert DeQuantStub()(QuantStub()(x)) is x
    with pytest.raises(NotImplementedError, match=r"torch\.ao\.quantization\.prepare"):
        torch.ao.quantization.prepare(torch.nn.Linear(1, 1))


def test_sets_of_dispatch_keys():
    from numbatorch._C import DispatchKey, DispatchKeySet
    keys = DispatchKeySet(DispatchKey.AutocastCPU) | DispatchKeySet(DispatchKey.AutocastCUDA)
    assert keys.has(DispatchKey.AutocastCUDA) and not keys.has(DispatchKey.CPU)
    assert repr(keys - DispatchKeySet(DispatchKey.AutocastCPU)) == "DispatchKeySet(AutocastCUDA)"
    assert keys & DispatchKeySet(DispatchKey.AutocastCPU) == DispatchKeySet(DispatchKey.AutocastCPU)


def test_progress_bars_of_model_zoo_count():
    from numbatorch.utils import model_zoo
    with model_zoo._Progress(total=4) as bar:
        bar.update(3)
        bar.update()
    assert bar.n == bar.total == 4
    bar = model_zoo._Progress([1, 2])
    assert list(bar) == [1, 2] and bar.n == 2
    assert model_zoo.load_url is torch.hub.load_state_dict_from_url


def test_operators_that_are_methods_elsewhere():
    aten, x = torch.ops.aten, torch.arange(6.0).view(2, 3).t()
    again = aten.alias.default(x)
    assert again is not x and again.data_ptr() == x.data_ptr() and again.stride() == x.stride()
    assert aten.index.Tensor(x, [None, torch.tensor([1])]).tolist() == [[3.0], [4.0], [5.0]]
    copy = aten._to_copy(x, dtype=torch.float64)
    assert copy.dtype is torch.float64 and copy.tolist() == x.tolist() and aten._to_copy(x).data_ptr() != x.data_ptr()
    assert not aten.detach(x.requires_grad_()).requires_grad
    product, places = aten._sparse_mm_reduce_impl(torch.eye(3).to_sparse_csr(), torch.ones(3, 2), "sum")
    assert product.tolist() == [[1.0, 1.0]] * 3 and places.numel() == 0
    with pytest.raises(NotImplementedError, match="amax"):
        aten._sparse_mm_reduce_impl(torch.eye(3).to_sparse_csr(), torch.ones(3, 2), "amax")
    assert aten._sparse_addmm(torch.ones(3, 2), torch.eye(3).to_sparse(), torch.ones(3, 2)).tolist() == [[2.0, 2.0]] * 3


def test_print_options_are_read_and_set():
    from numbatorch._tensor_str import PRINT_OPTS, _tensor_str
    assert PRINT_OPTS.precision == 4 and _tensor_str(torch.ones(2), 0) == "[1., 1.]"
    PRINT_OPTS.precision = 2
    try:
        assert repr(torch.tensor([0.123])) == "tensor([0.12])"
    finally:
        PRINT_OPTS.precision = 4
    with pytest.raises(AttributeError, match="no print option"):
        PRINT_OPTS.width = 3


def test_members_of_a_checkpoint(tmp_path):
    torch.save({"a": torch.arange(4.0)}, tmp_path / "x.pt")
    reader = torch.PyTorchFileReader(str(tmp_path / "x.pt"))
    assert reader.has_record("data/0") and "data.pkl" in reader.get_all_records()
    assert reader.get_record("data.pkl")[:1] == b"\x80"
    part = reader.get_storage_from_record("data/0", 3, torch.float32)
    assert part.numel() == 0
    assert torch.tensor(part.untyped_storage(), dtype=torch.float32).tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(RuntimeError, match="no member"):
        reader.get_record("nothing")
    with pytest.raises(RuntimeError, match="open file failed"):
        torch.PyTorchFileReader(str(tmp_path / "nothing.pt"))


def test_names_of_scripting_at_the_top():
    assert torch.ScriptModule is torch.jit.ScriptModule and torch.Future is torch.jit.Future


def test_remote_calls_say_that_they_are_missing():
    from numbatorch.distributed import rpc
    with pytest.raises(NotImplementedError, match=r"torch\.distributed\.rpc\.init_rpc"):
        rpc.init_rpc("worker0")


def test_loaders_iterate_by_a_class_that_packages_know():
    from numbatorch.utils.data.dataloader import _BaseDataLoaderIter, _MultiProcessingDataLoaderIter
    loader = torch.utils.data.DataLoader([1, 2, 3])
    assert isinstance(iter(loader), _BaseDataLoaderIter)
    assert issubclass(_MultiProcessingDataLoaderIter, _BaseDataLoaderIter)


def test_functions_by_their_inner_name():
    from numbatorch import _VF
    assert _VF.lstm is torch.lstm and torch._VF.gru is torch.gru
    with pytest.raises(AttributeError):
        _VF.nothing  # noqa: B018
