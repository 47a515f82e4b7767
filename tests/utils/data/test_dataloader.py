"""DataLoader, in this process and with workers."""

import gc
import os
import random
import signal
import time

import numpy as np
import pytest

import numbatorch as nt
from numbatorch.utils import data

# Workers are forked from a process that pytest made multi-threaded; newer Pythons warn about that.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:This DataLoader will create")


class Squares(data.Dataset):
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return nt.full((3,), float(index)), index * index


class Shares(data.IterableDataset):
    """Each worker gives its share of 0, 1, ..., 10."""

    def __iter__(self):
        worker = data.get_worker_info()
        start, step = (worker.id, worker.num_workers) if worker else (0, 1)
        return iter(range(start, 11, step))


class Draws(data.Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        worker = data.get_worker_info()
        return nt.rand(1).item(), random.random(), float(np.random.rand()), worker.seed if worker else 0


class Fails(data.Dataset):
    """Fails at index 3 in one of several ways."""

    def __init__(self, how):
        self.how = how

    def __len__(self):
        return 6

    def __getitem__(self, index):
        if index == 3:
            self.how()
        return index


def raise_key_error():
    raise KeyError("no such\nthing")


def raise_unusual():
    raise UnicodeDecodeError("utf8", b"x", 0, 1, "bad")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def doze():
    time.sleep(30)


def plain(batches):
    return [[x.tolist(), y.tolist()] for x, y in batches]


def table(rows=20):
    return data.TensorDataset(nt.arange(rows * 2).view(rows, 2), nt.arange(rows))


def test_batches_and_length():
    loader = data.DataLoader(Squares(7), batch_size=3)
    batches = list(loader)
    assert len(loader) == len(batches) == 3
    assert [tuple(x.shape) for x, _ in batches] == [(3, 3), (3, 3), (1, 3)]
    assert batches[1][1].tolist() == [9, 16, 25]
    assert len(list(data.DataLoader(Squares(7), batch_size=3, drop_last=True))) == 2
    assert [y for _, y in data.DataLoader(Squares(3), batch_size=None)] == [0, 1, 4]


def test_whole_batches_of_a_tensor_dataset_are_those_of_single_samples():
    class Single(data.TensorDataset):
        def __getitem__(self, index):
            return super().__getitem__(index)

    tensors = table().tensors
    for subset in (None, [3, 9, 1, 4, 4]):
        batches = []
        for kind in (data.TensorDataset, Single):
            dataset = kind(*tensors)
            dataset = dataset if subset is None else data.Subset(dataset, subset)
            nt.manual_seed(5)
            batches.append(plain(data.DataLoader(dataset, batch_size=3, shuffle=True)))
        assert batches[0] == batches[1]


@pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"batch_size": 4, "drop_last": True}])
def test_workers_give_the_same_batches_in_order(options):
    results = []
    for workers in (0, 2):
        nt.manual_seed(1)
        loader = data.DataLoader(Squares(13), num_workers=workers, **{"batch_size": 2, **options})
        results.append([plain(loader), plain(loader), nt.rand(1).item()])
    assert results[0] == results[1]


def test_persistent_workers_stay():
    loader = data.DataLoader(Squares(8), batch_size=2, num_workers=2, persistent_workers=True)
    first = plain(loader)
    ids = [p.pid for p in loader._iterator._pool.processes]
    next(iter(loader))  # an epoch left in the middle
    assert plain(loader) == first
    assert ids == [p.pid for p in loader._iterator._pool.processes]


