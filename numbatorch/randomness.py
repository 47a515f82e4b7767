"""Drawing: random tensors, and the in-place distributions of Tensor. The streams are PyTorch's: cpu/README.md."""

from . import dtypes
from .autograd.modes import check_changeable, no_grad
from .device import CPU
from .filling import (
    _device,
    _dtype,
    _empty,
    _finish,
    _like_layout,
    _named_size,
    _new_layout,
    _no_tensor,
    _shape,
    _strided,
    empty,
)
from .generator import Generator, default_of, has_own
from .interception import state
from .layout import layout as layout_of
from .ops.declare import OPS
from .plan import backend
from .tensor import Tensor, empty_layout
from .transfer import drawing


def _state(generator, device=CPU):
    if generator is None:
        return default_of(device).state
    if not isinstance(generator, Generator):
        raise TypeError(f"argument 'generator' must be torch.Generator, not {type(generator).__name__}")
    if generator.device.type != device.type and has_own(device):
        raise RuntimeError(f"Expected a '{device.type}' device type for generator but found '{generator.device.type}'")
    return generator.state


def draw(distribution, tensor, generator, *arguments):
    """Fill `tensor` in place with numbers of a distribution (a fill function of the backend's `random`)."""
    own = tensor._layout
    if hasattr(own, "draw"):
        return own.draw(draw, distribution, tensor, generator, arguments)
    if own.dtype.is_float8:
        raise NotImplementedError(f'"{distribution}" not implemented for {own.dtype}: draw another, then convert')
    if tensor._storage.version < 0:
        check_changeable(f"{distribution}_", tensor)
    source = getattr(backend(own.device), "random", None)
    if distribution == "bernoulli_tensor" and own.device is not CPU and source is not None:
        return _compared(tensor, generator, arguments[0])
    if not hasattr(source, f"fill_{distribution}"):
        return _drawn_on_host(distribution, tensor, generator, arguments)
    state = _state(generator, own.device)
    if distribution == "bernoulli_tensor":
        order = source.draw_order(own.shape, own.strides)
        chance = arguments[0].detach().expand(own.shape).permute(order).contiguous()
        result = tensor.detach().permute(order)
        target = result if result.is_contiguous() else empty_layout(result._layout.with_(shape=result._layout.shape))
        source.fill_bernoulli_tensor(state, target._ptr, own.numel, own.dtype.name, chance._ptr, chance.dtype.name)
        if target is not result:
            result.copy_(target)
            return tensor
    elif own.device is CPU and not source.is_dense(own.shape, own.strides):
        result = tensor.detach().permute(source.draw_order(own.shape, own.strides))
        target = empty_layout(result._layout.with_(shape=result._layout.shape))
        draw("normal_pairs" if distribution == "normal" else distribution, target, generator, *arguments)
        result.copy_(target)
        return tensor
    else:
        function = getattr(source, f"fill_{distribution}")
        source.fill(function, state, tensor._ptr, own.shape, own.strides, own.dtype.name, *arguments)
    tensor._storage.version += 1
    return tensor


def _drawn_on_host(distribution, tensor, generator, arguments):
    """`draw` for a device that draws no numbers itself."""
    host = empty_layout(layout_of(tensor._layout.dtype, tensor._layout.shape, tensor._layout.strides))
    given = (a.cpu() if isinstance(a, Tensor) else a for a in arguments)
    draw(distribution, host, _host_generator(generator, tensor.device), *given)
    return tensor.copy_(host)


def _host_generator(generator, device):
    """The generator of the host that draws what a device does not: seeded by the next number of the device's own."""
    if device is CPU or not has_own(device):
        return generator
    return Generator().manual_seed(_state(generator, device).host_seed())


def _compared(tensor, generator, chance):
    """Bernoulli numbers of a chance for each element, by comparison with uniform ones."""
    if chance.numel() and bool(((chance < 0) | (chance > 1) | chance.isnan()).any()):
        raise RuntimeError("bernoulli: Expected p_in >= 0 && p_in <= 1 to be true for all probabilities, but got false")
    chance = chance.detach().expand(tensor.shape)
    with no_grad():
        drawn = draw("uniform", empty_layout(_like_layout(chance, None, None)), generator, 0.0, 1.0)
        return tensor.copy_(drawn < chance)


