"""Nested tensors, of parts with different shapes, are not supported: every function says so."""

_NAMES = "as_nested_tensor masked_select narrow nested_tensor nested_tensor_from_jagged to_padded_tensor".split()


def _missing(name):
    def function(*args, **kwargs):
        raise NotImplementedError(f"nested.{name}: nested tensors are not supported; use nn.utils.rnn.pad_sequence "
                                  "with a mask, or a list of tensors")
    function.__name__ = function.__qualname__ = name
    function.__doc__ = "NotImplementedError: nested tensors are not supported."
    return function


globals().update({name: _missing(name) for name in _NAMES})
