"""`.data` counts changes for itself, `detach()` with its source; both are the same memory."""

import copy
import gc
import io
import sys

import pytest

import numbatorch as torch


def test_data_counts_for_itself():
    x = torch.tensor([1.0, 1, 1], requires_grad=True)
    y = (x * x).sum()
    x.data.mul_(2)
    assert x._version == 0 and x.data._version == 0 and x.tolist() == [2, 2, 2]
    y.backward()  # with what is there now, as PyTorch does
    assert x.grad.tolist() == [4, 4, 4]
    part = x.data
    part.add_(1)
    part[0] = 0
    assert part._version == 2 and x._version == 0 and part[1:]._version == 2


def test_detach_counts_with_its_source():
    x = torch.tensor([1.0, 1, 1], requires_grad=True)
    y = (x * x).sum()
    x.detach().mul_(2)
    assert x._version == 1 and x.detach()._version == 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_results_are_kept_by_count_too():
    x = torch.ones(3, requires_grad=True)
    y = x.exp()
    y.data.zero_()
    y.sum().backward()
    assert x.grad.tolist() == [0, 0, 0]


def test_setting_data_keeps_the_count():
    x = torch.tensor([1.0, 1, 1], requires_grad=True)
    with torch.no_grad():
        x.add_(1)
    y = (x * x).sum()
    source = torch.tensor([5.0, 5, 5])
    x.data = source
    assert x._version == 1 and x.data_ptr() == source.data_ptr()
    y.backward()
    assert x.grad.tolist() == [10, 10, 10]
    source.add_(1)
    assert x._version == 1 and source._version == 1 and x.tolist() == [6, 6, 6]


def test_memory_is_one():
    x = torch.arange(6.0)
    d = x.data
    assert d.data_ptr() == x.data_ptr() and d.is_set_to(x) and d.data.is_set_to(x)
    assert d.untyped_storage() == x.untyped_storage()
    assert d.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    a, b = copy.deepcopy((x, d))
    assert a.data_ptr() == b.data_ptr() != x.data_ptr()
    file = io.BytesIO()
    torch.save([x, d], file)
    file.seek(0)
    a, b = torch.load(file)
    assert a.data_ptr() == b.data_ptr()


def test_overlap_is_seen_through_data():
    x = torch.arange(6.0)
    with pytest.raises(RuntimeError, match="single memory location"):
        x[1:].add_(x.data[:-1])
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.add(x[:-1], 1, out=x.data[1:])
    x.add_(x.data)
    assert x.tolist() == [0, 2, 4, 6, 8, 10]


def test_memory_lives_as_long_as_data():
    d = torch.arange(1000.0).data
    gc.collect()
    torch.zeros(1000)
    assert d[-1] == 999


@pytest.mark.skipif(sys.platform != "linux", reason="shared memory is tested on Linux")
@pytest.mark.parametrize("first", ["tensor", "data"])
def test_sharing_moves_all(first):
    x = torch.arange(4.0)
    d, v = x.data, x[1:]
    d.add_(1)
    (x if first == "tensor" else d).share_memory_()
    assert x.is_shared() and d.is_shared() and v.is_shared()
    assert x.data_ptr() == d.data_ptr() and v.data_ptr() == x.data_ptr() + 4
    d[1] = 7
    assert x.tolist() == v.new_tensor([1, 7, 3, 4]).tolist() and v[0] == 7
    assert d._version == 2 and x._version == 0


@pytest.mark.skipif(sys.platform != "linux", reason="shared memory is tested on Linux")
def test_sharing_a_parameter_alone():
    p = torch.nn.Parameter(torch.ones(3))
    p.data = torch.full((3,), 2.0)
    p.share_memory_()
    assert p.is_shared() and p.tolist() == [2, 2, 2]
