"""Conditions that libraries state about their arguments, each with the exception it raises where they fail."""


def _assert(condition, message):
    """AssertionError with the message where the condition, a bool or a tensor of one element, does not hold."""
    if not condition:
        raise AssertionError(message)


def _assert_async(input, assert_msg="Expected Tensor with single nonzero value, but got zero"):
    """RuntimeError where the one element of a tensor is zero; at once, as there is nothing to wait for."""
    if input.numel() != 1:
        raise RuntimeError(f"_assert_async: needs a tensor of one element, got shape {tuple(input.shape)}")
    if not input.item():
        raise RuntimeError(assert_msg)


def _check_with(error_type, cond, message=None):
    """`error_type` where `cond` does not hold; `message` is a function that is called for the words.

    TypeError for a condition that is no bool, or a message that is no function.
    """
    from .symbolic import SymBool
    if not isinstance(cond, (bool, SymBool)):
        raise TypeError(f"cond must be a bool, but got {type(cond)}")
    if cond:
        return
    if message is not None and not callable(message):
        raise TypeError("message must be a callable")
    words = "a condition does not hold, and its check says no more" if message is None else str(message())
    raise error_type(words)


def _check(cond, message=None):
    """RuntimeError where `cond` does not hold."""
    _check_with(RuntimeError, cond, message)


def _check_index(cond, message=None):
    """IndexError where `cond` does not hold."""
    _check_with(IndexError, cond, message)


def _check_value(cond, message=None):
    """ValueError where `cond` does not hold."""
    _check_with(ValueError, cond, message)


def _check_type(cond, message=None):
    """TypeError where `cond` does not hold."""
    _check_with(TypeError, cond, message)


def _check_not_implemented(cond, message=None):
    """NotImplementedError where `cond` does not hold."""
    _check_with(NotImplementedError, cond, message)


def _check_is_size(i, message=None, *, max=None):
    """RuntimeError where a number is no size: negative, or beyond `max`."""
    _check(i >= 0, message)
    if max is not None:
        _check(i <= max, message)


def _check_tensor_all_with(error_type, cond, message=None):
    """`error_type` where an element of a bool tensor is False. TypeError for what is no bool tensor."""
    from .dtypes import bool as bool_dtype
    from .tensor import Tensor
    if not isinstance(cond, Tensor):
        raise TypeError(f"cond must be a tensor, but got {type(cond)}")
    if cond.dtype != bool_dtype:
        raise TypeError(f"cond tensor must have dtype bool, but got {cond.dtype}")
    _check_with(error_type, bool(cond.all().item()), message)


def _check_tensor_all(cond, message=None):
    """RuntimeError where an element of a bool tensor is False."""
    _check_tensor_all_with(RuntimeError, cond, message)
