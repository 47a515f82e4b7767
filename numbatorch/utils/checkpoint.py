"""Trade time for memory: do not keep what a part of a model computes, compute it again in the backward pass.

    hidden = checkpoint(block, hidden, use_reentrant=False)
"""

import contextlib
import warnings

import numbatorch as torch

from ..autograd import engine
from .recomputation import CheckpointError, Frame, GraphExecGroup, options, setting
from .selective import (
    SAC_IGNORED_OPS,
    CheckpointPolicy,
    SelectiveCheckpointContext,
    create_selective_checkpoint_contexts,
)

__all__ = ["checkpoint", "checkpoint_sequential", "CheckpointError", "CheckpointFunction", "check_backward_validity",
           "detach_variable", "get_device_states", "set_device_states", "noop_context_fn", "set_checkpoint_early_stop",
           "DefaultDeviceType", "set_checkpoint_debug_enabled", "CheckpointPolicy", "SelectiveCheckpointContext",
           "create_selective_checkpoint_contexts", "SAC_IGNORED_OPS", "GraphExecGroup"]


def noop_context_fn():
    """Two contexts that do nothing: what `checkpoint` runs both passes in unless told otherwise."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def set_checkpoint_early_stop(enable):
    """Context manager: whether the second run stops once all is there that backward needs, for checkpoints made inside
    (it comes before their `early_stop`)."""
    return setting("early_stop", bool(enable))


def set_checkpoint_debug_enabled(enabled):
    """Context manager: whether checkpoints made inside log their operations for error messages; None leaves it to
    their `debug`."""
    return setting("debug", enabled)


def checkpoint(function, *args, use_reentrant=None, context_fn=noop_context_fn, determinism_check="default",
               debug=False, early_stop=True, **kwargs):
    """function(*args), without keeping what it computes for backward: backward runs it again.

    use_reentrant=False (recommended): what nodes would save is filled in when backward asks for it. Keyword arguments
    go to the function; `grad` and nested checkpoints work; `context_fn()` gives contexts for the first and second run;
    CheckpointError where the second run saves other tensors (`determinism_check="none"`: only where fewer or more);
    `debug` adds the operations of both to the message; `early_stop` ends the second run when all is there.
    use_reentrant=True: backward of a Function that runs it again and differentiates that; only top-level tensors among
    `args` are inputs, and only `backward()` without `inputs` works. None means True, with a warning.
    preserve_rng_state (keyword, True): the second run draws the same random numbers. Both use the first run's autocast.
    """
    if use_reentrant is None:
        warnings.warn("torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. "
                      "use_reentrant=False is recommended; without it the value is True.", stacklevel=2)
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve, *args)
    if determinism_check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ['default', 'none'], but got {determinism_check}")
    forward_context, recompute_context = context_fn()
    if not torch.is_grad_enabled():
        with forward_context:
            return function(*args, **kwargs)
    frame = Frame(function, args, kwargs, preserve_rng_state=preserve, recompute_context=recompute_context,
                  determinism_check=determinism_check, debug=debug if options.debug is None else options.debug,
                  early_stop=early_stop if options.early_stop is None else options.early_stop)
    return frame.run(forward_context, args, kwargs)


def checkpoint_sequential(functions, segments, input, use_reentrant=None, **kwargs):
    """Modules (an nn.Sequential or a list) one after the other, in `segments` parts; all but the last checkpointed.

    preserve_rng_state as in `checkpoint`. ValueError for other keyword arguments, or fewer modules than segments.
    """
    if use_reentrant is None:
        warnings.warn("torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed "
                      "explicitly. use_reentrant=False is recommended; without it the value is True.", stacklevel=2)
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    modules = list(functions.children()) if isinstance(functions, torch.nn.Sequential) else list(functions)
    if not 1 <= segments <= len(modules):
        raise ValueError(f"checkpoint_sequential: {len(modules)} modules cannot be run in {segments} segments")

    def part(start, end):
        def run(value):
            for module in modules[start:end]:
                value = module(value)
            return value
        return run
    size, end = len(modules) // segments, 0
    for start in range(0, size * (segments - 1), size):
        end = start + size
        input = checkpoint(part(start, end), input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return part(end, len(modules))(input)


def detach_variable(inputs):
    """A tuple of tensors without their history, each requiring grad as before; other values stay as they are.

    RuntimeError for anything but a tuple.
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError("Only tuple of tensors is supported. Got Unsupported input type: ", type(inputs).__name__)
    return tuple(v.detach().requires_grad_(v.requires_grad) if isinstance(v, torch.Tensor) else v for v in inputs)


def check_backward_validity(inputs):
    """Warn where no input requires grad, so that a reentrant checkpoint gives none."""
    if not any(v.requires_grad for v in inputs if isinstance(v, torch.Tensor)):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


class DefaultDeviceType:
    """The kind of accelerator whose random state checkpoints keep where no tensor names one; here always the CPU."""

    _kind = "cpu"

    @staticmethod
    def set_device_type(device="cuda"):
        """Set it."""
        DefaultDeviceType._kind = device

    @staticmethod
    def get_device_type():
        """What was set, else "cpu"."""
        return DefaultDeviceType._kind


def get_device_states(*args):
    """(devices, random states) of the accelerators that hold the arguments: none are there, so two empty lists."""
    return [], []


def set_device_states(devices, states, *, device_type=None):
    """Put random states of accelerators back. RuntimeError where one is named: there are none."""
    if devices:
        raise RuntimeError(f"set_device_states: there is no accelerator, got devices={list(devices)!r}")


class CheckpointFunction(torch.autograd.Function):
    """The reentrant form: `CheckpointFunction.apply(function, preserve_rng_state, *args)`."""

    @staticmethod
    def forward(ctx, run_function, preserve_rng_state, *args):
        check_backward_validity(args)
        ctx.function, ctx.preserve = run_function, preserve_rng_state
        ctx.autocast = {"enabled": torch.is_autocast_enabled("cpu"), "dtype": torch.get_autocast_dtype("cpu"),
                        "cache_enabled": torch.is_autocast_cache_enabled()}
        ctx.rng_state = torch.get_rng_state() if preserve_rng_state else None
        ctx.others = [None if isinstance(v, torch.Tensor) else v for v in args]
        ctx.places = [k for k, v in enumerate(args) if isinstance(v, torch.Tensor)]
        ctx.save_for_backward(*(args[k] for k in ctx.places))
        with torch.no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx, *grads):
        task = engine.current()
        if task is not None and not task.accumulate:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` "
                "parameter to .backward(). To resolve this error, you can either set use_reentrant=False, or call "
                ".backward() without passing the `inputs` argument.")
        inputs = list(ctx.others)
        for k, tensor in zip(ctx.places, ctx.saved_tensors, strict=True):
            inputs[k] = tensor
        inputs = detach_variable(tuple(inputs))
        with contextlib.ExitStack() as stack:
            if ctx.preserve:
                stack.enter_context(torch.random.fork_rng())
                torch.set_rng_state(ctx.rng_state)
            if ctx.autocast["enabled"] or torch.is_autocast_enabled("cpu"):
                stack.enter_context(torch.autocast("cpu", **ctx.autocast))
            stack.enter_context(torch.enable_grad())
            outputs = ctx.function(*inputs)
        outputs = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
        roots = [(o, g) for o, g in zip(outputs, grads, strict=True)
                 if isinstance(o, torch.Tensor) and o.requires_grad]
        if not roots:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        torch.autograd.backward([o for o, _ in roots], [g for _, g in roots])
        return (None, None, *(v.grad if isinstance(v, torch.Tensor) else None for v in inputs))
