"""Products of operands that the fast kernels do not read as they are: other dtypes, any strides."""

import itertools

import numpy as np
import pytest

import numbatorch as nt

TOLERANCE = {"float32": 3e-6, "float64": 1e-14, "bfloat16": 8e-3, "float16": 1e-3, "complex64": 3e-6,
             "complex128": 1e-14}


def stored(values, dtype, how):
    """(tensor, its values as NumPy's) with strides of a kind: contiguous, transposed, with gaps, expanded."""
    x = nt.tensor(values).to(getattr(nt, dtype))
    if how == "transposed":
        x = x.transpose(-1, -2).contiguous().transpose(-1, -2)
    elif how == "gaps":
        x = nt.stack([x, x], -1)[..., 0]
    elif how == "expanded":
        x = x[:1, :1, :1].expand(*values.shape)
    exact = x.to(nt.complex128 if x.is_complex() else nt.float64)
    return x, exact.numpy()


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_any_strides(dtype):
    rng = np.random.default_rng(0)
    hows = ("contiguous", "transposed", "gaps", "expanded")
    for (b, m, n, k), left, right in itertools.product(((3, 6, 35, 20), (2, 1, 40, 9)), hows, hows):
        shapes = (b, m, k), (b, k, n)
        parts = [rng.standard_normal(s) + (1j * rng.standard_normal(s) if "complex" in dtype else 0) for s in shapes]
        (x, a), (y, c) = stored(parts[0], dtype, left), stored(parts[1], dtype, right)
        expected, scale = a @ c, np.abs(a) @ np.abs(c) + 1
        for result, wanted, size in ((nt.bmm(x, y), expected, scale), (nt.mm(x[0], y[0]), expected[0], scale[0])):
            got = result.to(nt.complex128 if result.is_complex() else nt.float64).numpy()
            assert (abs(got - wanted) / size).max() < TOLERANCE[dtype], (b, m, n, k, left, right)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "complex64"])
def test_linear_with_bias(dtype):
    rng = np.random.default_rng(1)
    x, w, b = (nt.tensor(rng.standard_normal(s)).to(getattr(nt, dtype)) for s in ((5, 33), (40, 33), (40,)))
    wide = nt.complex128 if dtype == "complex64" else nt.float64
    got = nt.nn.functional.linear(x, w, b).to(wide).numpy()
    exact = [t.to(wide).numpy() for t in (x, w, b)]
    expected = exact[0] @ exact[1].T + exact[2]
    assert abs(got - expected).max() <= TOLERANCE[dtype] * 2 * abs(expected).max()


def test_gradient_of_a_sum_is_a_product_of_an_expanded_number():
    x, w = nt.ones(3, 4, requires_grad=True), nt.arange(20.0).reshape(4, 5).requires_grad_()
    (x @ w).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.broadcast_to(w.detach().numpy().sum(1), (3, 4)))
    np.testing.assert_array_equal(w.grad.numpy(), np.full((4, 5), 3.0))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_convolution_of_narrow_types(dtype):
    rng = np.random.default_rng(2)
    x, w, b = (nt.tensor(rng.standard_normal(s)).to(getattr(nt, dtype)) for s in ((2, 3, 9, 40), (4, 3, 3, 3), (4,)))
    got = nt.nn.functional.conv2d(x, w, b, padding=1).double().numpy()
    expected = nt.nn.functional.conv2d(x.double(), w.double(), b.double(), padding=1).numpy()
    assert abs(got - expected).max() <= TOLERANCE[dtype] * abs(expected).max()


def test_long_rows_of_many_channels_do_not_fit_a_block():
    x, w = nt.ones(1, 64, 1000), nt.ones(1, 64, 7)
    result = nt.nn.functional.conv1d(x, w, padding=3)
    assert result[0, 0, 500].item() == 64 * 7 and result[0, 0, 0].item() == 64 * 4


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64"])
@pytest.mark.parametrize("how", ["contiguous", "transposed", "gaps"])
def test_integers_wrap_as_they_are_stored(dtype, how):
    rng = np.random.default_rng(3)
    limits = np.iinfo(dtype)
    for m, n, k in ((1, 1, 1), (7, 40, 33), (1, 20, 50), (30, 1, 50)):
        a, b = (rng.integers(limits.min, limits.max, s, dtype=dtype) for s in ((1, m, k), (1, k, n)))
        x, y = nt.tensor(a), nt.tensor(b)
        if how == "transposed":
            x, y = (t.transpose(1, 2).contiguous().transpose(1, 2) for t in (x, y))
        elif how == "gaps":
            x, y = (nt.stack([t, t], -1)[..., 0] for t in (x, y))
        result = nt.mm(x[0], y[0])
        assert result.dtype is getattr(nt, dtype)
        np.testing.assert_array_equal(result.numpy(), a[0] @ b[0])


