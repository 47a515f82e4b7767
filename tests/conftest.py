"""What tests in several folders share."""

import pytest


@pytest.fixture(scope="session")
def emulator():
    """The GPU's emulator."""
    from numbatorch.cuda.emulator.device import shared

    return shared()


@pytest.fixture
def captures(monkeypatch):
    """Whatever `compile` captures during the test."""
    from numbatorch.compiler import compiled
    found, build = [], compiled.Attempt.__init__

    def noted(self, *args, **kwargs):
        found.append(self)
        build(self, *args, **kwargs)
    monkeypatch.setattr(compiled.Attempt, "__init__", noted)
    return found
