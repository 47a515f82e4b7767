"""The older names of mixed precision for the GPU; see numbatorch.amp."""


def autocast(enabled=True, dtype=None, cache_enabled=True):
    """`torch.autocast("cuda", ...)`; dtype defaults to float16."""
    from ..amp import autocast as make
    return make("cuda", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)


def GradScaler(init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True):
    """`torch.amp.GradScaler("cuda", ...)`."""
    from ..amp import GradScaler as make
    return make("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


def custom_fwd(fwd=None, *, cast_inputs=None):
    """`torch.amp.custom_fwd` for the GPU."""
    from ..amp import custom_fwd as make
    return make(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd):
    """`torch.amp.custom_bwd` for the GPU."""
    from ..amp import custom_bwd as make
    return make(bwd, device_type="cuda")
