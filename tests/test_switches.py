"""Switches of PyTorch's compiled module: kept and handed back."""

import numbatorch as torch
from numbatorch import _C


def test_settings_hand_back_what_was_before():
    assert _C._jit_set_profiling_executor(False) is True and _C._jit_set_profiling_executor(True) is False
    assert _C._jit_set_bailout_depth(3) == 20 and _C._jit_set_bailout_depth(20) == 3
    assert _C._jit_set_texpr_fuser_enabled(False) is None and _C._jit_texpr_fuser_enabled() is False
    _C._jit_set_texpr_fuser_enabled(True)
    _C._jit_override_can_fuse_on_cpu(True)
    assert _C._jit_can_fuse_on_cpu() is True
    _C._jit_override_can_fuse_on_cpu(False)


def test_arguments_of_to_are_read_as_to_reads_them():
    parse = _C._nn._parse_to
    assert parse("cpu", torch.float64) == (torch.device("cpu"), torch.float64, False, None)
    assert parse(torch.ones(1, dtype=torch.int8)) == (torch.device("cpu"), torch.int8, False, None)
    assert parse("cuda:0", non_blocking=True)[::2] == (torch.device("cuda", 0), True)
    assert parse(torch.float16) == (None, torch.float16, False, None)
    assert _C._get_accelerator().type in ("cpu", "cuda") and not _C._cuda_isInBadFork()


def test_a_child_of_a_process_that_used_the_gpu_is_told(monkeypatch):
    from numbatorch.cuda import runtime
    monkeypatch.setitem(runtime._state, "forked", True)
    assert _C._cuda_isInBadFork()


def test_the_gradient_of_softmax_by_its_inner_name():
    x = torch.rand(2, 3, dtype=torch.float64, requires_grad=True)
    y, weights = x.softmax(1), torch.rand(2, 3, dtype=torch.float64)
    y.backward(weights)
    assert torch.allclose(torch._softmax_backward_data(weights, y.detach(), 1, torch.float64), x.grad)