def test_bfloat16_of_odd_depth_and_of_views_at_odd_places():
    rng = np.random.default_rng(4)
    for k in (1, 2, 7, 8, 31, 600):
        x, w = (nt.tensor(rng.standard_normal(s)).to(nt.bfloat16) for s in ((6, k + 1), (k + 1, 40)))
        for a, b in ((x[:, 1:], w[1:]), (x[:, :k], w[:k]), (x[:, 1:], w.t().contiguous().t()[1:])):
            exact = a.double().numpy() @ b.double().numpy()
            scale = np.abs(a.double().numpy()) @ np.abs(b.double().numpy())
            assert (abs(nt.mm(a, b).double().numpy() - exact) <= 5e-3 * scale + 1e-30).all(), k


def test_bytes_are_multiplied_exactly_into_int32():
    rng = np.random.default_rng(5)
    sizes = ((1, 1, 1), (5, 7, 9), (1, 8, 3), (70, 300, 131), (8, 1, 3), (33, 20, 1), (40, 50, 197), (17, 300, 64),
             (2, 600, 8), (3, 5, 0))
    for (m, n, k), left, right in itertools.product(sizes, (False, True), (False, True)):
        a, b = (rng.integers(-128, 128, s, dtype=np.int8) for s in ((m, k), (k, n)))
        x = nt.tensor(a.T.copy()).t() if left else nt.tensor(a)
        y = nt.tensor(b.T.copy()).t() if right else nt.tensor(b)
        expected = a.astype(np.int32) @ b.astype(np.int32)
        result = nt._int_mm(x, y)
        assert result.dtype is nt.int32
        np.testing.assert_array_equal(result.numpy(), expected)
        np.testing.assert_array_equal((x @ y).numpy(), expected.astype(np.int8))
    extreme = nt.full((2, 5000), -128, dtype=nt.int8)
    assert nt._int_mm(extreme, extreme.t()).tolist() == [[5000 << 14] * 2] * 2
    with pytest.raises(RuntimeError, match="int8 matrices, got int32"):
        nt._int_mm(nt.ones(2, 2, dtype=nt.int32), extreme[:, :2])


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("turned", [False, True])
def test_columns_of_complex_numbers_leave_the_matrix_where_it_is(dtype, turned):
    rng = np.random.default_rng(5)
    a, v = (nt.from_numpy(rng.standard_normal(s) + 1j * rng.standard_normal(s)).to(getattr(nt, dtype))
            for s in ((70, 70), (70,)))
    matrix = a.t() if turned else a
    tolerance = 20 * TOLERANCE[dtype]
    for given in (matrix, matrix.conj(), matrix[::2], matrix[:, :40]):
        vector = v[:given.shape[1]]
        exact = given.to(nt.complex128).numpy() @ vector.to(nt.complex128).numpy()
        np.testing.assert_allclose((given @ vector).numpy(), exact, rtol=tolerance, atol=tolerance)
    exact = np.vdot(v.to(nt.complex128).numpy(), matrix[3].to(nt.complex128).numpy())
    np.testing.assert_allclose(complex(nt.vdot(v, matrix[3])), exact, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", [(37, 45, 19), (64, 70, 256), (20, 33, 1024), (30, 40, 1030), (3, 64, 32)])
@pytest.mark.parametrize("turned", [False, True])
def test_results_of_bfloat16_are_the_rounded_sums(shape, turned):
    m, n, k = shape
    rng = np.random.default_rng(7)  # small whole numbers: sums are exact in float32, and many lie between two bfloat16
    a, b = (nt.from_numpy(rng.integers(-9, 10, s).astype(np.float32)) for s in ((m, k), (n, k) if turned else (k, n)))
    bias = nt.from_numpy(rng.integers(-99, 100, n).astype(np.float32))
    right = b.t() if turned else b
    narrow = [x.to(nt.bfloat16) for x in (a, b, bias)]
    found = narrow[0] @ (narrow[1].t() if turned else narrow[1])
    assert found.dtype is nt.bfloat16 and found.equal((a @ right).to(nt.bfloat16))
    if turned:
        linear = nt.nn.functional.linear
        assert linear(*narrow).equal(linear(a, b, bias).to(nt.bfloat16))
    a[0, 0] = float("nan")
    assert (a.to(nt.bfloat16) @ right.to(nt.bfloat16))[0].isnan().all()


@pytest.mark.parametrize("name", ["addmm", "baddbmm"])
def test_sums_with_products_of_bfloat16_are_rounded_once(name):
    rng = np.random.default_rng(11)
    batch = () if name == "addmm" else (3,)
    shapes = ((20, 33), (20, 301), (301, 33))
    exact = [nt.from_numpy(rng.integers(-9, 10, (*batch, *s)).astype(np.float32)) for s in shapes]
    narrow = [x.to(nt.bfloat16) for x in exact]
    found = getattr(nt, name)(*narrow, beta=3, alpha=0.5)
    assert found.equal(getattr(nt, name)(*exact, beta=3, alpha=0.5).to(nt.bfloat16))
    with pytest.raises(RuntimeError, match="cannot be multiplied|Expected size"):
        getattr(nt, name)(narrow[0], narrow[1], narrow[1])


@pytest.mark.parametrize("dtype", ["int8", "int32", "bfloat16", "complex64"])
@pytest.mark.parametrize("shape", [(5, 1, 24), (9, 7, 24), (1, 7, 3)])
def test_linear_without_bias(dtype, shape):
    rows, columns, depth = shape
    rng = np.random.default_rng(12)
    x, weight = (nt.from_numpy(rng.integers(-2, 3, (n, depth))).to(getattr(nt, dtype)) for n in (rows, columns))
    exact = [(t.to(nt.complex128) if t.is_complex() else t.to(nt.float64)).numpy() for t in (x, weight)]
    found = nt.nn.functional.linear(x, weight)
    assert found.to(nt.complex128).numpy().tolist() == (exact[0] @ exact[1].T + 0j).tolist()


@pytest.mark.parametrize("dtype", [*TOLERANCE, "int32"])
def test_dot_products_are_sums_of_rows(dtype):
    rng = np.random.default_rng(13)
    for n in (0, 1, 70, 40000):
        parts = [rng.integers(-9, 10, (2, n)) * (1 + (1j if "complex" in dtype else 0)) for _ in range(2)]
        (x, u), (y, v) = ([nt.from_numpy(row).to(getattr(nt, dtype)) for row in part] for part in parts)
        strided = nt.stack([x, u], 1)[:, 0]
        expected = sum(parts[0][0] * parts[1][0])
        for found in (nt.dot(x, y), nt.dot(strided, y), x @ y, nt.bmm(x.view(1, 1, n), y.view(1, n, 1)).squeeze()):
            assert found.shape == () and found.dtype is x.dtype
            if dtype in ("float64", "float32", "complex64", "complex128", "int32"):
                assert found.item() == expected  # exact: these sums are whole numbers below 2^24
            else:
                assert abs(found.item() - expected) <= TOLERANCE[dtype] * abs(expected)
        assert nt.vdot(x, y).to(nt.complex128).item() == pytest.approx(np.vdot(parts[0][0], parts[1][0]), rel=8e-3)


def test_dot_products_have_the_same_bits_for_any_number_of_threads():
    before = nt.get_num_threads()
    found = []
    for threads in (1, 2, 4):
        nt.set_num_threads(threads)
        nt.manual_seed(0)
        x, y = nt.randn(2, 100003, dtype=nt.complex64)
        found.append((nt.dot(x, y).item(), nt.vdot(x, y).item(), nt.dot(x.real, y.imag).item()))
    nt.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_gradients_of_dot_products():
    a, b = (nt.randn(5, dtype=nt.complex128, requires_grad=True) for _ in range(2))
    assert nt.autograd.gradcheck(nt.dot, (a, b)) and nt.autograd.gradcheck(nt.vdot, (a, b))
    assert nt.autograd.gradgradcheck(nt.vdot, (a, b))
    batch = nt.randn(3, 5, dtype=nt.complex128)
    rows = [nt.vdot(row, b) for row in batch]
    assert nt.allclose(nt.func.vmap(nt.vdot, (0, None))(batch, b), nt.stack(rows))


@pytest.mark.parametrize("dtype, shape, hows", [
    ("float32", (2, 2, 2), "contiguous transposed"), ("float32", (3, 3, 1), "gaps contiguous"),
    ("float32", (1, 4, 1), "expanded contiguous"), ("float64", (4, 3, 2), "transposed expanded"),
    ("bfloat16", (2, 2, 2), "contiguous contiguous"), ("float16", (1, 2, 3), "contiguous gaps"),
    ("complex64", (2, 2, 2), "contiguous transposed")])
def test_batches_of_a_few_numbers(dtype, shape, hows):
    m, k, n = shape
    rng = np.random.default_rng(14)  # whole numbers, whose products and sums are exact
    parts = [rng.integers(-4, 5, s) + (1j * rng.integers(-4, 5, s) if dtype == "complex64" else 0.0)
             for s in ((20, m, k), (20, k, n))]
    (x, a), (y, b) = (stored(part, dtype, how) for part, how in zip(parts, hows.split(), strict=True))
    found = nt.bmm(x, y)
    assert found.dtype is x.dtype
    np.testing.assert_array_equal(found.to(nt.complex128).numpy(), (a @ b).astype(complex))
    for rows in range(20):  # and in small batches, which other kernels multiply
        assert nt.bmm(x[rows:rows + 1], y[rows:rows + 1]).equal(found[rows:rows + 1])


def test_gradients_of_batches_of_a_few_numbers():
    x, y = (nt.randn(16, 2, 2, dtype=nt.float64, requires_grad=True) for _ in range(2))
    nt.bmm(x, y).square().sum().backward()
    grad = 2 * (x @ y).detach()
    assert nt.allclose(x.grad, grad @ y.detach().mT) and nt.allclose(y.grad, x.detach().mT @ grad)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(1, 300, 530), (3, 600, 33), (8, 300, 200), (9, 520, 70), (60, 270, 100),
                                   (1, 9000, 5), (50, 40, 1), (2, 5000, 7)])
