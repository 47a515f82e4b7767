"""PyTorch's internal operators, the namespace `ops.aten` that holds them, and reductions of segments."""

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.autograd import gradcheck

aten = torch.ops.aten


def close(got, want, tolerance=1e-5):
    np.testing.assert_allclose(got.detach().numpy(), want, tolerance, tolerance)


def test_the_module_holds_itself_as_pytorch_does():
    assert torch.torch is torch
    assert torch.torch.ops.aten is aten


def test_operators_have_overloads_and_schema_names():
    x = torch.tensor([1.0])
    assert aten.add(x, 2, alpha=3).item() == aten.add.Tensor(self=x, other=2, alpha=3).item() == 7
    assert aten.add.Tensor.name() == "aten::add.Tensor" and repr(aten.add.default).startswith("<OpOverload(")
    assert aten.add_(x, 1) is x and aten.linalg_norm(x).item() == 2 and aten.zeros([2]).tolist() == [0, 0]
    assert aten.add is aten.add and aten.add.Tensor is aten.add.Tensor
    with pytest.raises(AttributeError, match="no operator 'addd'"):
        _ = aten.addd
    with pytest.raises(AttributeError, match="no overload name 'foo'"):
        _ = aten.add.foo


def test_slice_is_a_view():
    x = torch.arange(10)
    part = aten.slice(x, 0, 2, None, 3)
    x[2] = 7
    assert part.tolist() == [7, 5, 8]


def test_safe_softmax_of_hidden_rows_is_zero_and_so_is_its_gradient():
    x = torch.tensor([[1.0, 2.0], [-float("inf")] * 2], requires_grad=True)
    result = aten._safe_softmax.default(x, -1)
    close(result[0], [0.26894, 0.73106], 1e-4)
    assert result[1].tolist() == [0, 0]
    result[:, 0].sum().backward()
    close(x.grad, [[0.19661, -0.19661], [0, 0]], 1e-4)


def test_steps_of_backward_passes_agree_with_the_tape():
    x = torch.randn(3, 4, requires_grad=True)
    g = torch.randn(3, 4)
    y = x.softmax(1)
    y.backward(g)
    close(aten._softmax_backward_data(g, y.detach(), 1, torch.float32), x.grad.numpy())
    mask = torch.tensor([True, False])
    assert aten.native_dropout_backward(torch.ones(2), mask, 2.0).tolist() == [2, 0]
    image = torch.randn(2, 3, 6, 6, requires_grad=True)
    pooled, places = torch.nn.functional.max_pool2d(image, 2, return_indices=True)
    pooled.backward(2 * torch.ones_like(pooled))
    back = aten.max_pool2d_with_indices_backward(2 * torch.ones_like(pooled), image, [2, 2], [2, 2], [0, 0], [1, 1],
                                                 False, places)
    close(back, image.grad.numpy())


def test_batch_norm_under_its_internal_names():
    x, mean, var = torch.randn(8, 3), torch.zeros(3), torch.ones(3)
    want = torch.nn.functional.batch_norm(x, None, None, training=True)
    value, own_mean, _ = torch._native_batch_norm_legit(x, None, None, True, 0.1, 1e-5)
    close(value, want.numpy())
    close(own_mean, x.mean(0).numpy())
    *_, reserve = aten._batch_norm_with_update(x, None, None, mean, var, 0.1, 1e-5)
    close(mean, 0.1 * x.mean(0).numpy())
    assert reserve.shape == (0,) and reserve.dtype is torch.uint8
    with pytest.raises(TypeError, match="expected 6 arguments"):
        torch._native_batch_norm_legit(x, None, None, True)


def test_antialiased_resizing_takes_a_size_or_scales():
    x = torch.rand(1, 2, 10, 8)
    want = torch.nn.functional.interpolate(x, (5, 4), mode="bilinear", antialias=True)
    close(aten._upsample_bilinear2d_aa(x, [5, 4], False), want.numpy())
    close(aten._upsample_bilinear2d_aa.vec(x, None, False, [0.5, 0.5]), want.numpy())
    with pytest.raises(RuntimeError, match="exactly one"):
        aten._upsample_bilinear2d_aa(x, None, False)


def test_masked_indices_may_lie_outside():
    x = torch.arange(6.0).reshape(2, 3)
    mask, rows, columns = torch.tensor([True, False, True]), torch.tensor([0, 5, 1]), torch.tensor([0, 7, 2])
    assert torch._unsafe_masked_index(x, mask, [rows, columns], 9.0).tolist() == [0, 9, 5]
    added = torch._unsafe_masked_index_put_accumulate(x, mask, [rows, columns], torch.tensor([10.0, 20.0, 30.0]))
    assert added.tolist() == [[10, 1, 2], [3, 4, 35]] and x[0, 0] == 0


