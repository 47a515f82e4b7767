"""The older names of mixed precision for the CPU; see numbatorch.amp."""


def autocast(enabled=True, dtype=None, cache_enabled=True):
    """`torch.autocast("cpu", ...)`; dtype defaults to bfloat16."""
    from ..amp import autocast as make
    return make("cpu", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)


def GradScaler(init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True):
    """`torch.amp.GradScaler("cpu", ...)`."""
    from ..amp import GradScaler as make
    return make("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
