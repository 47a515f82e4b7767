"""What nn.functional has beside the op table's own functions: in-place forms, products in groups and of float8."""

import pytest

import numbatorch as nt
from numbatorch.nn import functional as F

ROWS, BLOCKS = F.ScalingType.RowWise, F.ScalingType.BlockWise128x128
WHOLE = F.ScalingType.TensorWise


@pytest.mark.parametrize(("name", "arguments"), [("celu", (1.5,)), ("elu", (2.0,)), ("hardtanh", (-0.5, 0.5)),
                                                 ("leaky_relu", (0.1,)), ("relu", ()), ("rrelu", (0.1, 0.2)),
                                                 ("selu", ()), ("threshold", (0.3, -2.0))])
def test_in_place_forms(name, arguments):
    x = nt.linspace(-2, 2, 9)
    expected = getattr(F, name)(x, *arguments)
    assert getattr(F, f"{name}_")(x, *arguments) is x
    nt.testing.assert_close(x, expected)


def test_in_place_forms_carry_gradients_and_names():
    x = nt.linspace(-2, 2, 5).requires_grad_()
    F.leaky_relu_(x * 1, negative_slope=0.5).sum().backward()
    assert x.grad.tolist() == [0.5, 0.5, 0.5, 1, 1]
    with pytest.raises(TypeError, match="inplace"):
        F.relu_(x, inplace=True)


def test_conv_tbc_is_conv1d_with_time_in_front():
    x, weight, bias = nt.randn(7, 2, 3), nt.randn(3, 3, 4), nt.randn(4)
    expected = F.conv1d(x.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=1)
    nt.testing.assert_close(F.conv_tbc(x, weight, bias, 1), expected.permute(2, 0, 1))


def test_groups_of_rows_columns_and_sums():
    nt.manual_seed(0)
    ends = nt.tensor([2, 2, 5], dtype=nt.int32)
    long, stack, tall = nt.randn(6, 4), nt.randn(3, 4, 5), nt.randn(4, 6)
    rows = F.grouped_mm(long, stack, offs=ends)
    nt.testing.assert_close(rows, nt.cat([long[:2] @ stack[0], long[2:5] @ stack[2], nt.zeros(1, 5)]))
    columns = F.grouped_mm(stack.mT, tall, offs=ends)
    nt.testing.assert_close(columns, nt.cat([stack[0].T @ tall[:, :2], stack[2].T @ tall[:, 2:5], nt.zeros(5, 1)], 1))
    sums = F.grouped_mm(tall, long, offs=ends)
    nt.testing.assert_close(sums, nt.stack([tall[:, :2] @ long[:2], nt.zeros(4, 4), tall[:, 2:5] @ long[2:5]]))
    nt.testing.assert_close(F.grouped_mm(stack, stack.mT), stack @ stack.mT)


def test_groups_have_gradients_a_bias_and_an_output_dtype():
    ends = nt.tensor([2, 3], dtype=nt.int32)
    a, b = nt.randn(3, 4, dtype=nt.float64).requires_grad_(), nt.randn(2, 4, 2, dtype=nt.float64).requires_grad_()
    assert nt.autograd.gradcheck(lambda a, b: F.grouped_mm(a, b, offs=ends), (a, b))
    result = F.grouped_mm(a, b, offs=ends, bias=nt.ones(2, dtype=nt.float64), out_dtype=nt.float32)
    assert result.dtype is nt.float32
    nt.testing.assert_close(result, (F.grouped_mm(a, b, offs=ends) + 1).float())


@pytest.mark.parametrize(("a", "b", "ends", "message"), [
    ((4, 3), (2, 3, 5), None, "offs has to be given"), ((2, 4, 3), (2, 3, 5), [2, 4], "offs has to be given"),
    ((4, 3), (2, 3, 5), [4], "1 groups, but the 3-d operand 2"), ((4, 3), (2, 3, 5), [2, 7], "at most 4"),
    ((4, 3), (2, 4, 5), [2, 4], "contraction dimension"), ((4,), (2, 4, 5), [2, 4], "2 or 3 dimensional")])
def test_group_errors(a, b, ends, message):
    offs = None if ends is None else nt.tensor(ends, dtype=nt.int32)
    with pytest.raises(RuntimeError, match=message):
        F.grouped_mm(nt.zeros(a), nt.zeros(b), offs=offs)
    with pytest.raises(RuntimeError, match="int32"):
        F.grouped_mm(nt.zeros(4, 3), nt.zeros(2, 3, 5), offs=nt.tensor([2, 4]))


def _float8(*shape):
    return nt.randn(*shape).to(nt.float8_e4m3fn)


def test_scaled_products():
    nt.manual_seed(0)
    a, b = _float8(3, 130), _float8(130, 4)
    plain = a.float() @ b.float()
    whole = F.scaled_mm(a, b, nt.tensor(2.0), WHOLE, nt.tensor(0.5), WHOLE, output_dtype=nt.float32,
                        bias=nt.ones(4))
    nt.testing.assert_close(whole, plain + 1)
    left, right = nt.rand(3, 1) + 1, nt.rand(1, 4) + 1
    rows = F.scaled_mm(a, b, left, ROWS, right, ROWS, output_dtype=nt.float32)
    nt.testing.assert_close(rows, plain * left * right)
    blocks, tiles = nt.rand(3, 2) + 1, nt.rand(2, 1) + 1
    mixed = F.scaled_mm(a, b, [blocks], [F.ScalingType.BlockWise1x128], [tiles], [BLOCKS], output_dtype=nt.float32)
    expected = sum((a.float()[:, part] * blocks[:, k:k + 1]) @ (b.float()[part] * tiles[k])
                   for k, part in enumerate((slice(0, 128), slice(128, 130))))
    nt.testing.assert_close(mixed, expected)
    assert F.scaled_mm(a, b, left, ROWS, right, ROWS).dtype is nt.bfloat16
    assert F.scaled_mm(a, b, left, ROWS, right, ROWS, output_dtype=None).dtype is nt.float8_e4m3fn


def test_scaled_products_in_groups():
    a, b = _float8(5, 3), _float8(2, 3, 4)
    left, right = nt.rand(5) + 1, nt.rand(2, 4) + 1
    ends = nt.tensor([2, 5], dtype=nt.int32)
    result = F.scaled_grouped_mm(a, b, left, ROWS, right, ROWS, offs=ends, output_dtype=nt.float32)
    expected = nt.cat([(a[:2].float() @ b[0].float()) * right[0], (a[2:].float() @ b[1].float()) * right[1]])
    nt.testing.assert_close(result, expected * left.unsqueeze(1))


def test_scaled_products_name_what_they_do_not_take():
    a, b, one = _float8(4, 3), _float8(3, 2), nt.tensor(1.0)
    with pytest.raises(ValueError, match=r"needs scales \(4, 1\), got \(3, 1\)"):
        F.scaled_mm(a, b, nt.ones(3, 1), ROWS, nt.ones(1, 2), ROWS)
    with pytest.raises(ValueError, match="mat_b has to be float8"):
        F.scaled_mm(a, b.float(), one, WHOLE, one, WHOLE)
    with pytest.raises(NotImplementedError, match="BlockWise1x16"):
        F.scaled_mm(a, b, one, F.ScalingType.BlockWise1x16, one, WHOLE)
    with pytest.raises(NotImplementedError, match="swizzle"):
        F.scaled_mm(a, b, one, WHOLE, one, WHOLE, F.SwizzleType.SWIZZLE_32_4_4)