def test_right_sides_of_16_bits_are_read_where_they_are(dtype, shape):
    m, k, n = shape
    rng = np.random.default_rng(15)
    for left, right in itertools.product((False, True), repeat=2):
        x, y = (nt.from_numpy(rng.integers(-4, 5, s)).to(getattr(nt, dtype)) for s in ((m, k), (k, n)))
        exact = x.double() @ y.double()  # sums of whole numbers: exact in float32
        x, y = (t.t().contiguous().t() if turned else t for t, turned in ((x, left), (y, right)))
        assert (x @ y).equal(exact.to(x.dtype)), (left, right)
        bias = nt.arange(n).to(x.dtype)
        assert nt.nn.functional.linear(x, y.t(), bias).equal((exact + bias.double()).to(x.dtype)), (left, right)
        assert nt.bmm(x.expand(2, m, k), y.expand(2, k, n))[1].equal(exact.to(x.dtype)), (left, right)


def test_float16_keeps_what_is_no_number_and_what_is_small():
    x = nt.tensor([[1.0, 2.0]], dtype=nt.float16)
    y = nt.tensor([[float("inf"), 2.0**-24, float("nan"), 65504.0], [1.0, 0.0, 1.0, 65504.0]], dtype=nt.float16)
    expected = [float("inf"), 2.0**-24, float("nan"), float("inf")]
    for right in (y, y.t().contiguous().t()):
        np.testing.assert_array_equal((x @ right)[0].double().numpy(), expected)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("factors", [(1, 1), (3, 0.5), (0, 1)])
