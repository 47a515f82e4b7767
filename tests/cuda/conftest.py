"""A GPU for the tests of this folder: the emulator."""

import pytest

from numbatorch.cuda import runtime


@pytest.fixture
def gpu(emulator):
    """Makes device="cuda" the emulator."""
    with runtime.using(emulator) as driver:
        yield driver


@pytest.fixture
def sm_90a(gpu, monkeypatch):
    """Makes the emulator a device that has wgmma."""
    from numbatorch.cuda.emulator import device
    monkeypatch.setattr(device, "ARCHITECTURE", "sm_90a")
    properties = gpu.properties(0)
    properties.major = 9
    monkeypatch.setattr(gpu, "properties", lambda index: properties)
    return gpu


@pytest.fixture
def host_work(monkeypatch):
    """The requests that are left to the CPU while a test runs."""
    from numbatorch.cuda import backend

    left, plan = [], backend.plan

    def noted(request):
        found = plan(request)
        if found is None:
            left.append(request)
        return found
    monkeypatch.setattr(backend, "plan", noted)
    return left
