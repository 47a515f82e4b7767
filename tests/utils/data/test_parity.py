"""The same program over numbatorch and PyTorch: order of samples, seeds of workers, collation, errors."""

import collections
import random

import numpy as np
import pytest

import numbatorch as nt
import numbatorch.utils.data  # noqa: F401

torch = pytest.importorskip("torch")

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:This DataLoader will create"),
]
Point = collections.namedtuple("Point", "x y")


def both(program):
    """What a program(library, its data package) gives in the two libraries."""
    results = []
    for library in (nt, torch):
        library.manual_seed(8)
        random.seed(1)
        np.random.seed(1)
        results.append(program(library, library.utils.data))
    return results


def plain(value):
    if hasattr(value, "tolist"):
        return str(value.dtype).rpartition(".")[2], value.tolist()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [plain(v) for v in value]
    return value


def datasets(library, data):
    class Draws(data.Dataset):
        def __len__(self):
            return 10

        def __getitem__(self, index):
            worker = data.get_worker_info()
            where = (worker.id, worker.num_workers, worker.seed) if worker else ()
            own = library.rand(2).tolist() if worker else 0  # PyTorch sends floats of its own
            return index, own, random.random(), float(np.random.rand()), where

    class Stream(data.IterableDataset):
        def __iter__(self):
            worker = data.get_worker_info()
            start, step = (worker.id, worker.num_workers) if worker else (0, 1)
            yield from range(start, 13, step)

    return Draws(), Stream()


@pytest.mark.parametrize("options", [
    {},
    {"shuffle": True},
    {"shuffle": True, "generator": True},
    {"shuffle": True, "num_workers": 2},
    {"shuffle": True, "num_workers": 2, "generator": True},
    {"shuffle": True, "num_workers": 2, "persistent_workers": True},
    {"num_workers": 3, "prefetch_factor": 1},
], ids=str)
def test_samples_and_random_numbers_of_workers(options):
    def program(library, data):
        own = dict(options)
        if own.get("generator"):
            own["generator"] = library.Generator().manual_seed(5)
        loader = data.DataLoader(datasets(library, data)[0], batch_size=3, collate_fn=list, **own)
        return [list(loader), list(loader), library.rand(2).tolist()]

    ours, theirs = both(program)
    assert ours == theirs


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("drop_last", [False, True])
def test_streams(workers, drop_last):
    def program(library, data):
        loader = data.DataLoader(datasets(library, data)[1], batch_size=2, num_workers=workers, drop_last=drop_last)
        return sorted(b.tolist() for b in loader)

    ours, theirs = both(program)
    assert ours == theirs


