"""driver.py against a library that takes its calls as libcuda does."""


import os
import subprocess
import sys

import numpy as np
import pytest

from numbatorch.cuda import CudaError, driver
from numbatorch.cuda.compile import Kernel, compile_kernel
from tests.cuda.fake_library import Library


@pytest.fixture
def library(monkeypatch):
    """Makes the fake library what the driver opens."""
    def install(**options):
        fake = Library(**options)
        monkeypatch.setattr(driver, "_libraries", lambda: (fake, fake))
        return fake
    return install


def test_drivers_that_cannot_be_used_say_why(library):
    for options, text in (({"status": 100}, r"cannot be used: CUDA_ERROR_NO_DEVICE \(in words\)"),
                          ({"version": 11080}, "is for CUDA 11.8; kernels need 12.0 or newer"),
                          ({"devices": 0}, "has no device")):
        library(**options)
        with pytest.raises(driver.Unavailable, match=text):
            driver.Driver()


def test_devices_are_described(library):
    library(devices=2)
    found = driver.Driver()
    properties = found.properties(1)
    assert (found.count, properties.name, properties.major, properties.minor) == (2, "device 11", 8, 6)
    assert properties.uuid == "00010203-0405-0607-0809-0a0b0c0d0e0f" and properties.multi_processor_count == 16
    assert found.memory(0) == (1 << 22, 1 << 22)


def test_kernels_get_their_values(library):
    fake = library()
    found = driver.Driver()
    text = """
def values(a, b, c, d, e, out):
    out[0] = float64(a)
    out[1] = float64(b)
    out[2] = float64(c)
    out[3] = float64(d)
    out[4] = float64(e[0])
"""
    kernel = compile_kernel("values", text, ("float64", "int32", "float32", "uint8", "int64*", "float64*"), 32)
    function = found.function(0, kernel)
    assert found.function(0, kernel) is function
    e, out = found.allocate(0, 8), found.allocate(0, 40)
    host = np.array([2**40], "i8")
    found.upload(0, e, host.ctypes.data, 8, 0)
    function.launch(1, (0.1, -5, 0.5, 200, e, out), 0)
    back = np.zeros(5)
    found.download(0, back.ctypes.data, out, 40, 0)
    found.synchronize_stream(0, 0)
    assert back.tolist() == [0.1, -5, 0.5, 200, 2**40]
    found.move(0, out, e, 8, 0)
    found.fill(0, out + 8, 255, 8, 0)
    assert fake.arena.window(out, 16).view("i8").tolist() == [2**40, -1]
    found.free(0, e)
    assert found.allocate(0, 1 << 30) is None


def test_prepared_launches_pack_what_changes(library):
    import types
    fake = library()
    found = driver.Driver()
    text = """
def scaled(a, factor, out, shift, units):
    i = grid()
    if i < units:
        out[i] = a[i] * float32(factor) + float32(shift)
"""
    kernel = compile_kernel("scaled", text, ("float32*", "float64", "float32*", "int64", "int64"), 32)
    thread = types.SimpleNamespace(streams={})
    run = found.function(0, kernel).prepared(2, (40,), thread)
    a, out = found.allocate(0, 160), found.allocate(0, 160)
    fake.arena.window(a, 160).view("f4")[:] = np.arange(40)
    run(a, 0.5, out, 3, 0, 0, 0)
    assert fake.arena.window(out, 160).view("f4").tolist() == (np.arange(40) / 2 + 3).tolist()
    thread.streams[0] = 77
    run(a, 2.0, out, -1, 0, 0, 0)
    assert fake.arena.window(out, 160).view("f4")[5] == 9 and fake.calls[-1] == "launch on 77"
    with pytest.raises(OverflowError):
        run(a, 2.0, out, 1 << 70, 0, 0, 0)


def test_kernels_get_the_shared_memory_that_they_ask_for(library):
    text = """
def far(out):
    place = uint32(shared_base() + 65532)
    shared_write(place, int32(7))
    own = shared_int32()
    own[thread_index()] = int32(5)
    out[thread_index()] = shared_read_int32(place) + own[thread_index()]
"""
    fake, found = library(), driver.Driver()
    function = found.function(0, compile_kernel("far", text, ("int32*",), 32, shared=65536))
    out = found.allocate(0, 128)
    function.launch(1, (out,), 0)
    assert fake.allowed == 65536 and fake.arena.window(out, 128).view("i4").tolist() == [12] * 32


