"""torch.cuda as programs use it: without a device, and with the emulator."""

import os
import subprocess
import sys

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.cuda import runtime


def test_without_a_driver_questions_have_answers_and_orders_say_why():
    with runtime.using(None):
        assert not torch.cuda.is_available() and torch.cuda.device_count() == 0
        assert torch.cuda.memory_allocated() == torch.cuda.memory.memory_allocated() == 0
        assert torch.cuda.memory_stats() == {} and torch.cuda.get_arch_list() == []
        assert torch.cuda.empty_cache() is None and not isinstance(3, torch.cuda.Stream)
        with torch.cuda.stream(None), torch.cuda.device(None), torch.cuda.device(-1):
            pass
        for order in (lambda: torch.zeros(1, device="cuda"), lambda: torch.zeros(1).cuda(), torch.cuda.Stream,
                      torch.cuda.Event, torch.cuda.CUDAGraph, lambda: torch.cuda.device(0).__enter__(),
                      torch.cuda.synchronize, torch.cuda.current_device, torch.cuda.mem_get_info):
            with pytest.raises(RuntimeError, match="no cuda device is available"):
                order()


def test_the_reason_is_told_and_numbatorch_cuda_is_checked():
    code = ("import numbatorch as torch\ntry: torch.zeros(1, device='cuda')\n"
            "except (AssertionError, ValueError) as error: print(type(error).__name__, error)")
    for value, text in (("", "driver"), ("no", "NUMBATORCH_CUDA: expected 'emulate' or nothing, got 'no'")):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": ":".join(sys.path), "NUMBATORCH_CUDA": value})
        if value or "NoAcceleratorError" in done.stdout:  # a machine with a GPU makes the tensor
            assert text in done.stdout, done.stdout + done.stderr


def test_emulate_gives_a_device():
    code = ("import numbatorch as torch; x = torch.tensor([1., 2.], device='cuda') * 2; print(x, torch.cuda.is_"
            "available(), torch.cuda.get_device_name())")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": ":".join(sys.path), "NUMBATORCH_CUDA": "emulate"})
    assert done.stdout == "tensor([2., 4.], device='cuda:0') True numbatorch emulator\n", done.stderr


def test_devices(gpu):
    assert torch.cuda.is_available() and torch.cuda.device_count() == 1 and torch.cuda.current_device() == 0
    properties = torch.cuda.get_device_properties("cuda:0")
    assert (properties.major, properties.minor) == torch.cuda.get_device_capability() == (8, 0)
    assert properties.total_memory == torch.cuda.mem_get_info()[1] and "emulator" in repr(properties)
    assert torch.cuda.is_bf16_supported() and "sm_80" in torch.cuda.get_arch_list()
    torch.cuda.synchronize()
    torch.cuda.set_device(0)
    with torch.cuda.device(0), torch.cuda.device_of(torch.zeros(1)), torch.cuda.device_of(torch.zeros(1).cuda()):
        assert torch.zeros(2, device="cuda").device == torch.device("cuda", 0)
    for wrong in ("cuda:1", 3):
        with pytest.raises(RuntimeError, match="is not available: there is 1 device"):
            torch.zeros(1, device=wrong)
    with pytest.raises(ValueError, match="expected a cuda device"):
        torch.cuda.synchronize("cpu")
    with pytest.raises(TypeError, match="expected a device"):
        torch.cuda.synchronize(1.5)


def test_streams_and_events(gpu):
    stream, other = torch.cuda.Stream(), torch.cuda.Stream(priority=-1)
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    assert stream != other and torch.cuda.current_stream() == torch.cuda.default_stream()
    with torch.cuda.stream(stream):
        assert torch.cuda.current_stream() == stream
        start.record()
        x = torch.ones(3, device="cuda") + 1
        end.record()
        with other:
            assert torch.cuda.current_stream() == other
        assert torch.cuda.current_stream() == stream
    assert torch.cuda.current_stream() == torch.cuda.default_stream() and x.tolist() == [2, 2, 2]
    other.wait_stream(stream)
    other.wait_event(end)
    end.synchronize()
    assert end.query() and stream.query() and start.elapsed_time(end) >= 0
    with pytest.raises(ValueError, match="enable_timing"):
        torch.cuda.Event().elapsed_time(end)
    with pytest.raises(RuntimeError, match="must be recorded"):
        torch.cuda.Event(enable_timing=True).elapsed_time(end)


