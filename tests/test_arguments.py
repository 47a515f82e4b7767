"""Arguments of calls: NumPy's names for them, numbers alone, numbers that do not fit, memory that overlaps."""

import numpy as np
import pytest

import numbatorch as torch

X = torch.tensor([[1.0, 2.0], [3.0, 4.0]])


def test_names_as_in_numpy():
    assert torch.sum(X, axis=0).tolist() == [4, 6]
    assert X.sum(axis=1, keepdims=True).tolist() == [[3], [7]]
    assert torch.max(X, axis=0, keepdims=True).values.tolist() == [[3, 4]]
    assert torch.add(x1=X, x2=X).tolist() == torch.add(x=X, other=X).tolist() == (2 * X).tolist()
    assert torch.gcd(torch.tensor([4]), x2=torch.tensor([6])).item() == 2  # an op that runs outside the kernels
    out = torch.empty(2)
    assert torch.sum(X, axis=0, out=out) is out and out.tolist() == [4, 6]
    x = X.clone()
    assert x.add_(x2=1) is x and x[0, 0] == 2


def test_unknown_doubled_and_missing_names():
    for call, text in ((lambda: torch.add(X, foo=1), "unexpected keyword argument 'foo'; it takes input, other"),
                       (lambda: torch.sum(X, axis=0, dim=1), "'dim' and for 'axis'"),
                       (lambda: torch.add(X), "missing 1 required argument: 'other'"),
                       (lambda: torch.std(), "missing 1 required argument: 'input'")):
        with pytest.raises(TypeError, match=text):
            call()


def test_arithmetic_of_two_numbers_is_a_tensor():
    assert torch.add(1, 1).item() == 2 and torch.add(1, 1).dtype is torch.int64
    assert torch.add(True, 1).dtype is torch.int64 and torch.mul(1, 2.5).dtype is torch.float32
    assert torch.add(1, 2, alpha=3).item() == 7 and torch.sub(1j, 1).item() == 1j - 1
    assert torch.floor_divide(5, 2).item() == 2 and torch.div(1, 2).item() == 0.5
    with pytest.raises(TypeError, match="must be Tensor"):
        torch.maximum(1, 2)


@pytest.mark.parametrize("call", [
    lambda: torch.tensor([1], dtype=torch.uint8).fill_(300),
    lambda: torch.tensor([1], dtype=torch.int8).fill_(float("nan")),
    lambda: torch.zeros(1).fill_(1e40), lambda: torch.zeros(1).fill_(1j), lambda: torch.zeros(1).long().fill_(2**63),
    lambda: torch.full((2,), 300, dtype=torch.uint8), lambda: torch.zeros(2).new_full((2,), 1e40),
    lambda: torch.zeros(2).byte().__setitem__(0, 300), lambda: torch.zeros(2).byte().clamp(max=300),
    lambda: torch.zeros(2).byte().masked_fill(torch.tensor([True, False]), 300),
    lambda: torch.where(torch.tensor([True]), torch.zeros(1), 1e40),
    lambda: torch.zeros(1).masked_fill(torch.tensor([True]), 1j)])
def test_numbers_that_do_not_fit(call):
    with pytest.raises(RuntimeError, match="without overflow"):
        call()


def test_numbers_that_fit_in_their_way():
    assert torch.zeros(1, dtype=torch.uint8).fill_(-1).item() == 255
    assert torch.zeros(1).fill_(float("inf")).item() == float("inf")
    assert torch.zeros(1).half().fill_(1e5).item() == float("inf")
    assert torch.tensor([1, 2]).masked_fill(torch.tensor([True, False]), 1.7).tolist() == [1, 2]
    assert (torch.zeros(1) + 2**63).item() == 2.0**63
    flags, mask = torch.zeros(2).bool(), torch.tensor([True, False])
    for value in (float("nan"), float("inf"), 0.5, 1e30, 1j):  # all but 0 is True
        assert flags.masked_fill(mask, value).tolist() == [True, False]
        assert flags.clone().fill_(value).tolist() == [True, True] == torch.full_like(flags, value).tolist()
    assert torch.where(mask, flags, 1j).tolist() == [0, 1j]


