"""Copies and joins that are left out of a GPU's programs, whose makers write there at once: bits as eager code's."""

import pytest

import numbatorch as torch
from numbatorch.nn import functional as F
from tests.compiler.agreement import steps_of
from tests.cuda.test_fusion import numbers

pytestmark = pytest.mark.usefixtures("gpu")


def attend(x, weight):
    """Attention of 3 heads as a transformer's block has it, from one product to the next."""
    query, key, value = (t.view(2, 7, 3, 8).transpose(1, 2) for t in (x @ weight).split(24, dim=2))
    heard = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    return heard.transpose(1, 2).reshape(2, 7, 24) @ weight[:, :24]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_writes_rows_in_the_order_of_the_next_product(dtype):
    x, weight = numbers(2, 7, 24, dtype=dtype), numbers(24, 72, dtype=dtype)
    with torch.no_grad():
        found = steps_of(attend, x, weight)
    assert "_attention_forward" in found and not {"_to", "clone", "copy"} & set(found)


def test_gradients_of_attention_are_written_into_their_join():
    x, weight = numbers(2, 7, 24), numbers(24, 72).requires_grad_()

    def step(x):
        return torch.autograd.grad(attend(x, weight).square().sum(), weight)[0]
    found = steps_of(step, x)
    assert "_attention_backward" in found and not {"_to", "cat"} & set(found)


def test_wide_attention_writes_anywhere(sm_90a):
    x, weight = numbers(2, 80, 192, dtype=torch.bfloat16), numbers(192, 576, dtype=torch.bfloat16)

    def function(x):
        query, key, value = (t.view(2, 80, 3, 64).transpose(1, 2) for t in (x @ weight).split(192, dim=2))
        heard = F.scaled_dot_product_attention(query, key, value)
        return heard.transpose(1, 2).reshape(2, 80, 192) @ weight[:, :64]
    found = steps_of(function, x)
    assert "_attention_forward" in found and not {"_to", "clone", "copy"} & set(found)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_parts_of_a_join_are_written_in_place(dim):
    x, y = numbers(4, 6), numbers(4, 6)
    assert "cat" not in steps_of(lambda x, y: torch.cat([x.tanh() * y, y.exp() + 1, x - y], dim) * 2, x, y)


def test_products_go_into_a_join_where_addresses_are_multiples_of_16():
    x, y, z = numbers(4, 6), numbers(6, 4), numbers(3, 5)
    found = steps_of(lambda x, y: torch.cat([x @ y, (x + 1) @ y]).tanh() @ x, x, y)
    assert "cat" not in found
    odd = steps_of(lambda z: torch.cat([(z @ z.t()).cumsum(1), z @ z.t()]) @ z, z)
    assert "cat" in odd  # 36 bytes from its beginning


def test_row_formulas_write_rows_in_another_order():
    x = numbers(3, 5, 16)
    found = steps_of(lambda x: torch.softmax(x, 2).transpose(0, 1).contiguous().view(15, 16) @ x[0].t(), x)
    assert not {"_to", "clone", "copy"} & set(found)


def test_results_of_a_few_long_rows_have_orders_of_their_own():
    x = numbers(3, 2, 16400)
    assert steps_of(lambda x: (x.sum(-1).t().contiguous(), x.amax(-1)), x) == ["fused_sum_amax"]
    assert steps_of(lambda x: (x.amax(-1), x.sum(-1).t().contiguous()), x) == ["fused_amax_sum"]


def test_products_over_one_term_are_elementwise():
    a, b = numbers(9, 1), numbers(1, 7)
    assert len(steps_of(lambda a, b: (a @ b) * 2 + 1, a, b)) == 1
