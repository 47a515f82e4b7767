"""Sparse gradients of tables that are read by index, and the optimizers that take them."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.nn import functional as F

TABLE = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


def gradient(read, **options):
    table = torch.tensor(TABLE, requires_grad=True)
    (read(table, **options) ** 2).sum().backward()
    return table.grad


@pytest.mark.parametrize("options", [{}, {"padding_idx": 1}, {"padding_idx": -1}])
def test_embedding(options):
    index = torch.tensor([[1, 2], [5, 1]])
    sparse = gradient(lambda t, **o: F.embedding(index, t, **o), sparse=True, **options)
    torch.testing.assert_close(sparse.to_dense(), gradient(lambda t, **o: F.embedding(index, t, **o), **options))
    assert sparse.is_sparse and (sparse.sparse_dim(), sparse.dense_dim()) == (1, 1)
    if not options:
        assert sparse._indices().tolist() == [[1, 2, 5, 1]] and not sparse.is_coalesced()
    assert (options.get("padding_idx", 0) % 6 in sparse._indices().tolist()[0]) is False


def test_scaling_by_frequency_is_refused():
    with pytest.raises(RuntimeError, match="scale_grad_by_freq not supported with sparse gradients"):
        F.embedding(torch.tensor([1]), torch.tensor(TABLE, requires_grad=True), sparse=True, scale_grad_by_freq=True)


@pytest.mark.parametrize("options", [{"mode": "mean"}, {"mode": "sum", "padding_idx": 2}, {
    "mode": "sum", "per_sample_weights": torch.tensor([0.5, 2, 1, -1])}])
def test_embedding_bag(options):
    index, offsets = torch.tensor([1, 2, 5, 1]), torch.tensor([0, 3])
    sparse = gradient(lambda t, **o: F.embedding_bag(index, t, offsets, **o), sparse=True, **options)
    torch.testing.assert_close(sparse.to_dense(), gradient(lambda t, **o: F.embedding_bag(index, t, offsets, **o),
                                                           **options))
    assert sparse.is_sparse


def test_gather():
    index = torch.tensor([[0, 2], [1, 1]])
    sparse = gradient(lambda t, **o: torch.gather(t, 1, index, **o), sparse_grad=True)
    torch.testing.assert_close(sparse.to_dense(), gradient(lambda t: torch.gather(t, 1, index)))
    assert sparse.is_sparse and sparse._nnz() == 4


def test_sparse_and_strided_gradients_meet():
    table = torch.tensor(TABLE, requires_grad=True)
    index = torch.tensor([1, 1])
    F.embedding(index, table, sparse=True).sum().backward()
    F.embedding(index, table, sparse=True).sum().backward()
    assert table.grad.is_sparse and table.grad.to_dense()[1].tolist() == [4, 4, 4]
    table.sum().backward()
    assert table.grad.layout is torch.strided and table.grad[1].tolist() == [5, 5, 5]
    F.embedding(index, table, sparse=True).sum().backward()
    assert table.grad.layout is torch.strided and table.grad[1].tolist() == [7, 7, 7]
    table.grad = None
    (F.embedding(index, table, sparse=True).sum() + table.sum()).backward()
    assert table.grad[:, 0].tolist() == [1, 3, 1, 1, 1, 1]


def train(optimizer, sparse, steps=4, **options):
    layer = torch.nn.Embedding(6, 3, sparse=sparse, _weight=torch.tensor(TABLE))
    made = optimizer(layer.parameters(), **options)
    for step in range(steps):
        made.zero_grad()
        (layer(torch.tensor([[1, 2], [step, 1]])) ** 2).sum().backward()
        made.step()
    return layer.weight.detach(), made


@pytest.mark.parametrize("optimizer, options", [
    ("SGD", {"lr": 0.1}), ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}), ("SGD", {"lr": 0.1, "maximize": True}),
    ("Adagrad", {"lr": 0.1}), ("Adagrad", {"lr": 0.1, "lr_decay": 0.1})])
def test_optimizers_take_both(optimizer, options):
    optimizer = getattr(torch.optim, optimizer)
    torch.testing.assert_close(train(optimizer, True, **options)[0], train(optimizer, False, **options)[0])


def test_sparse_adam_is_adam_on_the_rows_it_meets():
    found, made = train(torch.optim.SparseAdam, True, lr=0.1)
    expected, _ = train(torch.optim.Adam, False, lr=0.1)
    torch.testing.assert_close(found[1], expected[1])  # the row that is in every batch
    assert bool((found[4:] == torch.tensor(TABLE)[4:]).all()), "rows that were never met stay"
    state = made.state_dict()["state"][0]
    assert state["step"] == 4 and bool((state["exp_avg"][4:] == 0).all()) and not bool((state["exp_avg"][1] == 0).any())


def test_sparse_adam_goes_on_from_a_checkpoint():
    layer = torch.nn.Embedding(6, 3, sparse=True, _weight=torch.tensor(TABLE))
    first = torch.optim.SparseAdam(layer.parameters(), lr=0.1)
    layer(torch.tensor([1, 2])).sum().backward()
    first.step()
    second = torch.optim.SparseAdam(layer.parameters())
    second.load_state_dict(first.state_dict())
    assert second.state_dict()["state"][0]["step"] == 1 and second.param_groups[0]["lr"] == 0.1
    second.step()
    assert second.state_dict()["state"][0]["step"] == 2


@pytest.mark.parametrize("make, error", [
    (lambda p: torch.optim.SparseAdam(p, lr=0), "Invalid learning rate"),
    (lambda p: torch.optim.SparseAdam(p, eps=0), "Invalid epsilon"),
    (lambda p: torch.optim.SparseAdam(p, betas=(1.0, 0.9)), "Invalid beta parameter at index 0"),
    (lambda p: torch.optim.SparseAdam([torch.eye(2).to_sparse().requires_grad_()]), r"\[\[0, 0\]\].*dense parameter")])
def test_bad_options_of_sparse_adam(make, error):
    with pytest.raises(ValueError, match=error):
        make([torch.ones(2, 2, requires_grad=True)])


def test_optimizers_that_cannot_say_so():
    for name in ("Adam", "AdamW", "RMSprop", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop"):
        with pytest.raises(RuntimeError, match=f"{name} does not support sparse gradients"):
            train(getattr(torch.optim, name), True, 1, lr=0.1)
    with pytest.raises(RuntimeError, match="does not support dense gradients"):
        train(torch.optim.SparseAdam, False, 1)
    with pytest.raises(RuntimeError, match="weight_decay"):
        train(torch.optim.Adagrad, True, 1, weight_decay=0.1)
