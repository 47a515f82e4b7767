"""Forward mode by hand: tensors with tangents, inside `dual_level()`.

    with dual_level():
        x = make_dual(primal, tangent)
        value, derivative = unpack_dual(function(x))
"""

from collections import namedtuple

from ..transforms.dual import dual, is_dual
from ..transforms.wrapped import Level, running

UnpackedDualTensor = namedtuple("UnpackedDualTensor", ["primal", "tangent"])


def enter_dual_level():
    """Start a level of forward mode; returns its number. RuntimeError inside another one."""
    if running("dual"):
        raise RuntimeError("Nested forward mode AD is not supported at the moment; use torch.func.jvp, which nests")
    return Level("dual").__enter__().depth


def exit_dual_level(*, level=None):
    """End the level of forward mode; tensors made in it keep their primal only."""
    found = running("dual")
    if not found or level not in (None, found[-1].depth):
        raise RuntimeError("Trying to exit a forward AD level but no level, or another one, was entered")
    found[-1].__exit__()


class dual_level:
    """Context manager: tensors may carry tangents inside."""

    def __enter__(self):
        self._level = enter_dual_level()
        return self._level

    def __exit__(self, *_):
        exit_dual_level(level=self._level)


def _current(level):
    found = running("dual")
    if not found:
        raise RuntimeError("Trying to use forward AD without being inside a dual level: `with dual_level():`"
                           if level is None else f"forward AD level {level} does not exist")
    return found[-1]


def make_dual(tensor, tangent, *, level=None):
    """A tensor that carries `tangent`, of the same shape and dtype. RuntimeError outside a dual level, ValueError where
    a tensor has integers."""
    own = _current(level)
    if not (tensor.is_floating_point() or tensor.is_complex()):
        raise ValueError(f"Expected primal to be floating point or complex, but got: {tensor.dtype}")
    if not (tangent.is_floating_point() or tangent.is_complex()):
        raise ValueError(f"Expected tangent to be floating point or complex, but got: {tangent.dtype}")
    if tensor.shape != tangent.shape or tensor.dtype is not tangent.dtype:
        raise RuntimeError(f"make_dual: the tangent must have the primal's shape and dtype, got "
                           f"{list(tangent.shape)} of "
                           f"{tangent.dtype} for {list(tensor.shape)} of {tensor.dtype}")
    if is_dual(tensor, own):
        raise RuntimeError("make_dual: the tensor has a tangent already")
    return dual(tensor.view_as(tensor), tangent, own)


def unpack_dual(tensor, *, level=None):
    """(primal, tangent) of a tensor; the tangent is None where it has none, and outside every level."""
    found = running("dual")
    if level is None and not found:
        return UnpackedDualTensor(tensor, None)
    own = _current(level)
    return (UnpackedDualTensor(tensor._value, tensor._tangent) if is_dual(tensor, own)
            else UnpackedDualTensor(tensor, None))
