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
