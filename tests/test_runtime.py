"""Switches of the whole library: what is set is read back, and wrong values are refused."""

import pytest

import numbatorch as torch


@pytest.fixture(autouse=True)
def defaults():
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_float32_matmul_precision("highest")
    torch.set_warn_always(False)
    torch.set_default_device(None)
    torch.set_anomaly_enabled(False)
    torch.set_default_dtype(torch.float32)


def test_deterministic_algorithms():
    assert not torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.are_deterministic_algorithms_enabled() and torch.get_deterministic_debug_mode() == 1
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_deterministic_debug_mode("error")
    assert torch.get_deterministic_debug_mode() == 2 and not torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_deterministic_debug_mode(0)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("mode, error", [("x", RuntimeError), (3, RuntimeError), (1.0, TypeError)])
def test_deterministic_debug_mode_refuses(mode, error):
    with pytest.raises(error, match="debug_mode"):
        torch.set_deterministic_debug_mode(mode)


def test_deterministic_algorithms_wants_a_bool():
    with pytest.raises(TypeError, match="must be bool"):
        torch.use_deterministic_algorithms(1)


def test_matmul_precision():
    torch.set_float32_matmul_precision("medium")
    assert torch.get_float32_matmul_precision() == "medium"
    assert torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    assert torch.get_float32_matmul_precision() == "highest"
    with pytest.warns(UserWarning, match="no effect"):
        torch.set_float32_matmul_precision("low")
    assert torch.get_float32_matmul_precision() == "highest"


def test_flush_denormal():
    tiny = torch.full((3,), 1e-40)
    able = torch.set_flush_denormal(True)
    try:
        assert (tiny * 1).tolist() == ([0.0] * 3 if able else tiny.tolist())
    finally:
        torch.set_flush_denormal(False)
    assert (tiny * 1).tolist() == tiny.tolist() and tiny[0] > 0
    with pytest.raises(RuntimeError, match="expects a bool"):
        torch.set_flush_denormal(1)


def test_warn_always():
    torch.set_warn_always(True)
    assert torch.is_warn_always_enabled()
    with pytest.raises(RuntimeError, match="expects a bool"):
        torch.set_warn_always(1)


def test_anomaly_switches():
    torch.set_anomaly_enabled(True, False)
    assert torch.is_anomaly_enabled() and not torch.is_anomaly_check_nan_enabled()
    with torch.autograd.detect_anomaly():
        assert torch.is_anomaly_check_nan_enabled()
    assert not torch.is_anomaly_check_nan_enabled()
    with pytest.raises(TypeError, match="enabled"):
        torch.set_anomaly_enabled(1)


def test_default_device_by_call_and_by_context():
    assert torch.get_default_device() == torch.device("cpu")
    with torch.device("cpu") as chosen:
        assert chosen.type == "cpu" and torch.zeros(2).device.type == "cpu"
    own = torch.zeros(2)
    with torch.device("meta"):
        assert torch.get_default_device().type == "meta"
        for made in (torch.zeros(2), torch.rand(2), torch.eye(2), torch.tensor([1.0])):
            assert made.device.type == "meta"
        with torch.device("cpu"):
            assert torch.zeros(2).tolist() == [0.0, 0.0]
        assert own.new_zeros(2).tolist() == torch.zeros_like(own).tolist() == [0.0, 0.0]
    with torch.device("xpu"), pytest.raises(RuntimeError, match="device xpu is not available"):
        torch.zeros(2)
    torch.set_default_device("meta")
    try:
        assert torch.zeros(2).device.type == "meta"
    finally:
        torch.set_default_device(None)
    assert torch.zeros(2).device.type == "cpu"


def test_every_cpu_is_the_cpu():
    assert (torch.zeros(2, device="cpu:0") + torch.zeros(2)).tolist() == [0.0, 0.0]
    assert torch.zeros(2, device="cpu:0").device == torch.device("cpu")


@pytest.mark.parametrize("text", ["gpu", "cuda:", "cuda:-1", "cuda:01", ""])
def test_device_refuses(text):
    with pytest.raises(RuntimeError, match="device"):
        torch.device(text)


def test_device_refuses_other_types():
    with pytest.raises(TypeError, match="float"):
        torch.device(1.5)
    with pytest.raises(RuntimeError, match="negative"):
        torch.device("cuda", -1)


@pytest.mark.parametrize("call", [lambda x: x.cuda(), lambda x: x.xpu(), lambda x: x.to("mps"),
                                  lambda x: torch.zeros(1, device="cuda"), lambda x: torch.cuda.synchronize()])
@pytest.mark.parametrize("error", [RuntimeError, AssertionError])
def test_devices_that_are_not_there_raise_what_pytorch_raises_with_and_without_its_kernels(call, error):
    with pytest.raises(error, match="not available|no cuda"):
        call(torch.zeros(1))


def test_device_modules():
    assert torch.get_device_module() is torch.cpu and torch.get_device_module("cuda") is torch.cuda
    assert torch.get_device_module(torch.device("mps")) is torch.mps
    with pytest.raises(RuntimeError, match="corresponding module"):
        torch.get_device_module("meta")
    with pytest.raises(RuntimeError, match="Invalid value"):
        torch.get_device_module(3)