def test_cosine_similarity_of_integers_and_floats():
    ints, floats = torch.tensor([[3, 4], [1, 0]]), torch.tensor([[4.0, 3.0], [0.0, 2.0]])
    for a, b in ((ints, floats), (floats, ints)):
        assert np.allclose(torch.cosine_similarity(a, b).numpy(), [0.96, 0])
    assert torch.cosine_similarity(ints, floats.double()).dtype is torch.float64
    with pytest.raises(RuntimeError, match="common dtype is Long"):
        torch.cosine_similarity(ints, ints)
    with pytest.raises(OverflowError, match="int64"):
        torch.add(X, 2**70)


def test_masks_are_bool():
    with pytest.raises(RuntimeError, match="boolean masks"):
        torch.zeros(2).masked_fill(torch.tensor([1, 0]), 1.0)


def test_out_must_not_overlap_what_is_read():
    x, index = torch.arange(5.0), torch.tensor([0, 1])
    for call in (lambda: torch.add(x[1:], 1, out=x[:4]), lambda: torch.gather(x, 0, index, out=x[:2]),
                 lambda: torch.take(x, index, out=x[:2]), lambda: torch.cat([x[:2], x[2:4]], out=x[:4]),
                 lambda: torch.masked_select(x, x > 2, out=x), lambda: torch.topk(x, 2, out=(x[:2], index.clone())),
                 lambda: torch.kthvalue(x, 1, out=(x[0], torch.tensor(0)))):
        with pytest.raises(RuntimeError, match="single memory location"):
            call()
    assert x.tolist() == [0, 1, 2, 3, 4]
    assert torch.add(x, 1, out=x) is x and torch.cumsum(x, 0, out=x)[-1] == 15


def test_memory_of_an_array_is_not_resized():
    x = torch.from_numpy(np.zeros(2, np.float32))
    with pytest.raises(RuntimeError, match="not resizable"):
        x.resize_(3)
    assert x.resize_(1).shape == (1,) and torch.linalg.inv(torch.eye(2)).resize_(3, 3).shape == (3, 3)


def test_values_that_are_their_own_result():
    assert torch.positive(X) is X and torch.conj_physical(X) is X and +X is X
    z = torch.tensor([1 + 2j])
    assert torch.conj_physical(z).item() == 1 - 2j and z.clone().conj_physical_().item() == 1 - 2j
    with pytest.raises(RuntimeError, match="bool"):
        torch.positive(torch.tensor([True]))


def test_an_in_place_form_that_takes_another_shape():
    x = torch.tensor([2.0])
    assert x.addbmm_(torch.ones(3, 2, 4), torch.ones(3, 4, 5)) is x and x.tolist() == [[14.0] * 5] * 2


def test_gradient_of_nextafter_goes_to_what_moved():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.tensor([2.0, 2.0], requires_grad=True)
    torch.nextafter(x, y).sum().backward()
    assert x.grad.tolist() == [1, 0] and y.grad.tolist() == [0, 0]


def test_what_has_no_order_or_no_such_kernel_is_refused():
    flags, ints, z = torch.tensor([True, False]), torch.tensor([1, 2]), torch.tensor([1 + 2j])
    matrix = flags.expand(2, 2)
    for error, calls in ((NotImplementedError, (
            lambda: ints.softmax(0), lambda: ints.lerp(ints, 1), lambda: matrix @ matrix, lambda: flags.dot(flags),
            lambda: z.unique(), lambda: z.median(), lambda: flags.median(), lambda: z.mode(), lambda: z.kthvalue(1),
            lambda: z.floor(), lambda: torch.nn.functional.gelu(ints), lambda: matrix.trace(),
            lambda: flags.abs(), lambda: flags ** flags)), (RuntimeError, (
                lambda: flags.argmax(), lambda: z.argmax(), lambda: flags - 1, lambda: torch.maximum(z, z),
                lambda: torch.addcdiv(ints, ints, ints), lambda: torch.nanmean(ints), lambda: flags.relu())),
            (TypeError, (lambda: ~torch.ones(1), lambda: torch.prod(X, (0, 1)), lambda: torch.where(True, 1, 2),
                         lambda: X.flip(axis=0))),
            (IndexError, (lambda: torch.empty(0).argmax(),))):
        for call in calls:
            with pytest.raises(error) as caught:
                call()
            assert caught.type is error
    assert ints.softmax(0, dtype=torch.float32).sum() == 1


