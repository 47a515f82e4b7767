"""Going on in the middle of an epoch: the batches, the random numbers of workers and the training are those that an
uninterrupted run has, bit by bit."""

import random

import numpy as np
import pytest

import numbatorch as nt
from numbatorch.utils import data

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:This DataLoader will create")


class Noisy(data.Dataset):
    """Samples with noise from every generator."""

    def __len__(self):
        return 11

    def __getitem__(self, index):
        return index + nt.rand(1).item() / 4 + random.random() / 4 + float(np.random.rand()) / 4


class Counting(data.IterableDataset):
    """Each worker's share of 0, ..., 16, in an order of its own."""

    def __iter__(self):
        worker = data.get_worker_info()
        start, step = (worker.id, worker.num_workers) if worker else (0, 1)
        numbers = list(range(start, 17, step))
        return iter([numbers[i] for i in nt.randperm(len(numbers)).tolist()])


class Bookmarked(data.IterableDataset):
    """A stream that knows where it is."""

    def __init__(self):
        self.at, self.started = 0, 0

    def __iter__(self):
        self.started += 1
        while self.at < 9:
            self.at += 1
            yield self.at * 10
        self.at = 0

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]


LOADERS = {
    "in order": dict(batch_size=2),
    "shuffled": dict(batch_size=2, shuffle=True),
    "single": dict(batch_size=None, shuffle=True),
    "own generator": dict(batch_size=3, shuffle=True, generator=11),
    "workers": dict(batch_size=2, shuffle=True, num_workers=2),
    "workers, own generator": dict(batch_size=2, shuffle=True, num_workers=2, generator=11),
    "persistent": dict(batch_size=2, shuffle=True, num_workers=2, persistent_workers=True),
    "replacement": dict(batch_size=5, sampler=lambda d: data.RandomSampler(d, True, 40, nt.Generator().manual_seed(3))),
    "weighted": dict(batch_size=2, num_workers=2, sampler=lambda d: data.WeightedRandomSampler([1.0] * 11, 11)),
    "stream": dict(batch_size=3, dataset=Counting),
    "stream, workers": dict(batch_size=2, dataset=Counting, num_workers=2),
    "stream, persistent": dict(batch_size=2, dataset=Counting, num_workers=2, persistent_workers=True),
    "stream, three workers": dict(batch_size=4, dataset=Counting, num_workers=3),
}


def make(dataset=Noisy, sampler=None, generator=None, **options):
    source = dataset()
    if generator is not None:
        options["generator"] = nt.Generator().manual_seed(generator)
    return data.DataLoader(source, sampler=sampler and sampler(source), **options)


def seed_all(seed):
    nt.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


def values(batch):
    return batch.tolist() if isinstance(batch, nt.Tensor) else batch


def take(iterator, count):
    """So many batches, with a random number of the training after each."""
    return [(values(next(iterator)), nt.rand(1).item()) for _ in range(count)]


def states():
    return nt.get_rng_state(), random.getstate(), np.random.get_state()


def set_states(found):
    nt.set_rng_state(found[0])
    random.setstate(found[1])
    np.random.set_state(found[2])


def epochs(loader, count):
    return [[(values(batch), nt.rand(1).item()) for batch in loader] for _ in range(count)]


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("after, done", [
    (0, 1), pytest.param(0, 0, marks=pytest.mark.slow), pytest.param(0, 4, marks=pytest.mark.slow), (1, 2),
    pytest.param(2, 0, marks=pytest.mark.slow)])
def test_an_interrupted_run_goes_on_as_if_nothing_had_been(name, after, done, tmp_path):
    options = LOADERS[name]
    seed_all(5)
    uninterrupted = epochs(make(**options), after + 2)
    seed_all(5)
    first = make(**options)
    begun = epochs(first, after)
    beginning = []
    if done:
        iterator = iter(first)
        beginning = take(iterator, done)
        del iterator
    nt.save(first.state_dict(), tmp_path / "loader.pt")
    global_states = states()
    del first

    seed_all(99)
    nt.rand(3)
    second = make(**options)
    second.load_state_dict(nt.load(tmp_path / "loader.pt"))
    set_states(global_states)
    rest = epochs(second, 2)
    assert begun == uninterrupted[:after]
    assert [beginning + rest[0], *rest[1:]] == uninterrupted[after:]


