"""GradScaler: scale a loss so that small float16 gradients do not vanish, and skip steps that overflowed."""

import warnings
from collections import defaultdict
from enum import Enum
from typing import Any

import numbatorch as torch


class OptState(Enum):
    """How far an optimizer is in the current step."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


class GradScaler:
    """Dynamic loss scaling (Micikevicius et al. 2018, section 3.2).

        scaler.scale(loss).backward()
        scaler.step(optimizer)      # unscales the gradients; skipped when one is infinite or NaN
        scaler.update()

    The scale starts at `init_scale`, is multiplied by `growth_factor` after `growth_interval` good steps and by
    `backoff_factor` after a skipped one. For device "cuda" without a GPU it warns and does nothing.
    """

    def __init__(self, device="cuda", init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000,
                 enabled=True):
        self._device, self._enabled = device, bool(enabled)
        if self._enabled and device == "cuda" and not torch.cuda.is_available():
            warnings.warn("torch.cuda.amp.GradScaler is enabled, but CUDA is not available. Disabling.", stacklevel=2)
            self._enabled = False
        if self._enabled and not growth_factor > 1.0:
            raise AssertionError(f"GradScaler: the growth factor must be > 1.0, got {growth_factor}")
        if self._enabled and not backoff_factor < 1.0:
            raise AssertionError(f"GradScaler: the backoff factor must be < 1.0, got {backoff_factor}")
        self._init_scale, self._growth_factor, self._backoff_factor = init_scale, growth_factor, backoff_factor
        self._growth_interval, self._init_growth_tracker = growth_interval, 0
        self._scale: Any = None
        self._growth_tracker: Any = None
        self._per_optimizer_states: Any = defaultdict(self._fresh)

    @staticmethod
    def _fresh():
        return {"stage": OptState.READY, "found_inf_per_device": {}}

    def _start(self):
        if self._scale is None:
            self._scale = torch.full((), float(self._init_scale), device=self._device)
            self._growth_tracker = torch.full((), self._init_growth_tracker, dtype=torch.int32, device=self._device)

    def scale(self, outputs):
        """A tensor, or an iterable of them, multiplied by the scale."""
        if not self._enabled:
            return outputs
        self._start()
        if isinstance(outputs, torch.Tensor):
            return outputs * self._scale.to(outputs.device)
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(o) for o in outputs)
        if hasattr(outputs, "__iter__"):
            return map(self.scale, outputs)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer):
        """Divide the gradients of an optimizer's parameters by the scale, in place; for clipping before `step`.

        RuntimeError when called twice for one step, or after the step.
        """
        if not self._enabled:
            return
        self._check_scale_growth_tracker("unscale_")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        inverse = self._scale.double().reciprocal().float()
        state["found_inf_per_device"] = self._unscale_grads_(optimizer, inverse, allow_fp16=False)
        state["stage"] = OptState.UNSCALED

    def _unscale_grads_(self, optimizer, inverse, allow_fp16):
        found = torch.zeros((), device=self._device)
        with torch.no_grad():
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    grad = parameter.grad
                    if grad is None:
                        continue
                    if grad.dtype is torch.float16 and not allow_fp16:
                        raise ValueError("Attempting to unscale FP16 gradients.")
                    values = grad._values() if grad.is_sparse else grad
                    found.add_(torch.isfinite(values).all().logical_not())  # asked for once, by `step`
                    values.mul_(inverse)
            found.clamp_(max=1.0)
        return {found.device: found}

    def step(self, optimizer, *args, **kwargs):
        """`optimizer.step(...)` on unscaled gradients, unless one of them is infinite or NaN; what it returned.

        RuntimeError when called twice without `update()`, or with a closure.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._check_scale_growth_tracker("step")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if state["stage"] is OptState.READY:
            self.unscale_(optimizer)
        if not state["found_inf_per_device"]:
            raise AssertionError("GradScaler.step: no inf checks were recorded for this optimizer")
        result = None
        if not any(v.item() for v in state["found_inf_per_device"].values()):
            result = optimizer.step(*args, **kwargs)
        state["stage"] = OptState.STEPPED
        return result

    def update(self, new_scale=None):
        """Adjust the scale after the steps of an iteration, or set it to `new_scale` (a float or a tensor)."""
        if not self._enabled:
            return
        self._check_scale_growth_tracker("update")
        if new_scale is not None:
            self._scale.fill_(float(new_scale))
        else:
            found = [v for s in self._per_optimizer_states.values() for v in s["found_inf_per_device"].values()]
            if not found:
                raise AssertionError("GradScaler.update: no inf checks were recorded prior to update")
            if any(v.item() for v in found):
                self._scale.mul_(self._backoff_factor)
                self._growth_tracker.zero_()
            elif self._growth_tracker.item() + 1 >= self._growth_interval:
                grown = self._scale * self._growth_factor
                if bool(torch.isfinite(grown)):
                    self._scale.copy_(grown)
                self._growth_tracker.zero_()
            else:
                self._growth_tracker.add_(1)
        self._per_optimizer_states.clear()

    def _check_scale_growth_tracker(self, name):
        if self._scale is None:
            raise AssertionError(f"GradScaler.{name}: attempted, but no loss was scaled before; call scale(loss) and "
                                 "backward() first")

    def get_scale(self):
        """The present scale as a number; 1.0 when disabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self):
        """What the scale is multiplied by after enough good steps."""
        return self._growth_factor

    def set_growth_factor(self, new_factor):
        """Set what the scale is multiplied by after enough good steps."""
        self._growth_factor = new_factor

    def get_backoff_factor(self):
        """What the scale is multiplied by after a skipped step."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor):
        """Set what the scale is multiplied by after a skipped step."""
        self._backoff_factor = new_factor

    def get_growth_interval(self):
        """How many good steps in a row make the scale grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval):
        """Set how many good steps in a row make the scale grow."""
        self._growth_interval = new_interval

    def is_enabled(self):
        """Whether it scales at all."""
        return self._enabled

    def state_dict(self):
        """scale, growth_factor, backoff_factor, growth_interval and the count of good steps; empty when disabled."""
        if not self._enabled:
            return {}
        tracker = self._init_growth_tracker if self._growth_tracker is None else self._growth_tracker.item()
        return {"scale": self.get_scale(), "growth_factor": self._growth_factor,
                "backoff_factor": self._backoff_factor, "growth_interval": self._growth_interval,
                "_growth_tracker": tracker}

    def load_state_dict(self, state_dict):
        """Take over what `state_dict()` gave. RuntimeError when it is empty (from a disabled scaler)."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("The source state dict is empty, possibly because it was saved from a disabled instance "
                               "of GradScaler.")
        self._init_scale, self._growth_factor = state_dict["scale"], state_dict["growth_factor"]
        self._backoff_factor, self._growth_interval = state_dict["backoff_factor"], state_dict["growth_interval"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        if self._scale is not None:
            self._scale.fill_(self._init_scale)
            self._growth_tracker.fill_(self._init_growth_tracker)

    def __getstate__(self):
        if self._enabled and self._per_optimizer_states:
            raise AssertionError("A GradScaler instance may only be pickled at the beginning of an iteration, or at "
                                 "the end after scaler.update().")
        state = dict(self.__dict__)
        state.update(_init_scale=self.get_scale(), _scale=None, _growth_tracker=None, _per_optimizer_states=None,
                     _init_growth_tracker=self.state_dict().get("_growth_tracker", 0))
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._per_optimizer_states = defaultdict(self._fresh)
