"""Moving values from one device to another."""

from .declare import OPS, foreign


@foreign(name="_move", method=False, eager=True, crosses=True,
         input=lambda grad, input_layout: OPS["_move"].call(grad, input_layout.device))
def move(input, device: object, wait: bool = True):
    """The values of `input` on another device."""
    from ..transfer import moved
    return moved(input, device, wait)


@foreign(name="_sample", method=False, eager=True, crosses=True,
         input=lambda grad, input_layout: OPS["_forget"].call(grad, input_layout.device))
def sample(input, device: object):
    """Values of the host in place of those that `input`, a tensor without any, does not have; `device` is the CPU."""
    from ..transfer import sample
    return sample(input._layout)


@foreign(name="_forget", method=False, eager=True, crosses=True,
         input=lambda grad, input_layout: OPS["_sample"].call(grad, input_layout.device))
def forget(input, device: object):
    """The layout of `input`, which was computed from samples, on the device whose tensors have no values."""
    return move.body(input, device)
