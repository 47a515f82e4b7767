"""Datasets that are joined to pipes: `source.shuffle().batch(4)`, each step a dataset over the one before."""

from numbatorch.utils.data.datapipes import datapipe, iter, map

__all__ = ["datapipe", "iter", "map"]
