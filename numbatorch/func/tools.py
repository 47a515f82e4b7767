"""What else torch.func has: unwrapping for debugging, functionalize, rearrange."""

import functools

from numbatorch.transforms.wrapped import WrappedTensor


def debug_unwrap(tensor, *, recurse=True):
    """The tensor that a transform's tensor wraps (all levels of it), for looking at values; plain ones unchanged."""
    while isinstance(tensor, WrappedTensor):
        tensor = tensor._value
        if not recurse:
            break
    return tensor


def functionalize(func, *, remove="mutations"):
    """`func` itself: transforms here follow in-place changes and views, so nothing has to be removed first."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. "
                           "Valid options are: 'mutations', 'mutations_and_views'")

    @functools.wraps(func)
    def same(*args, **kwargs):
        return func(*args, **kwargs)
    return same


def rearrange(tensor, pattern, **axes_lengths):
    """Reorder, split and join dimensions by a pattern such as "b (h w) c -> b c h w" (Rogozhnikov 2022, Einops)."""
    from .patterns import rearranged
    return rearranged(tensor, pattern, axes_lengths)
