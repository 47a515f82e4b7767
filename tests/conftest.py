"""What tests in several folders share."""

import pytest


@pytest.fixture(scope="session")
def emulator():
    """The GPU's emulator."""
    from numbatorch.cuda.emulator.device import shared

    return shared()