def test_questions_about_an_absent_accelerator_have_answers():
    for module in (torch.cuda, torch.xpu, torch.mps, torch.accelerator):
        assert not module.is_available() and module.device_count() == 0
    assert torch.cuda.memory_allocated() == 0 and torch.cuda.get_rng_state_all() == []
    assert torch.cuda.manual_seed_all(3) is None and torch.cuda.memory_stats() == {}
    assert torch.accelerator.current_accelerator() is None
    with torch.cuda.stream(None), torch.cuda.device(None), torch.cuda.device_of(torch.zeros(1)):
        assert not torch.cuda.is_initialized()
    with pytest.raises(RuntimeError, match="no cuda device"), torch.cuda.device(0):
        pass
    assert not isinstance(torch.zeros(1), torch.cuda.FloatTensor)
    with pytest.raises(TypeError, match="cuda.FloatTensor"):
        torch.cuda.FloatTensor(2)
    with pytest.raises(RuntimeError, match="mps.empty_cache"):
        torch.mps.empty_cache()


def test_streams_and_events_of_the_cpu():
    stream, event = torch.Stream(), torch.Event(enable_timing=True)
    assert stream == torch.Stream("cpu") and hash(stream) == hash(torch.Stream()) and stream != event
    assert stream.query() and event.query() and stream.device.type == "cpu"
    stream.synchronize()
    stream.wait_event(event)
    event.wait(stream)
    with stream:
        pass
    for refused in (event.record, stream.record_event, lambda: stream.wait_stream(stream)):
        with pytest.raises(RuntimeError, match="doesn't support events"):
            refused()
    with pytest.raises(ValueError, match="enable_timing"):
        torch.Event().elapsed_time(event)
    with pytest.raises(RuntimeError, match="cuda"):
        torch.Stream("cuda")


def test_backends_are_modules_that_keep_settings():
    import numbatorch.backends.cudnn as cudnn
    assert torch.backends.cudnn is cudnn and not cudnn.is_available() and cudnn.version() is None
    with cudnn.flags(enabled=False, benchmark=True):
        assert not cudnn.enabled and cudnn.benchmark
    assert cudnn.enabled and not cudnn.benchmark
    assert cudnn.set_flags(deterministic=True)[0] and cudnn.deterministic
    cudnn.deterministic = False
    with pytest.raises(TypeError, match="fast"):
        cudnn.set_flags(fast=True)
    assert not any(getattr(torch.backends, name).is_available()
                   for name in ("mkl", "mkldnn", "openmp", "mps", "opt_einsum", "nnpack", "cusparselt", "kleidiai"))
    assert torch.backends.cpu.get_cpu_capability() in ("AVX512", "AVX2", "NEON", "DEFAULT")
    with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
        pass
    with pytest.raises(AttributeError, match="speed"):
        torch.backends.cuda.matmul.speed = 3
    before = torch.backends.cuda.flash_sdp_enabled()
    with torch.backends.cuda.sdp_kernel(enable_flash=False):
        assert not torch.backends.cuda.flash_sdp_enabled()
    assert torch.backends.cuda.flash_sdp_enabled() == before


def test_compile_takes_what_programs_say_to_it():
    def double(x):
        return x * 2
    for made in (torch.compile(double, mode="max-autotune", fullgraph=True), torch.compile(dynamic=True)(double),
                 torch.compiler.disable(double)):
        assert made(2) == 4 and made.__name__ == "double"
    assert torch.compile(double, backend="eager") is double and torch.compile(double, disable=True) is double
    model = torch.nn.Linear(2, 2)
    assert torch.compile(model)._orig_mod is model and not torch.compiler.is_compiling()
    with pytest.raises(RuntimeError, match="Either mode or options"):
        torch.compile(double, mode="default", options={})
    with pytest.raises(TypeError, match="int"):
        torch.compile(3)
    with torch.compiler.set_stance("force_eager"):
        pass
    with pytest.raises(RuntimeError, match="stance"):
        torch.compiler.set_stance("fast")
    with pytest.raises(NotImplementedError, match="export.export"):
        torch.export.export(model, (torch.zeros(1, 2),))


def test_numbers_that_a_compiler_would_not_know():
    assert (torch.sym_int(-3.7), torch.sym_float(3), torch.sym_not(0)) == (-3, 3.0, True)
    assert torch.sym_max(5, 4.0) == 5.0 and isinstance(torch.sym_max(5, 4.0), float)
    assert torch.sym_min(3, 4) == 3 and torch.sym_sum([1, 2, 3]) == torch.sym_sum(1, 2, 3) == 6
    assert torch.sym_sqrt(4) == 2.0 and torch.sym_ite(True, 1, 2) == 1
    assert not isinstance(3, torch.SymInt)
    with pytest.raises(AssertionError, match="type mismatch"):
        torch.sym_ite(True, 1, 2.0)
    with pytest.raises(NotImplementedError, match="SymInt"):
        torch.SymInt(3)


def test_what_the_build_says_of_itself():
    assert "numbatorch" in torch.__config__.show() and "get_num_threads" in torch.__config__.parallel_info()
    assert not torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(False)
    with pytest.raises(NotImplementedError, match="swap"):
        torch.__future__.set_swap_module_params_on_conversion(True)
    assert torch.compiled_with_cxx11_abi() and torch.has_lapack and not torch.has_mkl
    assert torch.functional.einsum is torch.einsum and torch.version.cuda is None


def test_nested_tensors_and_their_layout_are_refused():
    with pytest.raises(NotImplementedError, match="nested tensors"):
        torch.nested.nested_tensor([torch.zeros(1)])
    for make in (torch.zeros, torch.ones, torch.rand):
        with pytest.raises(NotImplementedError, match="nested tensors"):
            make(2, layout=torch.jagged)
        with pytest.raises(TypeError, match="layout"):
            make(2, layout="strided")
    assert torch.rand(2, layout=torch.strided).layout is torch.strided


def test_the_default_device_is_that_of_a_thread():
    import threading
    seen = []
    with torch.device("meta"):
        thread = threading.Thread(target=lambda: seen.append(torch.zeros(1).device.type))
        thread.start()
        thread.join()
    assert seen == ["cpu"]