SAMPLERS = {
    "random": lambda n, d: d.RandomSampler(range(7), num_samples=17),
    "replacement": lambda n, d: d.RandomSampler(range(7), replacement=True, num_samples=70),
    "own generator": lambda n, d: d.RandomSampler(range(7), generator=n.Generator().manual_seed(2)),
    "subset": lambda n, d: d.SubsetRandomSampler([3, 5, 9, 1]),
    "weighted": lambda n, d: d.WeightedRandomSampler([0.1, 5.0, 2.0, 0.7], 30),
    "weighted once": lambda n, d: d.WeightedRandomSampler([0.1, 5.0, 2.0, 0.7], 4, replacement=False),
    "batch": lambda n, d: d.BatchSampler(d.RandomSampler(range(7)), 3, False),
    "nested": lambda n, d: d.BatchSampler(d.BatchSampler(range(7), 2, True), 2, False),
    **{f"distributed {rank} {shuffle} {drop_last}": (lambda n, d, options=dict(
        rank=rank, shuffle=shuffle, drop_last=drop_last): d.DistributedSampler(range(11), 3, seed=9, **options))
       for rank in (0, 2) for shuffle in (True, False) for drop_last in (True, False)},
    "distributed few": lambda n, d: d.DistributedSampler(range(2), num_replicas=5, rank=3),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers(name):
    def program(library, data):
        sampler = SAMPLERS[name](library, data)
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(3)
        return list(sampler), list(sampler), len(sampler)

    ours, theirs = both(program)
    assert ours == theirs


@pytest.mark.parametrize("lengths", [[3, 7], [0.3, 0.7], [0.33, 0.33, 0.34], [0.5, 0.25, 0.25], [10, 0]])
def test_random_split(lengths):
    ours, theirs = both(lambda n, d: [list(p) for p in d.random_split(range(10), lengths)])
    assert ours == theirs


COLLATED = {
    "floats": lambda n: [1.5, 2.5],
    "ints": lambda n: [1, 2],
    "bools": lambda n: [True, False],
    "text": lambda n: ["a", b"b"],
    "arrays": lambda n: [np.arange(3), np.ones(3, dtype=np.int64)],
    "scalars": lambda n: [np.float32(1), np.float32(2)],
    "zero-dimensional": lambda n: [np.array(1.5), np.array(2.5)],
    "numpy bools": lambda n: [np.bool_(True), np.bool_(False)],
    "dicts": lambda n: [{"a": 1, "b": {"c": 2.0}}, {"a": 3, "b": {"c": 4.0}}],
    "ordered dicts": lambda n: [collections.OrderedDict(a=1), collections.OrderedDict(a=2)],
    "tuples": lambda n: [(1, n.ones(2)), (2, n.zeros(2))],
    "lists": lambda n: [[1, "x"], [2, "y"]],
    "text in tuples": lambda n: [(1, "x"), (2, "y")],
    "text in dicts": lambda n: [{"a": "x"}, {"a": "y"}],
    "named tuples": lambda n: [Point(1, 2.0), Point(3, 4.0)],
    "tensors": lambda n: [n.ones(2, dtype=n.int16), n.zeros(2, dtype=n.int16)],
    "unequal": lambda n: [[1, 2], [1]],
    "objects": lambda n: [object(), object()],
    "strings in arrays": lambda n: [np.array(["a"]), np.array(["b"])],
    "nothing": lambda n: [None, None],
    "empty": lambda n: [],
    "sets": lambda n: [{1}, {2}],
    "ranges": lambda n: [range(2), range(3, 5)],
}


@pytest.mark.parametrize("function", ["default_collate", "default_convert"])
@pytest.mark.parametrize("name", COLLATED)
def test_collation(name, function):
    def program(library, data):
        try:
            made = getattr(data, function)(COLLATED[name](library))
        except Exception as error:
            return type(error).__name__
        return "unspeakable" if name == "objects" else (type(made).__name__, plain(made))

    ours, theirs = both(program)
    assert ours == theirs


def test_collation_of_types_that_a_program_adds():
    def program(library, data):
        from importlib import import_module
        module = import_module(f"{library.__name__}.utils.data._utils.collate")
        functions = {complex: lambda batch, *, collate_fn_map=None: sum(batch), **module.default_collate_fn_map}
        return plain(module.collate([(1j, 2), (3j, 4)], collate_fn_map=functions))

    ours, theirs = both(program)
    assert ours == theirs


REFUSED = {
    "workers": lambda d: d.DataLoader([1], num_workers=-1),
    "timeout": lambda d: d.DataLoader([1], timeout=-1),
    "prefetch": lambda d: d.DataLoader([1], prefetch_factor=2),
    "persistent": lambda d: d.DataLoader([1], persistent_workers=True),
    "shuffle and sampler": lambda d: d.DataLoader([1], shuffle=True, sampler=[0]),
    "batch sampler": lambda d: d.DataLoader([1], batch_sampler=[[0]], batch_size=2),
    "no batches to drop": lambda d: d.DataLoader([1], batch_size=None, drop_last=True),
    "batch size": lambda d: d.DataLoader([1], batch_size=0),
    "context": lambda d: d.DataLoader([1], multiprocessing_context="spawn"),
    "no such context": lambda d: d.DataLoader([1], num_workers=1, multiprocessing_context="nothing"),
    "odd context": lambda d: d.DataLoader([1], num_workers=1, multiprocessing_context=3),
    "batch size changed": lambda d: setattr(d.DataLoader([1]), "batch_size", 2),
    "rank": lambda d: d.DistributedSampler([1], num_replicas=2, rank=2),
    "replacement": lambda d: d.RandomSampler([1], replacement=3),
    "samples": lambda d: d.RandomSampler([1], num_samples=-1),
    "weights": lambda d: d.WeightedRandomSampler([[1.0]], 1),
    "no weights drawn": lambda d: d.WeightedRandomSampler([1.0], 0),
    "batches": lambda d: d.BatchSampler([1], -1, False),
    "drop": lambda d: d.BatchSampler([1], 1, 3),
    "split": lambda d: d.random_split([1, 2], [1, 2]),
    "shares": lambda d: d.random_split([1, 2], [1.5, -0.5]),
    "nothing to join": lambda d: d.ConcatDataset([]),
    "outside": lambda d: d.ConcatDataset([[1, 2]])[-3],
    "unequal": lambda d: d.StackDataset([1], [1, 2]),
    "mixed": lambda d: d.StackDataset([1], a=[1]),
    "stream joined": lambda d: d.ConcatDataset([d.IterableDataset()]),
    "no getitem": lambda d: d.Dataset()[0],
    "taken": lambda d: [d.functional_datapipe("our_step")(type("A", (d.IterDataPipe,), {})) for _ in range(2)],
}


@pytest.mark.parametrize("name", REFUSED)
def test_errors_have_the_same_types(name):
    def program(library, data):
        with pytest.raises(Exception) as caught:
            REFUSED[name](data)
        return caught.type.__name__

    ours, theirs = both(program)
    assert ours == theirs
