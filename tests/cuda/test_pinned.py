"""Pinned memory: tensors in it, copies that need not wait, and when others get the memory."""

import collections

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.cuda import pinned, runtime
from numbatorch.cuda.emulator.device import Emulator
from numbatorch.cuda.pinned import HostPool
from numbatorch.utils.data import DataLoader, TensorDataset
from numbatorch.utils.data._utils.pin_memory import pin_memory


class Slow(Emulator):
    """The emulator with events that happen when a test says so, and pools that keep what they get."""

    exact = False
    happened = True

    def query_event(self, event):
        return self.happened


def test_a_pinned_tensor_is_a_copy_on_the_cpu(gpu):
    x = torch.arange(12.0).reshape(3, 4).t()
    y = x.pin_memory()
    assert y.is_pinned() and not x.is_pinned() and y.device.type == "cpu" and y.stride() == x.stride()
    assert torch.equal(x, y) and y.pin_memory() is y and y[1:].is_pinned() and y.data.is_pinned()
    assert (y + 1).is_pinned() is False and y.untyped_storage().is_pinned() and y.storage().is_pinned()
    assert x.untyped_storage().pin_memory().is_pinned() and x.storage().pin_memory().is_pinned()
    assert torch.empty(0).pin_memory().is_pinned()
    with pytest.raises(RuntimeError, match="pin_memory: cannot pin a tensor on cuda:0"):
        y.cuda().pin_memory()
    leaf = torch.ones(3, requires_grad=True)
    (leaf.pin_memory() * 2).sum().backward()
    assert leaf.grad.tolist() == [2, 2, 2]


def test_without_a_gpu_tensors_stay_where_they_are():
    with runtime.using(None):
        x = torch.ones(3)
        assert x.pin_memory() is x and not torch.empty(3, pin_memory=True).is_pinned()
        assert next(iter(DataLoader(TensorDataset(x), pin_memory=True)))[0].tolist() == [1]


def test_tensors_are_made_in_pinned_memory(gpu):
    made = [torch.empty(3, pin_memory=True), torch.zeros(2, 2, pin_memory=True), torch.ones(2, pin_memory=True),
            torch.full((2,), 5, pin_memory=True), torch.rand(4, pin_memory=True), torch.arange(4, pin_memory=True),
            torch.tensor([1, 2], pin_memory=True), torch.zeros_like(torch.ones(2), pin_memory=True)]
    assert all(t.is_pinned() for t in made) and made[1].sum() == 0 and made[6].tolist() == [1, 2]


def test_copies_without_waiting(gpu):
    waited = []
    gpu.synchronize_stream = lambda index, stream: waited.append(stream)
    try:
        x = torch.arange(5.0).pin_memory()
        y = x.to("cuda", non_blocking=True)
        z = y.to("cpu", non_blocking=True)
        y.copy_(x, non_blocking=True)
        assert not waited and z.is_pinned()
        torch.arange(5.0).to("cuda", non_blocking=True)
        assert len(waited) == 1  # pageable memory may be read late
        x.to("cuda")
        assert len(waited) == 2
    finally:
        del gpu.synchronize_stream
    torch.cuda.synchronize()
    assert z.tolist() == [0, 1, 2, 3, 4]


def test_memory_waits_for_the_streams_that_copy():
    driver = Slow(1 << 22)
    pool = HostPool(driver)
    block = pool.allocate(1000)
    address = block.address
    assert pool.covering(address) is block and pool.covering(address + 999) is block
    assert pool.covering(address - 1) is None and pool.covering(address + 5000) is None
    block.used_on((0, 3))
    driver.happened = False
    del block
    other = pool.allocate(1000)
    assert other.address != address and pool.covering(address) is None
    driver.happened = True
    assert pool.allocate(1000).address == address
    del other
    pool.empty()
    assert pool.statistics["reserved"] == 0 and not driver._hosts


def test_pinned_memory_is_counted(gpu):
    torch.cuda.empty_host_cache()
    before = torch.cuda.host_memory_stats().get("allocated_bytes.current", 0)
    x = torch.empty(1000, pin_memory=True)
    assert torch.cuda.host_memory_stats()["allocated_bytes.current"] == before + 4000
    assert torch.cuda.host_memory_stats_as_nested_dict()["allocated_bytes"]["current"] == before + 4000
    del x
    assert torch.cuda.host_memory_stats()["allocated_bytes.current"] == before
    torch.cuda.reset_peak_host_memory_stats()
    torch.cuda.reset_accumulated_host_memory_stats()
    torch.accelerator.empty_host_cache()
    assert torch.cuda.host_memory_stats()["allocated_bytes.peak"] == before
    assert pinned.covering(12345) is None


Pair = collections.namedtuple("Pair", "left right")


class Batch:
    def __init__(self, x):
        self.x = x

    def pin_memory(self):
        return Batch(self.x.pin_memory())


def test_loaders_pin_their_batches(gpu):
    data = TensorDataset(torch.arange(6.0), torch.arange(6))
    for batch in DataLoader(data, batch_size=2, pin_memory=True):
        assert all(t.is_pinned() for t in batch) and batch[0].to("cuda", non_blocking=True).device.type == "cuda"
    batch = {"a": torch.ones(1), "b": (torch.ones(1), "text", 3), "c": Pair(torch.ones(1), 2),
             "d": Batch(torch.ones(1)), "e": collections.OrderedDict(x=torch.ones(1)), "f": [torch.ones(1)]}
    found = pin_memory(batch)
    assert found["a"].is_pinned() and found["b"][0].is_pinned() and found["b"][1:] == ["text", 3]
    assert type(found["c"]) is Pair and found["c"].left.is_pinned() and found["d"].x.is_pinned()
    assert type(found["e"]) is collections.OrderedDict and found["e"]["x"].is_pinned() and found["f"][0].is_pinned()
    assert not batch["a"].is_pinned() and not batch["e"]["x"].is_pinned()


def test_values_survive_the_way_there_and_back(gpu):
    values = np.random.default_rng(0).standard_normal(1000)
    x = torch.tensor(values, pin_memory=True)
    assert np.array_equal(x.to("cuda", non_blocking=True).to("cpu", non_blocking=True).numpy(), values)


def test_a_pinned_tensor_is_written_while_the_host_goes_on(gpu, monkeypatch):
    x, waits = torch.arange(5.0).cuda(), []
    wait = gpu.synchronize_stream
    monkeypatch.setattr(gpu, "synchronize_stream", lambda *a: (waits.append(a), wait(*a))[1])
    for target in (torch.empty(5), torch.empty(5, dtype=torch.float64), torch.empty(2, 5), torch.empty(5, 1)):
        target = target.pin_memory()
        before = target._version
        given = x[:, None] if target.shape[-1] == 1 else x
        assert target.copy_(given, non_blocking=True) is target and target._version == before + 1
        assert not waits and torch.equal(target, given.cpu().to(target.dtype).expand(target.shape))
        waits.clear()
    target = torch.empty(5).pin_memory()
    target.copy_(x)
    assert len(waits) == 1
    waits.clear()
    torch.empty(10).pin_memory()[::2].copy_(x, non_blocking=True)  # has gaps
    torch.empty(5).copy_(x, non_blocking=True)
    assert len(waits) == 2
    leaf = x.clone().requires_grad_()
    recorded = torch.empty(5).pin_memory().copy_(leaf, non_blocking=True)
    recorded.sum().backward()
    assert leaf.grad.tolist() == [1] * 5