def test_streams():
    assert [x.tolist() for x in data.DataLoader(Shares(), batch_size=4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    with_workers = [x.tolist() for x in data.DataLoader(Shares(), batch_size=2, num_workers=2)]
    assert with_workers == [[0, 2], [1, 3], [4, 6], [5, 7], [8, 10], [9]]


def test_large_batches_arrive_whole_and_writable():
    dataset = data.TensorDataset(nt.arange(400000.0).view(4, 100000))
    batches = list(data.DataLoader(dataset, batch_size=2, num_workers=1))
    assert nt.equal(nt.cat([b[0] for b in batches]), dataset.tensors[0])
    batches[0][0].add_(1)
    assert batches[0][0][0, 0].item() == 1.0


def test_workers_have_reproducible_seeds():
    runs = []
    for _ in range(2):
        nt.manual_seed(7)
        runs.append(list(data.DataLoader(Draws(), batch_size=None, num_workers=2)))
    assert runs[0] == runs[1]
    assert len({row[0] for row in runs[0]}) == 6 and len({row[3] for row in runs[0]}) == 2
    torch = pytest.importorskip("torch")
    torch.manual_seed(7)
    assert runs[0][0][3] == torch.empty((), dtype=torch.int64).random_().item()


def test_error_in_a_worker_is_raised_here_with_its_traceback():
    batches = iter(data.DataLoader(Fails(raise_key_error), batch_size=None, num_workers=2))
    assert [next(batches) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError) as caught:
        next(batches)
    text = str(caught.value)
    assert "in DataLoader worker process 1" in text and "raise_key_error" in text and "\n" in text
    assert list(batches) == [4, 5]
    with pytest.raises(RuntimeError, match="UnicodeDecodeError"):
        list(data.DataLoader(Fails(raise_unusual), num_workers=1))


def test_killed_worker_is_noticed():
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid \d+\) exited unexpectedly.*SIGKILL"):
        list(data.DataLoader(Fails(die), num_workers=2))


def test_timeout():
    with pytest.raises(RuntimeError, match="timed out after 0.2 seconds"):
        list(data.DataLoader(Fails(lambda: time.sleep(1)), num_workers=1, timeout=0.2))


def fail_to_start(worker):
    raise ValueError(f"worker {worker} does not want to")


def test_error_in_worker_init_fn():
    with pytest.raises(ValueError, match="does not want to"):
        list(data.DataLoader(Squares(3), num_workers=1, worker_init_fn=fail_to_start))


def return_lambda(samples):
    return (lambda: 1) if samples[0][1] == 4 else samples[0][1]


def test_batch_that_cannot_be_sent_names_the_worker():
    with pytest.raises(Exception, match="worker process 0 while its batch was packed"):
        list(data.DataLoader(Squares(4), num_workers=1, collate_fn=return_lambda))


def test_forgotten_iterator_ends_its_workers():
    batches = iter(data.DataLoader(Squares(1000), num_workers=2))
    next(batches)
    processes = batches._pool.processes
    del batches
    gc.collect()
    assert not any(p.is_alive() for p in processes)


def test_keyboard_interrupt_ends_the_workers(monkeypatch):
    batches = iter(data.DataLoader(Squares(1000), num_workers=2))
    processes = batches._pool.processes

    def interrupt(timeout):
        raise KeyboardInterrupt

    monkeypatch.setattr(batches._pool, "receive", interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(batches)
    assert not any(p.is_alive() for p in processes)


@pytest.mark.slow
def test_spawned_workers():
    loader = data.DataLoader(Squares(4), num_workers=1, multiprocessing_context="spawn")
    assert [y.item() for _, y in loader] == [0, 1, 4, 9]


@pytest.mark.parametrize(
    "options, error",
    [
        (dict(num_workers=-1), ValueError),
        (dict(timeout=-1), ValueError),
        (dict(prefetch_factor=3), ValueError),
        (dict(persistent_workers=True), ValueError),
        (dict(shuffle=True, sampler=[1]), ValueError),
        (dict(batch_sampler=[[1]], batch_size=3), ValueError),
        (dict(batch_size=None, drop_last=True), ValueError),
        (dict(batch_size=0), ValueError),
        (dict(multiprocessing_context="spawn"), ValueError),
        (dict(num_workers=1, multiprocessing_context="bogus"), ValueError),
    ],
)
def test_options_that_contradict_each_other(options, error):
    with pytest.raises(error):
        data.DataLoader(range(3), **options)


def test_stream_has_no_order_to_choose():
    with pytest.raises(ValueError, match="shuffle"):
        data.DataLoader(Shares(), shuffle=True)


def test_batch_size_is_fixed_after_construction():
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        data.DataLoader(range(3)).batch_size = 4


class Forks(data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        state = nt.get_rng_state()
        first = nt.rand(3)
        nt.set_rng_state(state)
        with nt.random.fork_rng():
            second = nt.rand(3)
        return nt.equal(first, second) and nt.equal(second, nt.rand(3))


@pytest.mark.parametrize("workers", [0, 2])
def test_states_of_generators_in_workers(workers):
    nt.manual_seed(4)
    assert list(data.DataLoader(Forks(), batch_size=None, num_workers=workers)) == [True] * 4


class Interrupted(data.Dataset):
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 2 and self.error is not None:
            raise self.error
        return index


def test_a_batch_that_was_interrupted_is_made_again_and_one_that_failed_is_not():
    for error, left in ((KeyboardInterrupt(), [2, 3]), (ValueError("no"), [3])):
        loader = data.DataLoader(Interrupted(error), batch_size=None)
        with pytest.raises(type(error)):
            list(loader)
        again = data.DataLoader(Interrupted(None), batch_size=None)
        again.load_state_dict(loader.state_dict())
        assert list(again) == left


def test_layouts_and_kinds_of_tensors_survive_the_way_from_a_worker():
    samples = [nt.ones(2, 3).t(), nt.empty(0, 3), nt.tensor(True), nt.ones(2, dtype=nt.bfloat16), nt.eye(2).to_sparse(),
               nt.nn.Parameter(nt.ones(3)), nt.ones(1, 2, 3, 4).contiguous(memory_format=nt.channels_last),
               nt.arange(200_000.0)[::2], nt.ones(2, dtype=nt.complex64), nt.ones(3).expand(2, 3)]
    received = list(data.DataLoader(samples, batch_size=None, num_workers=1))
    for sample, arrived in zip(samples, received, strict=True):
        assert type(arrived) is type(sample) and arrived.dtype == sample.dtype
        assert arrived.requires_grad == sample.requires_grad and arrived.layout is sample.layout
        if sample.layout is nt.strided:
            assert nt.equal(arrived, sample)
        else:
            assert nt.equal(arrived.to_dense(), sample.to_dense())
    assert received[0].stride() == (1, 3) and received[6].is_contiguous(memory_format=nt.channels_last)
    received[7].add_(1)


def test_module_paths_that_programs_use():
    from numbatorch.utils.data.dataloader import default_collate, get_worker_info
    from numbatorch.utils.data.distributed import DistributedSampler
    from numbatorch.utils.data.sampler import BatchSampler
    assert default_collate is data._utils.collate.default_collate and get_worker_info() is None
    assert DistributedSampler is data.DistributedSampler and BatchSampler is data.BatchSampler
    assert isinstance(data.DataLoader[int](range(3)), data.DataLoader)