def drawn(distribution, target, generator, *arguments, new=True):
    """`draw` into a tensor, `new` or given as `out=`; inside `vmap` one for each element of the batch, or one for all,
    as it was asked."""
    if state.active:
        from .transforms.batching import draw_for_batch
        found = draw_for_batch(draw, distribution, target, generator, arguments)
        if found is not None:
            return found
    result = draw(distribution, target, generator, *arguments)
    if new and result is target:
        target._storage.version -= 1  # nobody has seen it change
    return result


def rand(*size, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False,
         **named):
    """Uniform numbers of [0, 1)."""
    if layout is not None:
        _strided("rand", layout)
    if named:
        size = _named_size("rand", size, named)
    if dtype is not None and _dtype(dtype).category < 2:
        raise NotImplementedError(f'"rand" not implemented for {dtype}')
    target = empty_layout(_new_layout("rand", size, dtype, device)) if out is None else out.resize_(
        _shape("rand", size))
    return _finish(drawn("uniform", target, generator, 0.0, 1.0, new=out is None), requires_grad, pin_memory)


def randn(*size, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False,
          **named):
    """Normal numbers of mean 0 and variance 1."""
    if layout is not None:
        _strided("randn", layout)
    if named:
        size = _named_size("randn", size, named)
    target = empty_layout(_new_layout("randn", size, dtype, device)) if out is None else out.resize_(
        _shape("randn", size))
    if target._layout.dtype.category < dtypes.FLOAT:
        raise NotImplementedError(f'"normal_kernel_cpu" not implemented for {target.dtype}')
    return _finish(drawn("normal", target, generator, 0.0, 1.0, new=out is None), requires_grad, pin_memory)


def randint(low=0, high=None, size=None, *, generator=None, out=None, dtype=None, layout=None, device=None,
            requires_grad=False, pin_memory=False):
    """Integers of [low, high): randint(high, size) or randint(low, high, size). int64 unless told otherwise."""
    _strided("randint", layout)
    if size is None:
        if isinstance(high, (tuple, list)):
            low, high, size = 0, low, high
        else:
            raise TypeError("randint(): size is missing: randint(high, size) or randint(low, high, size)")
    elif high is None:
        low, high = 0, low
    target = _empty(_shape("randint", (size,)), _dtype(dtype, dtypes.int64), _device(device)) if out is None else (
        out.resize_(_shape("randint", (size,))))
    _check_range("randint", low, high)
    return _finish(drawn("randint", target, generator, int(low), int(high), new=out is None), requires_grad,
                   pin_memory)


def _check_range(name, low, high):
    if low >= high:
        raise RuntimeError(f"{name}: random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")


def randperm(n, *, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False,
             pin_memory=False):
    """The numbers 0..n-1 in random order."""
    _strided("randperm", layout)
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    shape = _shape("randperm", (n,))
    target = _empty(shape, _dtype(dtype, dtypes.int64), _device(device)) if out is None else out.resize_(shape)
    own = target._layout
    source = getattr(backend(own.device), "random", None)
    if not hasattr(source, "fill_randperm"):
        host = _host_generator(generator, own.device)
        target.copy_(randperm(n, generator=host, dtype=target.dtype, device="cpu"))
    elif own.device is CPU and own.dtype.name not in ("int32", "int64"):
        target.copy_(randperm(n, generator=generator))
    else:
        source.fill_randperm(_state(generator), target._ptr, own.numel, own.dtype.name)
    return _finish(target, requires_grad, pin_memory)


def rand_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, generator=None):
    """`rand` in the shape and dtype of `input`."""
    if not isinstance(input, Tensor):
        raise _no_tensor("rand_like", input)
    _strided("rand_like", layout)
    if hasattr(input._layout, "draw_like"):
        return input._layout.draw_like(input, lambda t: rand_like(t, dtype=dtype, generator=generator))
    target = empty_layout(_like_layout(input, dtype, device, memory_format))
    return _finish(drawn("uniform", target, generator, 0.0, 1.0), requires_grad)


def randn_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, generator=None):
    """`randn` in the shape and dtype of `input`."""
    if not isinstance(input, Tensor):
        raise _no_tensor("randn_like", input)
    _strided("randn_like", layout)
    if hasattr(input._layout, "draw_like"):
        return input._layout.draw_like(input, lambda t: randn_like(t, dtype=dtype, generator=generator))
    target = empty_layout(_like_layout(input, dtype, device, memory_format))
    return _finish(drawn("normal", target, generator, 0.0, 1.0), requires_grad)


