"""Indices that are tensors inside vmap, by the name that mask functions look for."""


class TransformGetItemToIndex:
    """`with TransformGetItemToIndex():` lets x[i] gather where i is a number in each element of a vmap.

    Indexing does so at all times here, so nothing changes inside.
    """

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None
