"""What makes a batch from indices: see numbatorch/utils/data/worker.py."""

from numbatorch.utils.data.worker import MapFetcher as _MapDatasetFetcher, StreamFetcher as _IterableDatasetFetcher

__all__ = ["_IterableDatasetFetcher", "_MapDatasetFetcher"]