def test_numbers_out_of_tensors():
    assert float(torch.tensor(1 + 0j)) == 1 and int(torch.tensor([[5]])) == 5
    with pytest.raises(RuntimeError, match="imaginary"):
        float(torch.tensor(1 + 2j))
    with pytest.raises(ValueError, match="only one element"):
        float(torch.tensor([1.0, 2.0]))


def test_no_dimensions_at_all():
    x = torch.tensor([[1, 0], [1, 1]])
    assert torch.any(x, ()).tolist() == torch.all(x, []).tolist() == [[True, False], [True, True]]
    assert torch.any(x, (0, 1)).item() and not torch.all(x).item()


def test_complex_powers_of_zero():
    zero, powers = torch.tensor([0j]), torch.tensor([0j, 2 + 0j, -2 + 0j, 1j])
    result = (zero ** powers).tolist()
    assert np.isnan(result[0]) and result[1] == 0 and np.isinf(result[2].real) and np.isnan(result[3])
    assert (zero ** 0).item() == (zero ** 0j).item() == (torch.zeros(1) ** 0j).item() == 1


def test_unravel_index():
    assert [c.tolist() for c in torch.unravel_index(torch.tensor([5, 0]), (2, 3))] == [[1, 0], [2, 0]]
    assert torch.unravel_index(torch.tensor(7), (2, 3))[0].item() == 0
    assert torch.unravel_index(torch.tensor(0), ()) == ()
    with pytest.raises(TypeError, match="integer dtype"):
        torch.unravel_index(torch.tensor([1.0]), (2, 3))
    with pytest.raises(ValueError, match="negative"):
        torch.unravel_index(torch.tensor([1]), (2, -3))


def test_view_takes_a_dtype_by_name():
    assert torch.ones(2).view(dtype=torch.int32).tolist() == [0x3F800000] * 2
    with pytest.raises(TypeError, match="unexpected keyword argument 'shape'"):
        torch.ones(2).view(shape=2)


def test_out_is_written_where_it_lies():
    a, b, out = torch.arange(6.0), torch.ones(6), torch.empty(6)
    for version in (1, 2):
        assert torch.add(a, b, out=out) is out and out._version == version and out.tolist() == [1, 2, 3, 4, 5, 6]
    room = torch.zeros(8)
    for part in (room[1:7], room[1:7]):  # neither a cache line nor an end of the memory
        torch.mul(a, 2, out=part)
    assert room.tolist() == [0, 0, 2, 4, 6, 8, 10, 0]
    torch.add(a, b, out=a)
    assert a.tolist() == [1, 2, 3, 4, 5, 6]
    for total in ([5, 7, 9], [9, 12, 15]):  # a sum would read what it has overwritten
        assert torch.sum(a.view(2, 3), 0, out=a[:3]).tolist() == total and a[3:].tolist() == [4, 5, 6]


def test_out_is_not_written_where_a_gradient_is_wanted():
    weight, out = torch.ones(3, requires_grad=True), torch.zeros(3)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="automatic differentiation"):
            torch.add(weight, 1, out=out)
        with torch.no_grad():
            torch.add(weight, 1, out=out)
    assert out.tolist() == [2, 2, 2] and not out.requires_grad


def test_softmax_is_of_floating_point_dtypes():
    x = torch.ones(2, 3)
    for name in ("softmax", "log_softmax"):
        for dtype in (int, bool, complex):
            with pytest.raises(NotImplementedError, match=f'"{name}" not implemented'):
                getattr(x, name)(0, dtype=dtype)
        with pytest.raises(NotImplementedError, match=f'"{name}" not implemented'):
            getattr(x + 0j, name)(0)
    assert x.long().softmax(0, dtype=float).dtype is torch.float64


def test_buffers_are_read_as_the_dtype_of_a_python_type():
    assert torch.frombuffer(bytearray(16), dtype=float).tolist() == [0.0, 0.0]
    assert torch.frombuffer(bytearray(16), dtype=int).dtype is torch.int64
