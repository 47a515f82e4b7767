"""PyTorch's paths of what a DataLoader is made of: collate, worker, fetch, pin_memory."""

from numbatorch.utils.data._utils import collate, fetch, pin_memory, worker

MP_STATUS_CHECK_INTERVAL = 5.0  # seconds between two looks at whether the other side is alive

__all__ = ["MP_STATUS_CHECK_INTERVAL", "collate", "fetch", "pin_memory", "worker"]
