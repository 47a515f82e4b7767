"""Weight normalisation: w = g v / |v| (Salimans and Kingma 2016), as a hook before each forward."""

import warnings

from ..parameter import Parameter


def norm_except(v, dim):
    """The norms of `v` over all dimensions but `dim`, kept as dimensions of 1; of the whole tensor for dim -1."""
    if dim == -1:
        return v.norm()
    return v.norm(2, [d for d in range(v.ndim) if d != dim % v.ndim], True)


def normalised(v, g, dim):
    """g v / |v|, the norm over all dimensions but `dim`; over all of them for dim -1."""
    return v * (g / norm_except(v, dim))


class WeightNorm:
    """The hook: before each forward the weight is computed from `<name>_g` and `<name>_v`."""

    def __init__(self, name, dim):
        self.name, self.dim = name, -1 if dim is None else dim

    def compute_weight(self, module):
        """The normalised weight."""
        return normalised(getattr(module, f"{self.name}_v"), getattr(module, f"{self.name}_g"), self.dim)

    def __call__(self, module, inputs):
        setattr(module, self.name, self.compute_weight(module))


def _hook_of(module, name):
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, WeightNorm) and hook.name == name:
            return key, hook
    return None


def weight_norm(module, name="weight", dim=0):
    """Split a parameter into magnitude `<name>_g` and direction `<name>_v`; the parameter is computed before each call.

    dim: the dimension that keeps a norm of its own, None for one norm. RuntimeError when it is there already. The
    parametrization of the same name (`nn.utils.parametrizations.weight_norm`) is its successor.
    """
    warnings.warn("`torch.nn.utils.weight_norm` is deprecated in favor of "
                  "`torch.nn.utils.parametrizations.weight_norm`.", FutureWarning, stacklevel=2)
    if _hook_of(module, name) is not None:
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    hook = WeightNorm(name, dim)
    weight = getattr(module, name)
    del module._parameters[name]
    module.register_parameter(f"{name}_g", Parameter(norm_except(weight.detach(), hook.dim)))
    module.register_parameter(f"{name}_v", Parameter(weight.detach().clone()))
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module, name="weight"):
    """Make the parameter an ordinary one with its present value. ValueError where there is no weight norm on it."""
    found = _hook_of(module, name)
    if found is None:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    key, hook = found
    weight = hook.compute_weight(module).detach()
    delattr(module, name)
    del module._parameters[f"{name}_g"], module._parameters[f"{name}_v"], module._forward_pre_hooks[key]
    setattr(module, name, Parameter(weight))
    return module
