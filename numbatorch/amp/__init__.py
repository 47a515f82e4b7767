"""Automatic mixed precision: `autocast` runs chosen ops in a lower precision, `GradScaler` keeps small gradients.

    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = loss_function(model(input), target)
    loss.backward()
"""

from .autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from .grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
