"""Spectral normalisation: w / sigma(w), sigma by power iteration (Miyato et al. 2018), as a hook of forward."""

from numbatorch import no_grad

from ..functional import normalize
from ..parameter import Parameter


def as_matrix(weight, dim):
    """The weight as a matrix whose rows go along `dim`."""
    return (weight if dim == 0 else weight.movedim(dim, 0)).reshape(weight.shape[dim], -1)


def default_dim(module):
    """The dimension of outputs: 1 for transposed convolutions, else 0."""
    from numbatorch import nn
    return int(isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)))


def power_iterations(matrix, u, v, count, eps):
    """Improve the estimates of the first singular vectors, in place; v first."""
    with no_grad():
        for _ in range(count):
            v.copy_(normalize(matrix.t().mv(u), dim=0, eps=eps))
            u.copy_(normalize(matrix.mv(v), dim=0, eps=eps))


class SpectralNorm:
    """The hook: before each forward the weight is `<name>_orig` over its largest singular value."""

    _version = 1

    def __init__(self, name="weight", n_power_iterations=1, dim=0, eps=1e-12):
        if n_power_iterations <= 0:
            raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations="
                             f"{n_power_iterations}")
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def reshape_weight_to_matrix(self, weight):
        """The weight as a matrix whose rows go along `dim`."""
        return as_matrix(weight, self.dim)

    def compute_weight(self, module, do_power_iteration):
        """The normalised weight; in training the estimates are improved first."""
        weight = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            power_iterations(matrix.detach(), u, v, self.n_power_iterations, self.eps)
            if self.n_power_iterations:  # this graph keeps its own copies: the next call changes them in place
                u, v = u.clone(), v.clone()
        return weight / u.dot(matrix.mv(v))

    def __call__(self, module, inputs):
        setattr(module, self.name, self.compute_weight(module, module.training))


def _hook_of(module, name):
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            return key, hook
    return None


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Divide a parameter by its largest singular value before each call; `<name>_orig` is what is trained.

    dim: the dimension of outputs (by the kind of layer when None). ValueError for a parameter that is not there,
    RuntimeError when it is normalised already.
    """
    if _hook_of(module, name) is not None:
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    hook = SpectralNorm(name, n_power_iterations, default_dim(module) if dim is None else dim, eps)
    weight = module._parameters.get(name)
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    with no_grad():
        matrix = as_matrix(weight, hook.dim)
        u = normalize(weight.new_empty(matrix.shape[0]).normal_(0, 1), dim=0, eps=eps)
        v = normalize(weight.new_empty(matrix.shape[1]).normal_(0, 1), dim=0, eps=eps)
    del module._parameters[name]
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.data)
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module, name="weight"):
    """Make the parameter an ordinary one with its present value. ValueError where it is not normalised."""
    found = _hook_of(module, name)
    if found is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    key, hook = found
    with no_grad():
        weight = hook.compute_weight(module, do_power_iteration=False)
    delattr(module, name)
    del module._buffers[f"{name}_u"], module._buffers[f"{name}_v"], module._parameters[f"{name}_orig"]
    del module._forward_pre_hooks[key]
    module.register_parameter(name, Parameter(weight.detach()))
    return module
