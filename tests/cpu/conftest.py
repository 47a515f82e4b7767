"""What tests of the CPU share."""

import pytest


@pytest.fixture
def set_threads():
    """`set_num_threads`, with the count restored after the test."""
    from numbatorch.cpu.threads import get_num_threads, set_num_threads

    before = get_num_threads()
    yield set_num_threads
    set_num_threads(before)
