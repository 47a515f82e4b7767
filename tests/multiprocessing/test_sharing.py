"""Tensors in memory that processes share: moving there, travelling, and what several processes do with it."""

import gc
import os
import pickle
import signal
import time

import numpy as np
import pytest

import numbatorch as nt
import numbatorch.multiprocessing as mp
from numbatorch import leases, sharing

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif("fork" not in mp.get_all_start_methods(), reason="processes are forked"),
]
PATIENCE = 60


@pytest.fixture
def context():
    return mp.get_context("fork")


@pytest.fixture(params=["file_descriptor", "file_system"])
def strategy(request, monkeypatch, tmp_path):
    before = mp.get_sharing_strategy()
    monkeypatch.setattr(leases, "_folder", lambda: str(tmp_path))  # other tests may run at the same time
    mp.set_sharing_strategy(request.param)
    yield request.param
    mp.set_sharing_strategy(before)


def names():
    return {entry for entry in os.listdir(leases._folder()) if entry.startswith(leases._family())}


def run(context, *targets):
    processes = [context.Process(target=target) for target in targets]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def test_all_tensors_over_a_storage_move_together(strategy):
    whole = nt.arange(12.0).view(3, 4)
    row, storage, array = whole[1], whole.untyped_storage(), whole.numpy()
    version = whole._version
    assert not whole.is_shared() and not storage.is_shared()
    assert row.share_memory_() is row
    assert whole.is_shared() and storage.is_shared() and whole.storage().is_shared()
    assert whole.data_ptr() + 16 == row.data_ptr() and storage.data_ptr() == whole.data_ptr()
    row.add_(1)
    assert whole[1].tolist() == [5, 6, 7, 8] and whole._version == version + 1
    assert array[1].tolist() == [4, 5, 6, 7]  # NumPy keeps the memory that it has


def test_gradients_saved_before_the_move_are_found_after():
    weight = nt.ones(3, requires_grad=True)
    loss = (weight * weight).sum()
    weight.share_memory_()
    loss.backward()
    assert weight.grad.tolist() == [2, 2, 2] and weight.is_shared()
    loss = (weight * weight).sum()
    weight.data.share_memory_().fill_(2.0)
    with pytest.raises(RuntimeError, match="version"):
        with nt.no_grad():
            weight.add_(1)
        loss.backward()


def test_empty_and_odd_tensors_are_shared(strategy):
    for tensor in (nt.empty(0), nt.tensor(3), nt.ones(5, dtype=nt.bfloat16), nt.ones(2, 3).t()):
        copy = tensor.clone()
        assert tensor.share_memory_().is_shared() and nt.equal(tensor, copy) and tensor.stride() == copy.stride()
    sparse = nt.eye(3).to_sparse().share_memory_()
    assert sparse.is_shared() and nt.equal(sparse.to_dense(), nt.eye(3))


def test_shared_memory_does_not_grow():
    with pytest.raises(RuntimeError, match="other processes share"):
        nt.zeros(2).share_memory_().resize_(1000)


def test_storages_can_be_shared():
    storage = nt.UntypedStorage(8)
    assert storage.share_memory_() is storage and storage.is_shared()
    assert nt.FloatStorage(3).share_memory_().is_shared()


def test_changes_are_seen_by_all(context, strategy):
    tensor = nt.zeros(4).share_memory_()

    def add():
        tensor[1:3].add_(1)

    run(context, add, add)
    assert tensor.sum().item() in (2.0, 4.0) and tensor[0].item() == 0  # additions may meet, elements may not


