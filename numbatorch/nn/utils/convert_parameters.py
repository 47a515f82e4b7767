"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import numbatorch
from numbatorch import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters, one after another."""
    return numbatorch.cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Let the parameters view consecutive parts of a vector. RuntimeError where it is too short."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected a Tensor, but got: {type(vec).__name__}")
    start = 0
    for parameter in parameters:
        size = parameter.numel()
        parameter.data = vec[start:start + size].view(parameter.shape).data
        start += size