def test_machine_code_is_kept(library, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBATORCH_CACHE_DIR", str(tmp_path))
    kernel = compile_kernel("kept", "def kept(out):\n    out[0] = float64(7)\n", ("float64*",), 32)

    def loaded(**options):
        """The calls that load the kernel in a new process, and whether it works."""
        fake = library(**options)
        fake.refuses_cubins = refuses
        found = driver.Driver()
        out = found.allocate(0, 8)
        fake.calls.clear()
        found.function(0, kernel).launch(1, (out,), 0)
        assert fake.arena.window(out, 8).view("f8")[0] == 7
        return [name for name in fake.calls if "Link" in name or "Module" in name]
    refuses = False
    load, get = "cuModuleLoadDataEx", "cuModuleGetFunction"
    link = ["cuLinkCreate_v2", "cuLinkAddData_v2", "cuLinkComplete", "cuLinkDestroy"]
    assert loaded() == [*link, load, get] and loaded() == [load, get]
    assert loaded(version=12050) == [*link, load, get]
    for path in (tmp_path / "objects").rglob("*"):
        if path.is_file() and b"cubin" in path.read_bytes():
            path.write_bytes(path.read_bytes()[:-5])
    assert loaded() == [*link, load, get]
    refuses = True
    assert loaded() == [load, load, get]


def test_refusals_name_the_call(library):
    library()
    found = driver.Driver()
    broken = Kernel("broken", "", (), 32)
    broken._texts["sm_86"] = "no such text"
    with pytest.raises(CudaError, match=r"cuModuleLoadDataEx: CUDA_ERROR_UNKNOWN \(in words\) .*ptxas: no entry"):
        found.function(0, broken)


def test_streams_events_and_graphs(library):
    fake = library()
    found = driver.Driver()
    stream, start, end = found.create_stream(0, -1), found.create_event(0, True), found.create_event(0, False, True)
    assert fake.events[start][0] == 0 and fake.events[end][0] == 3 and found.priorities(0) == (0, -5)
    assert not found.query_event(start) and found.query_stream(0, 0) and not found.query_stream(0, stream)
    found.record_event(0, start, stream)
    found.record_event(0, end, stream)
    found.wait_event(0, stream, end)
    assert found.elapsed(start, end) > 0 and found.query_event(end)
    found.begin_capture(0, stream, 1)
    assert found.is_capturing(stream)
    with pytest.raises(CudaError, match=r"cuCtxSynchronize: CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED .*call item\(\)"):
        found.synchronize(0)
    graph = found.end_capture(0, stream)
    found.launch_graph(0, graph, stream)
    found.destroy_graph(graph)
    found.destroy_event(start)
    found.destroy_stream(stream)
    found.synchronize(0)


LIVE = """
import numpy as np
import numbatorch as torch
from numbatorch.cuda import backend, driver
from tests.cuda.fake_library import Library
fake = Library()
driver._libraries = lambda: (fake, fake)
x = torch.arange(6.0, device="cuda").reshape(2, 3)
assert torch.cuda.is_available() and torch.cuda.get_device_name() == "device 10"
assert (x * 2 + 1).sum(1).tolist() == [9, 27] and (x @ x.t()).tolist() == [[5, 14], [14, 50]]
stream = torch.cuda.Stream()
fake.calls.clear()
with torch.cuda.stream(stream):
    y = torch.exp(x)
assert f"launch on {stream.cuda_stream}" in fake.calls
assert np.allclose(y.cpu(), np.exp(np.arange(6)).reshape(2, 3))
assert backend.on(0).pool.statistics["reserved"] == 4 << 20 and torch.cuda.memory_allocated() > 0
"""


TWO = """
import numbatorch as torch
from numbatorch.cuda import driver
from tests.cuda.fake_library import Library
fake = Library(devices=2)
driver._libraries = lambda: (fake, fake)
a, b = torch.ones(4, device="cuda:0"), torch.arange(4.0, device="cuda:1", requires_grad=True)
assert torch.cuda.device_count() == 2 and torch.cuda.can_device_access_peer(0, 1)
moved = a.to("cuda:1") * b
assert moved.device == torch.device("cuda", 1) and moved.tolist() == [0, 1, 2, 3]
moved.to("cuda:0").sum().backward()
assert b.grad.device.index == 1 and b.grad.tolist() == [1, 1, 1, 1]
for call, text in ((lambda: a + b, "found at least two devices, cuda:0 and cuda:1"),
                   (lambda: a.to("cuda:2"), "cuda:2 is not available: there are 2 devices, cuda:0 to cuda:1")):
    try:
        call()
    except RuntimeError as error:
        assert text in str(error), error
    else:
        raise AssertionError(text)
with torch.cuda.device(1):
    assert torch.zeros(2, device="cuda").device.index == 1
assert torch.cuda.current_device() == 0 and torch.cuda.memory_allocated(0) > 0 < torch.cuda.memory_allocated(1)
"""


@pytest.mark.parametrize("program", [LIVE, TWO], ids=["one device", "two devices"])
def test_tensors_live_on_it(program):
    """In a process of its own: plans that were made for a driver do not serve another."""
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": "", "NUMBATORCH_CUDA": "", **{
        name: os.environ[name] for name in ("NUMBATORCH_CACHE_DIR", "HOME") if name in os.environ}}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
