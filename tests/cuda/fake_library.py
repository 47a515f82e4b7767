"""libcuda as driver.py calls it, over the emulator's memory and programs: pointers are read and written as C does."""

import ctypes
import itertools

import numpy as np

from numbatorch.cuda.emulator.arena import Arena
from numbatorch.cuda.emulator.schedule import Program

LAUNCH = ctypes.PYFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4)


class Config(ctypes.Structure):
    """CUlaunchConfig."""

    _fields_ = [*((f"{part}{axis}", ctypes.c_uint) for part in ("grid", "block") for axis in "xyz"),
                ("shared", ctypes.c_uint), ("stream", ctypes.c_void_p), ("attributes", ctypes.c_void_p),
                ("count", ctypes.c_uint)]


def number(value):
    """The Python number of a C argument."""
    return getattr(value, "value", value)


def put(target, value):
    """*target = value."""
    target._obj.value = value


class Library:
    """What ctypes.CDLL would give: functions by name. `calls` lists their names."""

    def __init__(self, memory=1 << 22, version=12040, devices=1, status=0):
        self.arena, self.version, self.devices, self.status = Arena(memory), version, devices, status
        self.calls, self.modules, self.functions, self.current = [], {}, {}, None
        self.allowed, self.recording = 0, False
        self.handles, self.mode, self.events, self.refuses_cubins = itertools.count(1000), 0, {}, False
        self.cuLaunchKernelEx = LAUNCH(self._launch)

    def __getattr__(self, name):
        if not name.startswith("cu"):
            raise AttributeError(name)
        act = getattr(type(self), "do_" + name[2:].removesuffix("_v2"))

        def call(*arguments):
            self.calls.append(name)
            return act(self, *arguments) or 0
        return call

    def do_Init(self, flags):
        return self.status

    def do_GetErrorName(self, status, text):
        put(text, {2: b"CUDA_ERROR_OUT_OF_MEMORY", 100: b"CUDA_ERROR_NO_DEVICE",
                   900: b"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"}.get(status, b"CUDA_ERROR_UNKNOWN"))

    def do_GetErrorString(self, status, text):
        put(text, b"in words")

    def do_DriverGetVersion(self, value):
        put(value, self.version)

    def do_DeviceGetCount(self, value):
        put(value, self.devices)

    def do_DeviceGet(self, device, index):
        put(device, number(index) + 10)

    def do_DeviceGetName(self, name, size, device):
        name.value = f"device {number(device)}".encode()

    def do_DeviceTotalMem(self, total, device):
        put(total, self.arena.size)

    def do_DeviceGetUuid(self, uuid, device):
        uuid.raw = bytes(range(16))

    def do_DeviceGetAttribute(self, value, attribute, device):
        put(value, {75: 8, 76: 6}.get(number(attribute), number(attribute)))

    def do_DevicePrimaryCtxRetain(self, context, device):
        put(context, 5000 + number(device))

    def do_DeviceCanAccessPeer(self, value, device, other):
        put(value, number(device) != number(other))

    def do_CtxSetCurrent(self, context):
        self.current = number(context)

    def do_CtxSynchronize(self):
        assert self.current
        return 900 if self.recording else 0

    def do_CtxGetStreamPriorityRange(self, least, greatest):
        put(least, 0)
        put(greatest, -5)

    def do_ThreadExchangeStreamCaptureMode(self, mode):
        old, self.mode = self.mode, mode._obj.value
        put(mode, old)

    def do_MemGetInfo(self, free, total):
        put(free, self.arena.size - self.arena.used)
        put(total, self.arena.size)

    def do_MemAlloc(self, address, nbytes):
        assert self.current and self.mode == 2
        found = self.arena.allocate(number(nbytes))
        if found is None:
            return 2
        put(address, found)

    def do_MemFree(self, address):
        self.arena.free(number(address))

    def do_MemcpyHtoDAsync(self, target, source, nbytes, stream):
        self.arena.window(number(target), number(nbytes))[:] = np.frombuffer(
            ctypes.string_at(number(source), number(nbytes)), "u1")

    def do_MemcpyDtoHAsync(self, target, source, nbytes, stream):
        ctypes.memmove(number(target), self.arena.window(number(source), number(nbytes)).tobytes(), number(nbytes))

    def do_MemcpyAsync(self, target, source, nbytes, stream):
        self.arena.window(number(target), number(nbytes))[:] = self.arena.window(number(source), number(nbytes)).copy()

    def do_MemsetD8Async(self, target, value, nbytes, stream):
        self.arena.window(number(target), number(nbytes))[:] = number(value)

    def do_LinkCreate(self, count, options, values, state):
        put(state, next(self.handles))

    def do_LinkAddData(self, state, kind, data, size, name, count, options, values):
        assert number(kind) == 1 and len(number(data)) + 1 == number(size)
        self.linked = number(data).decode()
        return 0 if "entry" in self.linked else 218

    def do_LinkComplete(self, state, cubin, size):
        self.cubin = ctypes.create_string_buffer(b"cubin " + self.linked.encode())
        put(cubin, ctypes.addressof(self.cubin))
        put(size, len(self.cubin) - 1)

    def do_LinkDestroy(self, state):
        assert number(state)

    def do_ModuleLoadDataEx(self, module, image, count, options, values):
        text = number(image).decode()
        if text.startswith("cubin ") and self.refuses_cubins:
            return 209
        if "entry" not in text:
            ctypes.memmove(values[0], b"ptxas: no entry\0", 16)
            return 218
        self.modules[handle := next(self.handles)] = text
        put(module, handle)

    def do_ModuleGetFunction(self, function, module, name):
        program = Program(self.modules[number(module)], name.decode(), None)
        self.functions[handle := next(self.handles)] = program
        put(function, handle)

    def do_FuncSetAttribute(self, function, attribute, value):
        assert number(attribute) == 8 and self.mode == 2
        self.allowed = number(value)

    def _launch(self, config, function, parameters, extra):
        config, program = Config.from_address(config), self.functions[function]
        pointers = ctypes.cast(parameters, ctypes.POINTER(ctypes.c_void_p))
        values = [ctypes.string_at(pointers[k], dtype.itemsize)
                  for k, (_, dtype) in enumerate(program.entry.parameters)]
        assert self.current and not extra and not config.attributes and not config.count
        assert config.shared <= max(self.allowed, 49152)
        self.calls.append(f"launch on {config.stream or 0}")
        program.launch(self.arena, (config.gridx, config.gridy, config.gridz),
                       (config.blockx, config.blocky, config.blockz), values, config.shared)
        return 0

    def do_StreamCreateWithPriority(self, stream, flags, priority):
        put(stream, next(self.handles))

    def do_StreamDestroy(self, stream):
        assert number(stream)

    def do_StreamSynchronize(self, stream):
        assert self.current

    def do_StreamQuery(self, stream):
        return 600 if number(stream) else 0

    def do_StreamWaitEvent(self, stream, event, flags):
        assert number(event) in self.events

    def do_EventCreate(self, event, flags):
        handle = next(self.handles)
        self.events[handle] = [number(flags), None]
        put(event, handle)

    def do_EventRecord(self, event, stream):
        self.events[number(event)][1] = len(self.calls)

    def do_EventQuery(self, event):
        return 0 if self.events[number(event)][1] else 600

    def do_EventSynchronize(self, event):
        assert self.events[number(event)]

    def do_EventElapsedTime(self, value, start, end):
        put(value, self.events[number(end)][1] - self.events[number(start)][1])

    def do_EventDestroy(self, event):
        del self.events[number(event)]

    def do_StreamBeginCapture(self, stream, mode):
        assert number(stream) and number(mode) == 1
        self.recording = True

    def do_StreamIsCapturing(self, stream, value):
        put(value, 1)

    def do_StreamEndCapture(self, stream, graph):
        put(graph, 77)
        self.recording = False

    def do_GraphInstantiateWithFlags(self, executable, graph, flags):
        assert number(graph) == 77
        put(executable, 78)

    def do_GraphDestroy(self, graph):
        assert number(graph) == 77

    def do_GraphLaunch(self, executable, stream):
        assert number(executable) == 78

    def do_GraphExecDestroy(self, executable):
        assert number(executable) == 78