def test_streams_of_any_device_and_what_they_use(gpu):
    stream, event = torch.Stream("cuda"), torch.Event("cuda", enable_timing=True)
    assert isinstance(stream, torch.cuda.Stream) and isinstance(event, torch.cuda.Event)
    x = torch.ones(3, device="cuda")
    x.record_stream(stream)
    assert x._storage.block.streams == (stream.cuda_stream,)
    with pytest.raises(RuntimeError, match="belong to no stream"):
        torch.ones(3).record_stream(stream)


def test_graphs_replay_what_was_recorded(gpu):
    x, graph = torch.ones(4, device="cuda"), torch.cuda.CUDAGraph()
    with pytest.raises(RuntimeError, match="without a preceding"):
        graph.replay()
    with torch.cuda.graph(graph):
        assert torch.cuda.is_current_stream_capturing()
        y = (x * 2 + 1).sum()
    assert not torch.cuda.is_current_stream_capturing()
    graph.replay()
    assert float(y) == 12
    x.copy_(torch.tensor([1.0, 2, 3, 4]))
    graph.replay()
    assert float(y) == 24
    with pytest.raises(RuntimeError, match="non-default stream"):
        graph.capture_begin()


def test_memory_is_counted_and_given_back(gpu):
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    x = torch.zeros(1000, device="cuda")
    assert torch.cuda.memory_allocated() == before + 4000 and torch.cuda.memory_reserved() >= before + 4000
    del x
    assert torch.cuda.memory_allocated() == before and torch.cuda.max_memory_allocated() >= before + 4000
    stats = torch.cuda.memory_stats()
    assert stats["allocated_bytes.all.current"] == before
    assert torch.cuda.memory_stats_as_nested_dict()["allocated_bytes"]["all"]["current"] == before
    assert "tensors" in torch.cuda.memory_summary() and torch.cuda.memory_cached() == torch.cuda.memory_reserved()


def test_cuda_without_a_number_is_the_current_device(gpu, monkeypatch):
    monkeypatch.setattr(runtime.thread, "index", 1)
    assert torch.cuda.device("cuda").idx == 1 and torch.cuda.device("cuda:0").idx == 0
    with pytest.raises(ValueError, match="expected a cuda device, but got: cpu"):
        torch.cuda.device("cpu")


def test_with_a_device_what_is_missing_is_not_said_to_lack_one(gpu):
    from numbatorch.cuda import nvtx
    for call in (torch.cuda.cudart, torch.cuda.MemPool, torch.cuda.utilization, lambda: nvtx.range_push("step"),
                 torch.cuda.memory_snapshot, torch.cuda.list_gpu_processes, torch.cuda.set_sync_debug_mode):
        with pytest.raises(NotImplementedError, match="not part of numbatorch"):
            call()
    with runtime.using(None):
        for call in (torch.cuda.utilization, torch.cuda.power_draw, torch.cuda.MemPool,
                     lambda: nvtx.range_push("step")):
            with pytest.raises(RuntimeError, match=r"cuda\.\w+(\.\w+)?: no cuda device is available: \S+ .*emulator"):
                call()


def test_too_large_a_tensor_is_refused_with_sizes(gpu):
    keep = torch.ones(10, device="cuda")
    with pytest.raises(torch.cuda.OutOfMemoryError, match=r"Tried to allocate 8.00 GiB on cuda:0, which has 1.00 GiB"):
        torch.empty(1 << 31, device="cuda")
    assert (keep + 1).tolist() == [2] * 10
    torch.cuda.set_per_process_memory_fraction(0.0)
    try:
        with pytest.raises(torch.cuda.OutOfMemoryError, match="this process may use 0 bytes"):
            torch.ones(10, device="cuda")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert torch.cuda.get_per_process_memory_fraction() == 1 and (keep + 1).tolist() == [2] * 10
    with pytest.raises(ValueError, match="Allowed range"):
        torch.cuda.set_per_process_memory_fraction(2)


def test_a_model_trains_as_on_the_cpu(gpu):
    def losses(device):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).to(device)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        x = torch.tensor(np.random.default_rng(0).normal(size=(10, 6)).astype("f"), device=device)
        y, found = torch.arange(10, device=device) % 3, []
        for _ in range(5):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found
    assert np.allclose(losses("cuda"), losses("cpu"), rtol=1e-5)


def test_the_accelerator_is_the_gpu(gpu):
    assert torch.accelerator.is_available() and torch.accelerator.device_count() == 1
    assert torch.accelerator.current_accelerator() == torch.device("cuda")
    assert torch.accelerator.current_device_index() == 0 and torch.accelerator.current_stream().device.index == 0
    with torch.accelerator.device_index(0):
        torch.accelerator.synchronize()
    assert torch.accelerator.get_memory_info() == torch.cuda.mem_get_info()