def test_chunk_cat_fills_up_chunks():
    result = torch._chunk_cat([torch.arange(5.0), torch.arange(6.0).view(3, 2)], 0, 2)
    assert result.tolist() == [[0, 1, 2, 0, 1, 2, 3], [3, 4, 0, 4, 5, 0, 0]]
    for tensors, dim, count, text in (([torch.ones(2)], 0, 0, "positive num_chunks"), ([], 0, 1, "non-empty input"),
                                      ([torch.ones(0)], 0, 1, "non-empty tensor"),
                                      ([torch.ones(2, 3), torch.ones(4)], -1, 3, "non-negative dim"),
                                      ([torch.ones(2, 3), torch.ones(4)], 1, 3, "dim < ndim"),
                                      ([torch.ones(2, 3), torch.ones(3, 3)], 1, 3, "same sizes")):
        with pytest.raises(RuntimeError, match=text):
            torch._chunk_cat(tensors, dim, count)


def test_hash_is_the_exclusive_or_of_bits():
    x = torch.tensor([[1.5, 2.5], [-3.0, 0.0]])
    bits = x.double().numpy().view(np.uint64)
    assert torch.hash_tensor(x).item() == np.bitwise_xor.reduce(bits.reshape(-1))
    assert x.hash_tensor(1, keepdim=True).shape == (2, 1) and torch.hash_tensor(x).dtype is torch.uint64
    assert torch.hash_tensor(torch.tensor([1, 2, 5])).item() == 6
    with pytest.raises(RuntimeError, match="mode"):
        torch.hash_tensor(x, mode=1)


@pytest.mark.parametrize("reduce, want", [("sum", [2, 0, 7]), ("mean", [1, np.nan, 7 / 3]), ("max", [1, -np.inf, 3]),
                                          ("min", [1, np.inf, 2]), ("prod", [1, 1, 12])])
def test_segments_by_lengths_and_by_offsets(reduce, want):
    x = torch.tensor([1.0, 1, 3, 2, 2])
    close(torch.segment_reduce(x, reduce, lengths=torch.tensor([2, 0, 3])), want)
    close(torch._segment_reduce(x, reduce, offsets=torch.tensor([0, 2, 2, 5])), want)


def test_segments_of_rows_with_an_initial_value():
    x = torch.tensor([[1.0, 2, 3], [4, 5, 6]])
    lengths = torch.tensor([[2, 1], [0, 3]])
    assert torch.segment_reduce(x, "max", lengths=lengths, axis=1, initial=4.5).tolist() == [[4.5, 4.5], [4.5, 6]]
    assert torch.segment_reduce(x, "mean", lengths=lengths, axis=-1, initial=3).tolist() == [[3, 6], [3, 6]]


@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min", "prod"])
def test_gradients_of_segments(reduce):
    x = torch.rand(2, 5, 2, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([[2, 0, 2], [1, 3, 1]])
    assert gradcheck(lambda x: torch.segment_reduce(x, reduce, lengths=lengths, axis=1, unsafe=True, initial=0.5), x)


def test_products_of_segments_with_zeros_have_the_others_as_gradient():
    x = torch.tensor([1.0, 0, 3, 0, 0], requires_grad=True)
    torch.segment_reduce(x, "prod", lengths=torch.tensor([2, 0, 3]), initial=9).sum().backward()
    assert x.grad.tolist() == [0, 9, 0, 0, 0]


def test_segments_that_do_not_fit_are_refused():
    x = torch.ones(5)
    for kwargs, text in (({"lengths": torch.tensor([2, 2])}, "sum to"),
                         ({"lengths": torch.tensor([7, -2])}, "negative"),
                         ({"offsets": torch.tensor([0, 7])}, "0..5"), ({}, "must be defined"),
                         ({"indices": torch.tensor([0])}, "not supported"),
                         ({"lengths": torch.tensor([[5]])}, "last dimension")):
        with pytest.raises(RuntimeError, match=text):
            torch.segment_reduce(x, "sum", **kwargs)
    with pytest.raises(RuntimeError, match="got median"):
        torch.segment_reduce(x, "median", lengths=torch.tensor([5]))
    with pytest.raises(NotImplementedError, match="int64"):
        torch.segment_reduce(torch.ones(5).long(), "sum", lengths=torch.tensor([5]))
