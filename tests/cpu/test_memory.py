"""The allocator: alignment, reuse, bounds and errors."""

import ctypes

import pytest

from numbatorch.cpu import memory
from numbatorch.cpu.memory import address, allocate, empty_cache, memory_stats


def test_blocks_are_aligned_and_apart():
    sizes = [0, 1, 63, 64, 65, 80, 81, 127, 1000, 4097, 70001]
    blocks = [allocate(size) for size in sizes]
    for i, (block, size) in enumerate(zip(blocks, sizes, strict=True)):
        assert address(block) % 64 == 0
        ctypes.memset(address(block), i, size)
    for i, (block, size) in enumerate(zip(blocks, sizes, strict=True)):
        assert ctypes.string_at(address(block), size) == bytes([i]) * size


def test_a_returned_block_is_used_again():
    block = allocate(123457)
    place, before = address(block), memory_stats()
    del block
    assert memory_stats()["cached"] > before["cached"] and memory_stats()["allocated"] < before["allocated"]
    block = allocate(130000)
    assert address(block) == place
    assert memory_stats()["hits"] == before["hits"] + 1 and memory_stats()["peak"] >= before["allocated"]


def test_empty_cache_gives_memory_back():
    del [allocate(5000)][:]
    assert memory_stats()["cached"] > 0
    empty_cache()
    assert memory_stats()["cached"] == 0


def test_what_is_kept_is_bounded():
    counters = memory._counters(memory._loaded())
    limit = counters[5]
    empty_cache()
    try:
        counters[5] = 100_000
        blocks = [allocate(60_000) for _ in range(4)]
        del blocks
        assert 0 < memory_stats()["cached"] <= 100_000
    finally:
        counters[5] = limit


def test_errors():
    with pytest.raises(MemoryError, match="cpu: cannot allocate 1000000000000000 bytes"):
        allocate(10**15)
    with pytest.raises(RuntimeError, match="cpu: cannot allocate"):  # as PyTorch has it
        allocate(10**15)
    with pytest.raises(MemoryError, match="cpu: cannot allocate 9223372036854775807 bytes"):
        allocate(2**63 - 1)
    with pytest.raises(ValueError, match=r"negative number of bytes \(-1\)"):
        allocate(-1)
    with pytest.raises(TypeError):
        allocate("many")
    with pytest.raises(ValueError):
        address("block")


def test_a_larger_free_block_is_taken_for_a_large_one():
    empty_cache()
    block = allocate(3 << 20)
    place = address(block)
    del block
    block = allocate(2 << 20)  # a block of 2 MB is not there
    assert address(block) == place
    del block
    assert memory_stats()["cached"] == 3 << 20  # as its own size


def test_lists_are_cut_when_sizes_change():
    empty_cache()
    for megabytes in range(60, 120):
        block = allocate(megabytes << 20)
        del block
        stats = memory_stats()
        most = max(stats["peak"], stats["allocated"])
        assert stats["allocated"] + stats["cached"] <= 1.25 * most + (16 << 20) + (120 << 20) // 4
    empty_cache()
