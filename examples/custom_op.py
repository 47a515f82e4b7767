"""Ops of your own: one formula gives forward and backward kernels for every layout and dtype.

    python examples/custom_op.py
"""

import numbatorch as torch
from numbatorch.library import check, elementwise, exp, reduction, row_length, row_sum, sigmoid, where


@elementwise
def swish(input, beta: float = 1.0):
    """input * sigmoid(beta * input) (arXiv:1710.05941)."""
    return input * sigmoid(beta * input)


@elementwise(grad=lambda grad, input: grad * where(input > 0, 1, exp(input)))
def shifted_elu(input):
    """input + 1 above 0, e^input below; the gradient is declared, so it is used instead of the derived one."""
    return where(input > 0, input + 1, exp(input))


@reduction
def root_mean_square(input, dim=None, keepdim=False):
    """sqrt(mean of squares) over `dim`; NaN of nothing."""
    return (row_sum(input * input) / row_length) ** 0.5


def main():
    """Run and check the three ops; returns their results."""
    x = torch.linspace(-2, 2, 5, requires_grad=True)
    results = swish(x, 1.5), shifted_elu(x), root_mean_square(x)
    for result in results:
        print(result)
    sum(r.sum() for r in results).backward()
    print("gradient:", x.grad)
    for op in (swish, shifted_elu, root_mean_square):
        check(op)  # against finite differences
    return results


if __name__ == "__main__":
    main()