@pytest.mark.parametrize("kind", ["Queue", "SimpleQueue", "JoinableQueue", "Pipe"])
def test_what_is_sent_arrives_over_the_same_memory(context, strategy, kind):
    if kind == "Pipe":
        there, here = context.Pipe()
        put, get = there.send, here.recv
    else:
        queue = getattr(context, kind)()
        put, get = queue.put, queue.get
    back = context.SimpleQueue()
    whole = nt.zeros(10)
    part = whole[2:8:2]
    parameter = nt.nn.Parameter(nt.ones(2))
    buffer = nt.nn.Buffer(nt.ones(2), persistent=False)

    def receive():
        first, second, again = get(), get(), get()
        first.fill_(7)
        second["p"].data.add_(1)
        known = again.untyped_storage().data_ptr() == first.untyped_storage().data_ptr()
        facts = (type(second["p"]).__name__, second["p"].requires_grad, isinstance(second["b"], nt.nn.Buffer))
        back.put((known, facts, second["b"].persistent, first * 2))

    process = context.Process(target=receive)
    process.start()
    put(part)
    put({"p": parameter, "b": buffer})
    put(whole)
    known, facts, persistent, made = back.get()
    process.join(PATIENCE)
    assert whole.tolist() == [0, 0, 7, 0, 7, 0, 7, 0, 0, 0]
    assert parameter.tolist() == [2, 2] and part.is_shared()
    assert known and facts == ("Parameter", True, True) and persistent is False and made.tolist() == [14, 14, 14]


class Marked(nt.Tensor):
    pass


def test_subclasses_and_sparse_tensors_travel(context, strategy):
    queue = context.SimpleQueue()
    marked = Marked(nt.zeros(3))
    marked.label = "mine"
    queue.put(marked)
    arrived = queue.get()
    arrived.add_(1)
    assert type(arrived) is Marked and arrived.label == "mine" and marked.tolist() == [1, 1, 1]
    queue.put(nt.eye(2).to_sparse())
    assert nt.equal(queue.get().to_dense(), nt.eye(2))
    assert pickle.loads(pickle.dumps(marked)).label == "mine"


def test_a_history_cannot_be_sent(context):
    with pytest.raises(RuntimeError, match="gradient history"):
        context.SimpleQueue().put(nt.ones(2, requires_grad=True) * 2)


def test_gradients_stay_where_they_are(context):
    weight = nt.nn.Parameter(nt.ones(2))
    weight.sum().backward()
    queue = context.SimpleQueue()
    queue.put(weight)
    assert queue.get().grad is None and not weight.grad.is_shared()


def open_descriptors():
    return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0


def test_memory_returns_when_nobody_views_it(context, strategy):
    queue = context.SimpleQueue()
    for _ in range(3):  # the first round opens what stays open: sockets, the sharing thread's
        before, descriptors = names(), open_descriptors()
        for _ in range(5):
            queue.put(nt.zeros(1000))
            queue.get().add_(1)
        gc.collect()
    assert names() == before and not [s for s in sharing._segments.values() if s.nbytes == 4000]
    deadline = time.monotonic() + PATIENCE
    while open_descriptors() > descriptors and time.monotonic() < deadline:
        time.sleep(0.05)  # the thread that handed the last one out closes it yet
    assert open_descriptors() <= descriptors


def test_results_outlive_the_process_that_made_them(context, strategy):
    queue = context.Queue()

    def make():
        for number in range(3):
            queue.put(nt.full((1000,), float(number)))

    process = context.Process(target=make)
    process.start()
    results = [queue.get(timeout=PATIENCE) for _ in range(3)]
    process.join(PATIENCE)
    assert [r.sum().item() for r in results] == [0, 1000, 2000]


def test_a_killed_process_leaves_nothing_and_takes_nothing(context, strategy):
    before = names()
    queue, ready = context.SimpleQueue(), context.Event()
    ours = nt.ones(1000).share_memory_()
    queue.put(ours)

    def hold():
        received, own = queue.get(), nt.zeros(1000).share_memory_()
        received.add_(1)
        ready.set()
        while own is not None:
            signal.pause()

    process = context.Process(target=hold)
    process.start()
    assert ready.wait(PATIENCE)
    process.kill()
    process.join(PATIENCE)
    leases.sweep()
    assert ours.tolist() == [2] * 1000
    queue.put(ours)
    assert queue.get().data_ptr() == ours.data_ptr()
    del ours
    gc.collect()
    assert names() == before


def test_named_memory_needs_no_descriptors(context):
    mp.set_sharing_strategy("file_system")
    try:
        descriptors = open_descriptors()
        held = [nt.zeros(1).share_memory_() for _ in range(20)]
        assert open_descriptors() <= descriptors + 5
        assert len(held) == 20
    finally:
        mp.set_sharing_strategy("file_descriptor")
    with pytest.raises(AssertionError, match="unknown strategy"):
        mp.set_sharing_strategy("carrier pigeon")
    assert mp.get_all_sharing_strategies() == {"file_descriptor", "file_system"}


