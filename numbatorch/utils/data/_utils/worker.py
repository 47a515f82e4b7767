"""What a worker process knows of itself: see numbatorch/utils/data/worker.py."""

from numbatorch.utils.data.worker import WorkerInfo, get_worker_info

__all__ = ["WorkerInfo", "get_worker_info"]
