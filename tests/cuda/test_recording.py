"""Graphs: what a recording forbids, random numbers that are new at every replay, memory of graphs that are deleted."""

import threading

import pytest

import numbatorch as torch
from numbatorch.cuda import CudaError, runtime
from numbatorch.cuda.emulator.device import Emulator
from numbatorch.cuda.memory_pool import Pool
from numbatorch.cuda.philox import PhiloxState


def test_random_numbers_are_new_at_every_replay(gpu):
    def draw():
        return torch.rand(10, device="cuda"), torch.randn(7, device="cuda"), torch.rand(10, device="cuda")
    torch.cuda.manual_seed(3)
    expected = [[t.tolist() for t in draw()] for _ in range(3)]
    torch.cuda.manual_seed(3)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        drawn = draw()
    found = []
    for _ in range(2):
        graph.replay()
        found.append([t.tolist() for t in drawn])
    assert found == expected[:2] and [t.tolist() for t in draw()] == expected[2]
    torch.cuda.manual_seed(3)
    graph.replay()
    assert [t.tolist() for t in drawn] == expected[0]


def test_generators_of_their_own_are_noticed(gpu):
    generator = torch.Generator("cuda").manual_seed(5)
    first = torch.rand(4, device="cuda", generator=generator).tolist()
    generator.manual_seed(5)
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        drawn = torch.rand(4, device="cuda", generator=generator)
    graph.replay()
    assert drawn.tolist() == first and generator.get_offset() == 4


def test_dropout_in_a_graph(gpu):
    x, graph = torch.ones(200, device="cuda"), torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = torch.nn.functional.dropout(x, 0.5)
    graph.replay()
    first = y.tolist()
    graph.replay()
    assert y.tolist() != first


def test_what_the_host_would_wait_for_is_refused_while_recording(gpu):
    x, graph = torch.ones(4, device="cuda"), torch.cuda.CUDAGraph()
    with pytest.raises(CudaError, match=r"when stream is capturing\); .*call item\(\)"), torch.cuda.graph(graph):
        x.sum().item()
    assert runtime.thread.recording is None and Pool.recordings == 0
    assert float(x.sum()) == 4


def test_memory_of_other_streams_is_left_alone_while_recording(gpu):
    other = torch.cuda.Stream()
    x, keep = torch.ones(1000, device="cuda"), torch.ones(3, device="cuda")
    x.record_stream(other)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        del x  # an event may neither be recorded nor asked for now
        y = keep * 2
        torch.cuda.empty_cache()
    graph.replay()
    assert y.tolist() == [2, 2, 2]
    before = torch.cuda.memory_allocated()
    del y, graph
    assert torch.cuda.memory_allocated() < before


def test_streams_that_are_gone_are_not_asked(gpu):
    other = torch.cuda.Stream()
    x = torch.ones(1000, device="cuda")
    x.record_stream(other)
    del other
    del x
    torch.cuda.empty_cache()
    assert torch.ones(3, device="cuda").sum() == 3


class Pooled(Emulator):
    """The emulator with memory that is kept, and a list of what events were recorded on."""

    exact = False

    def __init__(self):
        super().__init__(1 << 24)
        self.recorded = []

    def record_event(self, index, event, stream):
        self.recorded.append(stream)


def test_memory_of_a_deleted_graph_waits_for_the_streams_of_its_replays():
    driver = Pooled()
    with runtime.using(driver):
        graph = torch.cuda.CUDAGraph()
        pool = Pool(driver, 0, runtime.thread)
        stream = torch.cuda.Stream()
        with stream:
            graph._pool = pool
            driver.begin_capture(0, stream.cuda_stream, 0)
            pool.keep_into(graph._blocks)
            del_block = pool.allocate(100)
            pool.keep_into(None)
            graph._graph = driver.end_capture(0, stream.cuda_stream)
        del del_block
        graph.replay()
        graph.replay()
        assert graph._blocks[0].streams == (0,)
        del graph
        pool.settle()
        assert driver.recorded == [0]


def test_threads_draw_different_groups():
    state, found = PhiloxState(1), []

    def draw():
        for _ in range(2000):
            found.append(state.take(3))
    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(0, 3 * 8000, 3)) and state.group == 24000
    state.restart(9)
    assert (state.initial_seed, state.group) == (9, 0)


def test_asking_for_a_device_does_not_use_one():
    with runtime.using(Emulator(1 << 20)):
        assert torch.cuda.is_available() and torch.cuda.device_count() == 1 and not torch.cuda.is_initialized()
        torch.cuda.init()
        assert torch.cuda.is_initialized()
