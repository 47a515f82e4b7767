"""Tensor[index], its assignment, and the functions that gather and scatter."""

import numpy as np
import pytest

import numbatorch as nt
from numbatorch.nn import functional as F

ARRAY = np.arange(60.0).reshape(3, 4, 5)
MASK = ARRAY[:, :, 0] % 3 == 0
INDICES = [
    1, -1, (1, 2), (1, -1, 0), slice(1, 3), (slice(None), slice(0, 4, 2)), (Ellipsis, 1), (None, 1, Ellipsis, None),
    [0, 2], np.array([[0, -1], [2, 1]]), (np.array([0, 1]), np.array([2, 3])), (slice(None), np.array([0, 1]),
                                                                               np.array([[2], [3]])),
    (np.array([0, 1]), slice(None), np.array([2, 3])), MASK, (MASK, 2), True, False, np.zeros((0,), dtype=np.int64),
    ARRAY > 30]


def ours(index):
    """An index with tensors for arrays."""
    if isinstance(index, tuple):
        return tuple(map(ours, index))
    return nt.tensor(index) if isinstance(index, np.ndarray) else index


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_reading_and_writing_agree_with_numpy(index):
    x = nt.tensor(ARRAY)
    np.testing.assert_array_equal(x[ours(index)].numpy(), ARRAY[index])
    changed = ARRAY.copy()
    changed[index] = -1
    x[ours(index)] = -1
    np.testing.assert_array_equal(x.numpy(), changed)


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_gradients_of_reading_and_writing(index):
    x = nt.tensor(ARRAY, requires_grad=True)
    y = x * 1
    y[ours(index)] = 0
    (y.sum() + (x[ours(index)] * 5).sum()).backward()
    expected = np.ones_like(ARRAY)
    expected[index] = 0
    np.add.at(expected, index, 5)
    np.testing.assert_array_equal(x.grad.numpy(), expected)


@pytest.mark.parametrize("index, error, message", [
    (7, IndexError, "index 7 is out of bounds for dimension 0 with size 3"),
    ((0, 0, 0, 0), IndexError, "too many indices"),
    ([9], IndexError, "index 9 is out of bounds"), (slice(None, None, -1), ValueError, "step"),
    ("a", TypeError, "valid"),
    (1.5, IndexError, "valid indices"), (([0, 1], [0, 1, 2]), IndexError, "broadcast")])
def test_wrong_indices(index, error, message):
    with pytest.raises(error, match=message):
        nt.tensor(ARRAY)[index]


def test_assignment_broadcasts_and_converts():
    x = nt.zeros(2, 3, dtype=nt.int64)
    x[:, 1] = nt.tensor([1.9, 2.9])
    x[nt.tensor([1])] += nt.tensor([[10, 20, 30]])
    assert x.tolist() == [[0, 1, 0], [10, 22, 30]]
    with pytest.raises(RuntimeError):
        x[0] = nt.ones(4)


