"""Stages that do not depend on each other share regions of the thread pool: the same bits, and the same order where it
matters."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.compiler import together
from numbatorch.compiler.together import Stage
from numbatorch.cpu import stages
from numbatorch.cpu.program import Builder, _table

nn, F = torch.nn, torch.nn.functional


@pytest.fixture
def threads(monkeypatch):
    """Sets how many there are; what can be one region is, however small."""
    for name in ("ALONE", "BESIDE", "TINY", "OPENING", "LEAST"):
        monkeypatch.setattr(together, name, 0.0)
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def stage(number, *touched, chunks=1, seconds=1e-5):
    """touched: (start, end, whether written) of one memory."""
    return Stage(number, chunks, seconds, [(0, *part) for part in touched])


def numbers(regions):
    return [[s and s.number for s in part] for part in regions]


def test_stages_stay_behind_what_they_depend_on():
    first = stage(0, (0, 8, True))
    reads, beside = stage(1, (4, 12, False), (16, 24, True)), stage(2, (24, 32, True))
    after = stage(3, (0, 1, True))  # writes what 1 does not read, but 0 wrote
    last = stage(4, (20, 28, False))
    assert numbers(together.regions([first, reads, beside, after, last])) == [[0, 2], [1, 3], [4]]
    other = Stage(5, 1, 1e-5, [(1, 0, 8, True)])  # in another memory
    assert numbers(together.regions([first, other, None, stage(6, (100, 101, True))])) == [[0, 5], [None], [6]]


def test_those_of_many_chunks_have_regions_of_their_own():
    wide, small, wide2 = stage(0, (0, 8, True), chunks=8), stage(1, (8, 9, True)), stage(2, (9, 17, True), chunks=3)
    assert numbers(together.regions([wide, small, wide2])) == [[0, 1], [2]]
    assert numbers(together.regions([small, wide2, wide])) == [[1, 2], [0]]


def test_a_stage_passes_few_regions():
    chain = [stage(k, (k, k + 2, True)) for k in range(20)]
    found = numbers(together.regions([*chain, stage(20, (100, 101, True))]))
    assert found[-together.LOOK_BACK] == [20 - together.LOOK_BACK, 20] and len(found) == 20


def test_one_region_where_it_gains():
    a, b, tiny = stage(0, seconds=1e-5), stage(1, seconds=8e-6), stage(2, seconds=1e-8)
    own, gain = together.joined([a, tiny, b], 2)
    assert own == [a, b] and gain == pytest.approx(8e-6 - together.ALONE)
    assert together.joined([a, tiny], 2) == ([], 0.0)
    assert together.joined([a, stage(3, seconds=0.9 * together.ALONE)], 2) == ([], 0.0)
    wide = stage(4, chunks=5, seconds=2e-5)
    assert together.joined([wide, a], 2)[1] == pytest.approx(5e-6 - together.BESIDE)


def test_the_pool_is_not_opened_for_little():
    one, two = stage(0, (0, 1, True), seconds=8e-6), stage(1, (1, 2, True), seconds=8e-6)
    assert together.planned([one, two], 2) is None
    long = stage(2, (2, 3, True), chunks=4, seconds=1e-6)
    assert together.planned([one, two, None, long], 2) is not None
    assert together.planned([stage(0, (0, 1, True), seconds=4e-5), stage(1, (1, 2, True), seconds=4e-5)], 2)


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_each_thread_has_its_part_of_each_stage(threads):
    own = [stage(0, chunks=4, seconds=4e-5), stage(1, chunks=7, seconds=7e-5), stage(2), stage(3), stage(4)]
    found = together.order(own, threads)
    assert sorted((s.number, k) for s, k in found) == sorted((s.number, k) for s in own for k in range(s.chunks))
    mine = found[:len(found) // threads]
    assert (own[0], 0) in mine and (own[1], 0) in mine and (own[0], 3) not in mine


def test_chunks_of_a_stage_without_a_grain_are_its_units():
    source, target = np.arange(4, dtype=np.uint8), np.zeros(4, np.uint8)
    builder = Builder(0)
    builder.kernel(stages.copy(), [target.ctypes.data], source.ctypes.data, 4, 0)
    own = builder.stages.pop()
    builder.together([(own, k) for k in range(4)])
    assert [builder.blocks[-1][k:k + 2] for k in range(2, 16, 4)] == [[k, k + 1] for k in range(4)]
    assert builder.finish().run() == -1 and target.tolist() == [0, 1, 2, 3]


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(96, 128), nn.LayerNorm(128), nn.ReLU(), nn.Linear(128, 128), nn.Tanh(),
                         nn.Dropout(0.2), nn.Linear(128, 128), nn.GELU(), nn.Linear(128, 10))


def trained(optimizer, steps=10):
    """(what some compiled steps leave, chunks of the regions of several stages)."""
    model = network()
    own = optimizer(model.parameters(), lr=0.01)
    x, y = torch.randn(64, 96), torch.randint(10, (64,))

    @torch.compile
    def step():
        own.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        own.step()
        return loss.detach()
    losses = [step() for _ in range(steps)]
    assert step.programs and step.programs[0].runs >= 4, step.explain()
    runner = step.programs[0].runner
    found = [units for _, function, _, units, _ in runner._builder.stages if function == _table()]
    assert len(runner._where) >= len(runner._builder.stages)
    return [t.detach().numpy().copy() for t in (*losses, *model.parameters(), *(p.grad for p in model.parameters()))], (
        found)


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.RMSprop])
def test_bits_do_not_depend_on_threads(optimizer, threads):
    threads(1)
    alone, regions = trained(optimizer)
    assert not regions
    for count in (2, 4):
        threads(count)
        found, regions = trained(optimizer)
        assert regions and max(regions) > 1
        for a, b in zip(alone, found, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_program_runs_with_other_numbers_of_threads_than_it_was_made_for(threads):
    def same(x, y):
        return [x @ y, x.T @ x, y @ y.T, x.exp().sum(0), y.tanh().sum(1)]
    x, y = torch.randn(128, 128), torch.randn(128, 128)
    expected = [t.numpy() for t in same(x, y)]
    threads(2)
    run = torch.compile(same)
    for count in (2, 2, 2, 2, 1, 4, 2):
        threads(count)
        for a, b in zip(expected, run(x, y), strict=True):
            np.testing.assert_array_equal(a, b.numpy())
    assert any(stage[1] == _table() for stage in run.programs[0].runner._builder.stages), run.graph


def test_what_is_refused_changes_nothing(threads):
    threads(2)
    model = network()
    own, x = torch.optim.SGD(model.parameters(), lr=0.01), torch.randn(64, 96)

    @torch.compile
    def step(y):
        own.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        own.step()
        return loss.detach()
    y = torch.randint(10, (64,))
    for _ in range(6):
        step(y)
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(IndexError):
        step(y + 10)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_debugging_tells_of_regions(threads, monkeypatch, capfd):
    threads(2)
    monkeypatch.setenv("NUMBATORCH_DEBUG", "fuse")
    trained(torch.optim.SGD)
    assert "one region: mm + mm" in capfd.readouterr().err
