"""Functions that PyTorch also has under this name: those of `numbatorch` itself."""

import numbatorch

__all__ = """
    atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors cartesian_prod cdist chain_matmul
    einsum istft lu meshgrid norm pca_lowrank split stft svd_lowrank tensordot unique unique_consecutive unravel_index
""".split()


def __getattr__(name):
    if name in __all__:
        return getattr(numbatorch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