def test_hogwild_training(context):
    nt.manual_seed(0)
    model = nt.nn.Linear(3, 1)
    assert model.share_memory() is model and all(p.is_shared() for p in model.parameters())
    truth = nt.tensor([[1.0, -2.0, 3.0]])

    def loss():
        x = nt.randn(64, 3)
        return nt.nn.functional.mse_loss(model(x), x @ truth.T + 0.5)

    def train(rank):
        def step():
            nt.manual_seed(rank)
            optimizer = nt.optim.SGD(model.parameters(), lr=0.05)
            for _ in range(150):
                optimizer.zero_grad()
                loss().backward()
                optimizer.step()
        return step

    assert loss().item() > 1
    run(context, train(1), train(2))
    assert loss().item() < 0.01


def scaled(tensor, by):
    return tensor * by


def test_pool(context, strategy):
    with context.Pool(2, maxtasksperchild=1) as pool:
        results = pool.starmap(scaled, [(nt.ones(500), k) for k in range(4)], chunksize=1)
    assert [r.sum().item() for r in results] == [0, 500, 1000, 1500]


def test_reduce_tensor_is_a_function_and_its_arguments(context):
    from numbatorch.multiprocessing.reductions import rebuild_tensor, reduce_tensor
    tensor = nt.arange(6).view(2, 3)
    function, arguments = reduce_tensor(tensor[:, 1])
    assert function is rebuild_tensor
    function(*arguments).mul_(10)
    assert tensor.tolist() == [[0, 10, 2], [3, 40, 5]]


def test_numpy_arrays_and_other_objects_are_sent_as_ever(context):
    queue = context.SimpleQueue()
    queue.put((np.arange(3), "x"))
    array, text = queue.get()
    assert array.tolist() == [0, 1, 2] and text == "x"


def test_shared_models_are_saved_and_copied_like_others(tmp_path):
    import copy
    model = nt.nn.LSTM(2, 3).share_memory()
    nt.save(model.state_dict(), tmp_path / "model.pt")
    loaded = nt.load(tmp_path / "model.pt")
    assert all(nt.equal(loaded[k], v) for k, v in model.state_dict().items())
    twin = copy.deepcopy(model)
    assert not any(p.is_shared() for p in twin.parameters())
    x = nt.randn(4, 1, 2)
    assert nt.equal(model(x)[0], twin(x)[0])
    plain = pickle.loads(pickle.dumps(model.weight_ih_l0))
    assert nt.equal(plain, model.weight_ih_l0) and not plain.is_shared()


def test_weak_references_to_storages():
    from numbatorch.multiprocessing.reductions import StorageWeakRef
    tensor = nt.zeros(3)
    reference = StorageWeakRef(tensor.untyped_storage())
    assert reference == StorageWeakRef(tensor[1:].storage()) and not reference.expired()
    del tensor
    assert reference.expired()


def test_what_a_dead_process_has_sent(context, strategy):
    queue, sent = context.SimpleQueue(), context.Event()

    def send():
        queue.put(nt.ones(100))
        sent.set()
        signal.pause()

    process = context.Process(target=send)
    process.start()
    assert sent.wait(PATIENCE)
    process.kill()
    process.join(PATIENCE)
    if strategy == "file_system":
        assert queue.get().sum().item() == 100  # the parent held it meanwhile
    else:
        with pytest.raises(ConnectionError, match="has ended.*file_system"):
            queue.get()


def test_a_queue_moves_memory_that_is_being_computed_on(context):
    queue = context.Queue()
    for _ in range(20):
        tensor = nt.ones(300_000)
        queue.put(tensor)
        total = [tensor.exp().sum().item() for _ in range(5)]
        assert len(set(total)) == 1
        assert queue.get(timeout=PATIENCE).data_ptr() == tensor.data_ptr()
    assert all(storage.ptr for _, storage in sharing._retired)
    sharing._retired.clear()
    queue.close()
    queue.join_thread()