def test_a_recorded_leaf_cannot_be_assigned_to():
    x = nt.zeros(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x[0] = 1.0
    with pytest.raises(RuntimeError, match="leaf"):
        x[nt.tensor([0])] = 1.0


def test_colliding_places_get_their_elements_in_order():
    place = nt.tensor([1, 0, 1, 1])
    source = nt.tensor([1.0, 2.0, 3.0, 4.0])
    x = nt.full((3,), 10.0)
    assert x.scatter(0, place, source).tolist() == [2, 4, 10]
    assert x.scatter_add(0, place, source).tolist() == [12, 18, 10]
    assert x.scatter_reduce(0, place, source, "prod").tolist() == [20, 120, 10]
    assert x.scatter_reduce(0, place, source, "mean", include_self=False).tolist()[0] == 2
    assert x.scatter_reduce(0, place, source, "amax", include_self=False).tolist() == [2, 4, 10]
    assert x.index_add(0, place, source, alpha=2).tolist() == [14, 26, 10]
    assert x.index_put((place,), source, accumulate=True).tolist() == [12, 18, 10]


def test_results_do_not_depend_on_threads():
    generator = np.random.default_rng(0)
    index = nt.tensor(generator.integers(0, 50, (400, 300)))
    source = nt.tensor(generator.standard_normal((400, 300)).astype("f4"))
    threads, found = nt.get_num_threads(), []
    for count in (1, 2):
        nt.set_num_threads(count)
        found.append(nt.zeros(50, 300).scatter_add(0, index, source).numpy())
    nt.set_num_threads(threads)
    np.testing.assert_array_equal(*found)


def test_masks():
    x, mask = nt.tensor(ARRAY), nt.tensor(ARRAY > 40)
    np.testing.assert_array_equal(x.masked_select(mask).numpy(), ARRAY[ARRAY > 40])
    np.testing.assert_array_equal(mask.nonzero().numpy(), np.argwhere(ARRAY > 40))
    assert [t.tolist() for t in nt.where(mask)] == [t.tolist() for t in np.nonzero(ARRAY > 40)]
    assert nt.zeros(3).masked_scatter(nt.tensor([True, False, True]), nt.tensor([1.0, 2.0])).tolist() == [1, 0, 2]


def test_embedding_pads_and_renormalises():
    weight = nt.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 2.0]], requires_grad=True)
    F.embedding(nt.tensor([0, 2, 2]), weight, padding_idx=0).sum().backward()
    assert weight.grad.tolist() == [[0, 0], [0, 0], [2, 2]]
    F.embedding(nt.tensor([0]), weight, max_norm=1.0)
    assert weight[0].norm().item() == pytest.approx(1, abs=1e-5)
    with pytest.raises(IndexError, match="index 3 is out of bounds"):
        F.embedding(nt.tensor([3]), weight)


@pytest.mark.parametrize("call, error", [
    (lambda x: x.index_select(0, nt.tensor([3])), IndexError),
    (lambda x: x.gather(1, nt.tensor([[0, 9]])), RuntimeError),
    (lambda x: x.scatter_add(0, nt.tensor([[5]]), nt.ones(1, 1)), RuntimeError),
    (lambda x: x.index_add(0, nt.tensor([0]), nt.ones(2, 3)), RuntimeError),
    (lambda x: x.take(nt.tensor([6])), IndexError), (lambda x: x.index_fill(0, nt.tensor([[0]]), 1), IndexError)])
def test_places_outside_are_refused(call, error):
    with pytest.raises(error):
        call(nt.zeros(2, 3))


def test_unique_and_counts():
    x = nt.tensor([3, 1, 3, 2, 1, 3])
    values, inverse, counts = nt.unique(x, return_inverse=True, return_counts=True)
    assert values.tolist() == [1, 2, 3] and counts.tolist() == [2, 1, 3] and values[inverse].tolist() == x.tolist()
    assert nt.unique_consecutive(nt.tensor([1, 1, 2, 1])).tolist() == [1, 2, 1]
    assert nt.unique(nt.tensor([[2, 1], [0, 1], [2, 1]]), dim=0).tolist() == [[0, 1], [2, 1]]
    assert x.bincount(minlength=5).tolist() == [0, 2, 1, 3, 0]
    assert nt.bucketize(nt.tensor([0.5, 1.0, 9.0]), nt.tensor([1.0, 2.0]), right=True).tolist() == [0, 1, 2]


