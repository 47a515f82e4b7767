"""A GPU for the tests of this folder: the emulator."""

import pytest

from numbatorch.cuda import runtime


@pytest.fixture
def gpu(emulator):
    """Makes device="cuda" the emulator."""
    with runtime.using(emulator) as driver:
        yield driver


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
