"""A walk through numbatorch: tensors, views, gradients, seeds, kernels.

    python examples/tour.py
"""

import numpy as np

import numbatorch as torch
from numbatorch.plan import show


def main():
    """Print what each part does."""
    grid = torch.arange(12).view(3, 4)
    column = grid[:, 1]
    column.mul_(10)                                    # a view: the grid changes
    print(grid)

    array = np.zeros(3, np.float32)
    shared = torch.from_numpy(array)                   # no copy, both ways
    shared += 1
    print(array)

    x = torch.tensor([0.0, 1.0, 2.0], requires_grad=True)
    y = (x.sin() * x).sum()
    (first,) = torch.autograd.grad(y, x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)    # derivatives of derivatives
    print(first, second)

    torch.manual_seed(0)
    print(torch.rand(3))                               # PyTorch's own numbers: 0.4963, 0.7682, 0.0885

    weight = torch.nn.Linear(3, 2).weight
    print(weight.shape, weight.requires_grad)

    print(show("sigmoid", "float32", "contiguous"))    # the kernel that torch.sigmoid runs
    return first, second


if __name__ == "__main__":
    main()
