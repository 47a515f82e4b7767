"""What the CPU says about the memory of tensors."""

import numbatorch as torch


def test_stats_follow_tensors():
    before = torch.cpu.memory_stats()
    x = torch.empty(1 << 20)
    during = torch.cpu.memory_stats()
    assert during["allocated"] - before["allocated"] == 4 << 20
    assert during["peak"] >= during["allocated"]
    del x
    assert torch.cpu.memory_stats()["allocated"] == before["allocated"]


def test_empty_cache_gives_all_back():
    x = torch.empty(1 << 20)
    del x
    assert torch.cpu.memory_stats()["cached"] >= 4 << 20
    torch.cpu.empty_cache()
    assert torch.cpu.memory_stats()["cached"] == 0
