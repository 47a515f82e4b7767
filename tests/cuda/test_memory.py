"""The pool of a device's memory, over the emulator's."""

import types

import pytest

from numbatorch.cuda.emulator.device import Emulator
from numbatorch.cuda.memory_pool import SLAB, Pool, class_size, readable
from numbatorch.errors import OutOfMemoryError


class Pooled(Emulator):
    """The emulator with memory in segments, as on a GPU, and events that happen when a test says so."""

    exact = False

    def __init__(self, memory):
        super().__init__(memory)
        self.happened = True

    def query_event(self, event):
        return self.happened


@pytest.fixture
def pool():
    return Pool(Pooled(16 << 20), 0, types.SimpleNamespace(streams={}))


def test_sizes_are_rounded_to_classes():
    assert [class_size(n) for n in (0, 1, 512, 513, 1024, 4096, 5000, 1 << 20)] == [
        512, 512, 512, 1024, 1024, 4096, 5120, 1 << 20]
    for n in range(1, 1 << 22, 4097):
        assert n <= class_size(n) <= max(1024, n * 5 // 4 + 512) and class_size(class_size(n)) == class_size(n)
    assert readable(100) == "100 bytes" and readable(3 << 30) == "3.00 GiB"


def test_blocks_are_used_again(pool):
    block = pool.allocate(5000)
    address = block.address
    del block
    assert pool.allocate(4900).address == address
    small = [pool.allocate(100) for _ in range(3)]
    assert len({b.address for b in small}) == 3 and pool.statistics["driver_allocations"] == 2
    large = pool.allocate(3 << 20)
    assert pool.statistics["reserved"] == 2 * SLAB + large.size


def test_other_streams_get_other_blocks():
    thread = types.SimpleNamespace(streams={})
    pool = Pool(Pooled(16 << 20), 0, thread)
    first = pool.allocate(1 << 20).address
    thread.streams[0] = 7
    assert pool.allocate(1 << 20).address != first
    thread.streams[0] = 0
    block = pool.allocate(1 << 20)
    assert block.address == first
    block.used_on(7)
    pool.driver.happened = False
    del block
    assert pool.allocate(1 << 20).address != first  # work on stream 7 may still use it
    pool.driver.happened = True
    pool.settle()
    assert pool.allocate(1 << 20).address == first


def test_what_is_kept_is_given_up_before_memory_runs_out(pool):
    blocks = [pool.allocate(2 << 20) for _ in range(7)]
    del blocks
    assert pool.statistics["reserved"] == 14 << 20
    large = pool.allocate(12 << 20)
    assert large.size == 12 << 20 and pool.statistics["retries"] == 1
    with pytest.raises(OutOfMemoryError, match="Tried to allocate 12.00 MiB .* 16.00 MiB, 4.00 MiB of them free"):
        pool.allocate(12 << 20)
    assert pool.statistics["failures"] == 1
    del large
    pool.empty()
    assert pool.statistics["reserved"] == pool.driver.arena.used == 0


def test_slabs_with_living_blocks_stay(pool):
    a, b = pool.allocate(600), pool.allocate(600)
    del a
    pool.empty()
    assert pool.statistics["reserved"] == SLAB
    del b
    pool.empty()
    assert pool.statistics["reserved"] == 0