@pytest.mark.parametrize("dtype", [nt.int64, nt.int32])
@pytest.mark.parametrize("count", [1, 7, 64, 1000])
def test_one_index_outside_is_found_wherever_it_is(dtype, count):
    table = nt.zeros(10)
    index = nt.full((count,), 9, dtype=dtype)
    assert table.index_select(0, index).numel() == count
    for place in {0, count // 2, count - 1}:
        for wrong in (-1, 10, -2**31, 2**31 - 1):
            bad = index.clone()
            bad[place] = wrong
            with pytest.raises(IndexError, match=f"index {wrong} is out of bounds for dimension 0 with size 10"):
                table.index_select(0, bad)
    assert nt.take(table, nt.full((count,), -10)).numel() == count  # which counts from the end
    with pytest.raises(IndexError):
        nt.take(table, nt.full((count,), -11))


def test_scatter_leaves_its_input_alone_and_keeps_its_strides():
    base, index = nt.arange(12.0).reshape(3, 4).t(), nt.tensor([[0, 0, 2]] * 4)
    before = base.tolist()
    added = base.scatter_add(1, index, nt.ones(4, 3))
    assert base.tolist() == before and added.stride() == base.stride()
    assert (added - base).tolist() == [[2, 0, 1]] * 4
    part = base.scatter(1, index[:2, :1], nt.full((2, 1), 9.0))  # fewer places than the input has
    assert part.tolist() == [[9, 4, 8], [9, 5, 9], [2, 6, 10], [3, 7, 11]]


def test_compiled_calls_check_their_indices_too():
    def step(x, index):
        return x.gather(1, index) + x.scatter_add(1, index, x)

    compiled = nt.compile(step)
    x, index = nt.randn(5, 40), nt.randint(0, 40, (5, 40))
    for _ in range(4):
        assert nt.equal(compiled(x, index), step(x, index))
    index[3, 7] = 40
    with pytest.raises(RuntimeError, match=r"index 40 is out of bounds for dimension 1 .*at position 127 "):
        compiled(x, index)


@pytest.mark.parametrize("change", [
    lambda x, i: x.scatter_(1, i, x), lambda x, i: x.scatter_add_(1, i, x), lambda x, i: x[1:].index_add_(
        1, i[0], x[:2]), lambda x, i: x.index_copy_(1, i[0], source=x), lambda x, i: i.scatter_(1, i, 7),
    lambda x, i: x.__setitem__((slice(None), i[0]), x), lambda x, i: x.__setitem__(i[0, 1:], x[0]),
    lambda x, i: x.index_put_((i[0, 1:],), x[0, 1], accumulate=True), lambda x, i: i.put_(i, i + 1),
    lambda x, i: x.put_(i[0], x[0], True), lambda x, i: x.T.put_(index=i[0], source=x[0]),
    lambda x, i: x.scatter_reduce_(1, i, x, "amax"), lambda x, i: x.index_reduce_(0, i[0, 1:], x, "prod"),
    lambda x, i: nt.scatter(x + 1, 1, i, x, out=x), lambda x, i: nt.index_reduce(x + 1, 0, i[0, 1:], x, "amax", out=x),
    lambda x, i: (lambda mask: mask.masked_fill_(mask[0], False))(x > 5), lambda x, i: x[1:].copy_(x[:2])])
def test_nothing_is_scattered_into_what_is_still_read(change):
    x, index = nt.arange(12.0).reshape(3, 4), nt.tensor([[3, 0, 1, 2]] * 3)
    with pytest.raises(RuntimeError, match="refer to a single memory location"):
        change(x, index)
    assert nt.equal(x, nt.arange(12.0).reshape(3, 4)) and index[0].tolist() == [3, 0, 1, 2]
    recorded = x.clone().requires_grad_() * 1
    with pytest.raises(RuntimeError, match="refer to a single memory location"):
        recorded[index[0, 1:]] = recorded[0]
    assert x[:2].scatter_(1, index[:1], x[2:])[0].tolist() == [9, 10, 11, 8]  # rows apart
    assert x.index_fill_(1, index[0, :1], x[0, 0])[:, 3].tolist() == [9, 9, 9]


def test_numbers_of_a_tensor_fill_it_and_results_may_replace_the_first_operand():
    x, index = nt.arange(6.0).reshape(2, 3), nt.tensor([[2, 0, 1]] * 2)
    assert nt.scatter_reduce(x, 1, index, nt.ones(2, 3), "sum", out=x).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert nt.index_add(x, 0, index[0, 1:], nt.ones(2, 3), out=x) is x and x[0, 0] == 2
    assert x.masked_scatter_(x > 3, x)[0].tolist() == [2, 3, 2]  # the elements that were there before
    assert x.masked_fill_(x > 2, x[1, 2]).max() == x[1, 2]
    assert x.fill_(x[0, 1]).unique().numel() == 1


def test_a_list_of_lists_has_an_index_for_each_dimension():
    x = nt.arange(6).view(2, 3)
    assert x[[[0, 1], [1, 2]]].tolist() == x[[0, 1], [1, 2]].tolist() == [1, 5]
    assert x[[nt.tensor([0]), nt.tensor([1])]].tolist() == [1] and x[[[0, 1]]].tolist() == x.tolist()
    assert x[nt.tensor([[0], [1]])].shape == (2, 1, 3)
    x[[[0, 1], [1, 2]]] = 9
    assert x.tolist() == [[0, 9, 2], [3, 4, 9]]