@pytest.mark.parametrize("shape", [(50,), (1,), ()])
def test_sums_with_columns_are_rounded_once(dtype, factors, shape):
    rng = np.random.default_rng(16)
    beta, alpha = factors
    exact = [nt.from_numpy(np.asarray(rng.integers(-99, 100, s)).astype(np.float32)) for s in (shape, (50, 30), (30,))]
    narrow = [x.to(getattr(nt, dtype)) for x in exact]
    expected = (beta * exact[0] + alpha * (exact[1] @ exact[2])).to(narrow[0].dtype)
    assert nt.addmv(*narrow, beta=beta, alpha=alpha).equal(expected)
    rows = exact[2].view(1, 30)
    if shape == (50,):
        found = nt.addmm(narrow[0], rows.to(narrow[0].dtype), narrow[1].t(), beta=beta, alpha=alpha)
        assert found.shape == (1, 50) and found[0].equal(expected)


@pytest.mark.parametrize("dtype", [nt.float16, nt.float32])
def test_addmv_refuses_rows_and_other_dtypes(dtype):
    mat, vec = nt.ones(3, 4, dtype=dtype), nt.ones(4, dtype=dtype)
    for shape in (1, 3), (3, 1):
        with pytest.raises(RuntimeError, match="addmv: vector"):
            nt.addmv(nt.ones(shape, dtype=dtype), mat, vec)
    with pytest.raises(RuntimeError, match="addmv: expected operands of the same dtype"):
        nt.addmv(nt.ones(3, dtype=nt.float64), mat, vec)


def test_gradients_of_sums_that_start_from_a_row():
    given = [nt.randn(*s, dtype=nt.float64, requires_grad=True) for s in ((4,), (4, 3), (3,))]
    assert nt.autograd.gradcheck(nt.addmv, given)
    given = [nt.randn(*s, dtype=nt.float64, requires_grad=True) for s in ((4,), (2, 3), (3, 4))]
    assert nt.autograd.gradcheck(nt.addmm, given)