def randint_like(input, low=0, high=None, *, dtype=None, layout=None, device=None, requires_grad=False,
                 memory_format=None, generator=None):
    """`randint` in the shape and dtype of `input`."""
    if not isinstance(input, Tensor):
        raise _no_tensor("randint_like", input)
    _strided("randint_like", layout)
    if hasattr(input._layout, "draw_like"):
        return input._layout.draw_like(input, lambda t: randint_like(t, low, high, dtype=dtype, generator=generator))
    if high is None:
        low, high = 0, low
    low, high = (v.item() if isinstance(v, Tensor) else v for v in (low, high))
    _check_range("randint_like", low, high)
    target = empty_layout(_like_layout(input, dtype, device, memory_format))
    return _finish(drawn("randint", target, generator, int(low), int(high)), requires_grad)


def normal(mean=0.0, std=1.0, size=None, *, generator=None, out=None, dtype=None, device=None, requires_grad=False,
           layout=None, pin_memory=False):
    """Normal numbers: of one mean and std in `size`, or of a mean and std for each element."""
    _strided("normal", layout)
    if size is not None:
        target = empty(size, dtype=dtype, device=device) if out is None else out.resize_(_shape("normal", (size,)))
        _check_std(std)
        return _finish(drawn("normal", target, generator, float(mean), float(std), new=out is None), requires_grad,
                       pin_memory)
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        raise TypeError("normal(): give size, or mean or std as a Tensor")
    if isinstance(std, Tensor):
        if std.is_complex():
            raise RuntimeError("normal expects standard deviation to be non-complex")
        if std.numel() and std._layout.has_values and bool((std.detach() < 0).any()):
            raise RuntimeError("normal expects all elements of std >= 0.0")
    else:
        _check_std(std)
    like = mean if isinstance(mean, Tensor) else std
    if like.dtype.category < dtypes.FLOAT:
        raise NotImplementedError(f'"normal_kernel_cpu" not implemented for {like.dtype}')
    if isinstance(mean, Tensor) and isinstance(std, Tensor):
        from .layout import broadcast_shapes
        shape = broadcast_shapes("normal", [tuple(mean.shape), tuple(std.shape)], ["mean", "std"])
        target = like.new_empty(shape)
    else:
        target = empty_layout(_like_layout(like, None, None))
    with no_grad():
        draw("normal", target, generator, 0.0, 1.0)
        target.mul_(std).add_(mean)
    return target if out is None else out.resize_(target.shape).copy_(target)


def _check_std(std):
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")