def test_state_of_a_resumed_loader_is_that_of_an_uninterrupted_one():
    seed_all(1)
    first = make(batch_size=2, shuffle=True, num_workers=2)
    take(iter(first), 2)
    second = make(batch_size=2, shuffle=True, num_workers=2)
    second.load_state_dict(first.state_dict())
    assert second.state_dict()["batches"] == 2  # not begun yet: where it will go on
    iterator = iter(second)
    assert second.state_dict()["batches"] == 2
    next(iterator)
    third = make(batch_size=2, shuffle=True, num_workers=2)
    third.load_state_dict(second.state_dict())
    assert [values(b) for b in third] == [values(b) for b in iterator]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stream_that_knows_where_it_is_is_not_run_through_again(workers):
    def loader():
        return data.DataLoader(Bookmarked(), batch_size=2, num_workers=workers)

    whole = [values(b) for b in loader()]
    first = loader()
    iterator = iter(first)
    head = [values(next(iterator)) for _ in range(2)]
    second = loader()
    second.load_state_dict(first.state_dict())
    assert head + [values(b) for b in second] == whole == [[10, 20], [30, 40], [50, 60], [70, 80], [90]]


def test_state_outlives_workers_that_are_killed():
    seed_all(2)
    whole = [values(b) for b in make(batch_size=2, num_workers=2)]
    seed_all(2)
    loader = make(batch_size=2, num_workers=2)
    iterator = iter(loader)
    head = [values(next(iterator)) for _ in range(2)]
    for process in iterator._pool.processes:
        process.kill()
        process.join()
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        while True:
            head.append(values(next(iterator)))
    second = make(batch_size=2, num_workers=2)
    second.load_state_dict(loader.state_dict())
    assert head + [values(b) for b in second] == whole


@pytest.mark.parametrize("workers", [0, 2])
def test_training_goes_on_bit_by_bit(workers):
    def program():
        model = nt.nn.Sequential(nt.nn.Linear(1, 8), nt.nn.Dropout(0.5), nt.nn.Linear(8, 1))
        return model, nt.optim.Adam(model.parameters(), lr=0.01), make(batch_size=2, shuffle=True, num_workers=workers)

    def step(model, optimizer, batch):
        optimizer.zero_grad()
        x = batch.float().view(-1, 1)
        ((model(x) - x.sin()) ** 2).mean().backward()
        optimizer.step()

    def train(program, epochs):
        for _ in range(epochs):
            for batch in program[2]:
                step(*program[:2], batch)
        return [p.tolist() for p in program[0].parameters()]

    seed_all(3)
    uninterrupted = train(program(), 3)
    seed_all(3)
    model, optimizer, loader = program()
    train((model, optimizer, loader), 1)
    for number, batch in enumerate(loader):
        step(model, optimizer, batch)
        if number == 2:
            break
    saved = model.state_dict(), optimizer.state_dict(), loader.state_dict(), states()
    seed_all(77)
    model, optimizer, loader = program()
    for part, state in zip((model, optimizer, loader), saved, strict=False):
        part.load_state_dict(state)
    set_states(saved[3])
    assert train((model, optimizer, loader), 2) == uninterrupted


def test_distributed_samplers_remember_their_epoch():
    def loader():
        sampler = data.DistributedSampler(range(20), num_replicas=2, rank=1, seed=4)
        return data.DataLoader(range(20), batch_size=3, sampler=sampler)

    first = loader()
    first.sampler.set_epoch(5)
    whole = [values(b) for b in first]
    iterator = iter(first)
    next(iterator)
    second = loader()
    second.load_state_dict(first.state_dict())
    assert [values(b) for b in second] == whole[1:] and second.sampler.epoch == 5


def test_states_that_do_not_fit():
    first = make(batch_size=2, num_workers=2)
    next(iter(first))
    with pytest.raises(ValueError, match="2 workers"):
        make(batch_size=2).load_state_dict(first.state_dict())
    with pytest.raises(ValueError, match="generators"):
        make(batch_size=2, num_workers=2, generator=1).load_state_dict(first.state_dict())
    with pytest.raises(ValueError, match="expected what"):
        make().load_state_dict({"batches": 1})
    unordered = data.DataLoader(Noisy(), num_workers=2, in_order=False)
    next(iter(unordered))
    with pytest.raises(NotImplementedError, match="in_order"):
        unordered.state_dict()


def test_randomness_is_told_as_it_is():
    from numbatorch.utils.data.progress import randomness, restore_randomness
    for draw in (np.random.rand, np.random.randn, np.random.randn, random.random, lambda: nt.rand(1).item()):
        before = randomness()
        assert before == randomness()
        drawn = draw()
        after = randomness()
        assert before != after
        restore_randomness(before)
        assert randomness() == before and draw() == drawn and randomness() == after
