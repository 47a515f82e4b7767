"""What tests in several folders share."""

import pytest


@pytest.fixture(scope="session")
def emulator():
    """The GPU's emulator, one for the process: plans know the driver that they were made with."""
    from numbatorch.cuda.emulator.device import Emulator

    return Emulator()