def draw_categories(input, num_samples, replacement, generator):
    """The body of `multinomial`: with replacement by inverting cumulative weights, without by an exponential race."""
    if input.ndim not in (1, 2):
        raise RuntimeError(f"prob_dist must be 1 or 2 dim, got {input.ndim}")
    if input.dtype.category != dtypes.FLOAT:
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {input.dtype}")
    categories = input.shape[-1]
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > categories:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    flat = input.detach()
    if flat.numel() and not bool((OPS["isfinite"].call(flat) & (flat >= 0)).all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if flat.numel() and bool((flat.sum(-1) == 0).any()):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    if not replacement or num_samples == 1:
        race = draw("exponential", empty_layout(flat._layout.with_(shape=flat._layout.shape)), generator, 1.0)
        ratio = flat / race
        if num_samples == 1:
            return ratio.argmax(-1, True)
        return ratio.topk(num_samples, -1)[1]
    rows = 1 if input.ndim == 1 else input.shape[0]
    source = drawing(input.device)
    result = _empty((*input.shape[:-1], num_samples), dtypes.int64, input.device)
    flat = flat.contiguous()
    source.fill_multinomial(_state(generator), result._ptr, flat._ptr, flat.dtype.name, rows, categories,
                            num_samples)
    return result


def draw_poisson(input, generator):
    """The body of `poisson`."""
    if input.dtype.category != dtypes.FLOAT:
        raise NotImplementedError(f'"poisson_cpu" not implemented for {input.dtype}')
    rate = input.detach().contiguous()
    source = drawing(input.device)
    result = _empty(rate.shape, rate.dtype, input.device)
    source.fill_poisson(_state(generator), result._ptr, rate.numel(), rate.dtype.name, rate._ptr)
    return result


def draw_gamma(input, generator):
    """The body of `_standard_gamma`."""
    concentration = input.detach().contiguous()
    source = drawing(input.device)
    result = _empty(concentration.shape, concentration.dtype, input.device)
    source.fill_gamma(_state(generator), result._ptr, result.numel(), result.dtype.name, concentration._ptr)
    return result


def draw_binomial(count, prob, generator):
    """The body of `binomial`."""
    if count.dtype is not prob.dtype or count.dtype.category != dtypes.FLOAT:
        raise ValueError(f"binomial: count and prob have to be of one floating point dtype, got {count.dtype} and "
                         f"{prob.dtype}")
    from .layout import broadcast_shapes
    shape = broadcast_shapes("binomial", [tuple(count.shape), tuple(prob.shape)], ["count", "prob"])
    count, prob = (tensor.detach().expand(shape).contiguous() for tensor in (count, prob))
    source = drawing(count.device)
    result = _empty(shape, count.dtype, count.device)
    source.fill_binomial(_state(generator), result._ptr, result.numel(), count.dtype.name, count._ptr, prob._ptr)
    return result


def _inplace(name, distribution, doc, check=None, **defaults):
    def method(self, *args, generator=None, **kwargs):
        values = dict(defaults)
        for key, value in zip(defaults, args, strict=False):
            values[key] = value
        for key, value in kwargs.items():
            if key not in values:
                raise TypeError(f"{name}() got an unexpected keyword argument {key!r}")
            values[key] = value
        if check is not None:
            check(self, **{k.replace("from", "low").replace("to", "high"): v for k, v in values.items()})
        if self._layout.dtype.category < dtypes.FLOAT and distribution in ("uniform", "normal", "exponential", "cauchy",
                                                                          "log_normal"):
            raise NotImplementedError(f'"{name}" not implemented for {self.dtype}')
        from .recording import check_inplace
        check_inplace(name.rstrip("_"), self)
        return draw(distribution, self, generator, *(float(v.item() if isinstance(v, Tensor) else v)
                                                     for v in values.values()))
    method.__name__ = method.__qualname__ = name
    method.__doc__ = doc
    setattr(Tensor, name, method)


def _uniform_check(self, low, high):
    if low > high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}")


def _normal_check(self, mean, std):
    _check_std(std)


def _positive(name, text):
    def check(self, **values):
        value = values[name]
        if not value > 0:
            raise RuntimeError(f"{text}, but found {name}={value}")
    return check


def _probability(self, p):
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")


_inplace("uniform_", "uniform", "Fill with uniform numbers of [from, to).", _uniform_check, **{"from": 0.0, "to": 1.0})
_inplace("normal_", "normal", "Fill with normal numbers.", _normal_check, mean=0.0, std=1.0)
_inplace("exponential_", "exponential", "Fill with exponential numbers of rate `lambd`.",
         _positive("lambd", "exponential_ expects lambda > 0.0"), lambd=1.0)
_inplace("geometric_", "geometric", "Fill with geometric numbers of success probability `p`.", _probability, p=0.5)
_inplace("cauchy_", "cauchy", "Fill with Cauchy numbers.", _positive("sigma", "cauchy_ expects sigma > 0.0"),
         median=0.0, sigma=1.0)
_inplace("log_normal_", "log_normal", "Fill with numbers whose logarithm is normal.",
         _positive("std", "log_normal_ expects std > 0.0"), mean=1.0, std=2.0)


def random_(self, *bounds, generator=None, **named):
    """Fill with integers of [from, to), of [0, to), or of all that the dtype holds."""
    low = named.get("from", bounds[0] if len(bounds) > 1 else 0)
    high = named.get("to", bounds[1] if len(bounds) > 1 else bounds[0] if bounds else None)
    if not bounds and not named:
        return draw("random", self, generator)
    if high is not None:
        _check_range("random_", low, high)
    return draw("randint", self, generator, int(low), high if high is None else int(high))


def bernoulli_(self, p=0.5, *, generator=None):
    """Fill with 1 with probability `p` (a number, or a tensor of one for each element), else 0."""
    if isinstance(p, Tensor):
        return draw("bernoulli_tensor", self, generator, p)
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    return draw("bernoulli_scalar", self, generator, float(p))


Tensor.random_, Tensor.bernoulli_ = random_, bernoulli_  # type: ignore[method-assign]

FUNCTIONS = "rand randn randint randperm rand_like randn_like randint_like normal".split()
