"""Datasets, samplers and collation."""

import collections

import numpy as np
import pytest

import numbatorch as nt
from numbatorch.utils import data

Point = collections.namedtuple("Point", "x y")


def table(rows=20):
    return data.TensorDataset(nt.arange(rows * 2).view(rows, 2), nt.arange(rows))


class Stream(data.IterableDataset):
    def __init__(self, stop):
        self.stop = stop

    def __iter__(self):
        return iter(range(self.stop))


def test_tensor_dataset():
    x, y = table()[3]
    assert x.tolist() == [6, 7] and y.item() == 3 and len(table()) == 20
    with pytest.raises(AssertionError, match="Size mismatch"):
        data.TensorDataset(nt.zeros(3), nt.zeros(4))


def test_concat_finds_the_dataset_of_an_index():
    joined = data.ConcatDataset([range(3), range(10, 12)])
    assert [joined[i] for i in range(5)] == [0, 1, 2, 10, 11] and joined[-1] == 11 and len(joined) == 5
    assert isinstance(table() + table(), data.ConcatDataset)
    with pytest.raises(ValueError, match="exceed dataset length"):
        joined[-6]


def test_stack_makes_tuples_or_dicts():
    assert data.StackDataset(range(3), range(10, 13))[1] == (1, 11)
    named = data.StackDataset(a=range(3), b=data.Subset(range(10), [5, 6, 7]))
    assert named[1] == {"a": 1, "b": 6}
    assert named.__getitems__([0, 2]) == [{"a": 0, "b": 5}, {"a": 2, "b": 7}]
    with pytest.raises(ValueError, match="Size mismatch"):
        data.StackDataset(range(3), range(4))


def test_chain_of_streams():
    assert list(Stream(2) + Stream(3)) == [0, 1, 0, 1, 2]


def test_random_split_by_size_and_by_share():
    parts = data.random_split(range(10), [7, 3], generator=nt.Generator().manual_seed(1))
    assert [len(p) for p in parts] == [7, 3]
    assert sorted(x for p in parts for x in p) == list(range(10))
    assert [len(p) for p in data.random_split(range(11), [0.5, 0.25, 0.25])] == [6, 3, 2]
    with pytest.raises(ValueError, match="Sum of input lengths"):
        data.random_split(range(10), [7, 4])
    with pytest.raises(ValueError, match="not between 0 and 1"):
        data.random_split(range(10), [1.5, -0.5])


def test_random_sampler_covers_every_index_and_repeats_with_its_seed():
    def draw(**options):
        nt.manual_seed(3)
        return list(data.RandomSampler(range(10), **options))

    assert sorted(draw()) == list(range(10)) and draw() == draw()
    assert len(draw(num_samples=25)) == 25 and sorted(draw(num_samples=25)[:10]) == list(range(10))
    drawn = draw(replacement=True, num_samples=70)
    assert len(drawn) == 70 and set(drawn) <= set(range(10))


SAMPLERS = {
    "random": lambda d: d.RandomSampler(range(7), num_samples=17),
    "replacement": lambda d: d.RandomSampler(range(7), replacement=True, num_samples=70),
    "subset": lambda d: d.SubsetRandomSampler([3, 5, 9, 1]),
    "batch": lambda d: d.BatchSampler(d.RandomSampler(range(7)), 3, False),
    "loader": lambda d: d.DataLoader(range(20), batch_size=None, shuffle=True),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_order_after_a_seed_is_torchs(name):
    torch = pytest.importorskip("torch")
    orders = []
    for library, package in ((torch, torch.utils.data), (nt, data)):
        library.manual_seed(4)
        sampler = SAMPLERS[name](package)
        orders.append([list(sampler), list(sampler)])
    assert orders[0] == orders[1]


def test_weighted_sampler_follows_the_weights():
    sampler = data.WeightedRandomSampler([0.0, 1.0, 0.0], 20)
    assert list(sampler) == [1] * 20
    with pytest.raises(ValueError, match="1d"):
        data.WeightedRandomSampler([[1.0]], 2)


def test_batch_sampler():
    assert list(data.BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(data.BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="batch_size"):
        data.BatchSampler(range(5), 0, False)


def test_collate_descends_into_containers():
    sample = {"t": nt.ones(2), "n": np.arange(3), "f": 0.5, "i": 3, "s": "a"}
    sample |= {"p": Point(1, np.float32(2)), "l": [1, (2,)]}
    batch = data.default_collate([sample, sample])
    assert batch["t"].shape == (2, 2) and batch["n"].tolist() == [[0, 1, 2]] * 2
    assert batch["f"].dtype == nt.float64 and batch["i"].dtype == nt.int64 and batch["s"] == ["a", "a"]
    assert isinstance(batch["p"], Point) and batch["p"].y.dtype == nt.float32
    assert batch["l"][0].tolist() == [1, 1] and batch["l"][1][0].tolist() == [2, 2]
    assert data.default_collate([True, False]).dtype == nt.bool


def test_collate_names_what_it_cannot_stack():
    with pytest.raises(RuntimeError, match="equal size"):
        data.default_collate([[1, 2], [1]])
    with pytest.raises(TypeError, match="must contain tensors"):
        data.default_collate([object()])


def test_convert_leaves_python_values_alone():
    converted = data.default_convert({"a": np.ones(2), "b": (1, "x"), "c": 3})
    assert isinstance(converted["a"], nt.Tensor) and converted["b"] == [1, "x"] and converted["c"] == 3
