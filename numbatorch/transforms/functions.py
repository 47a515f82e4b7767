"""autograd.Function inside `vmap`: by its own `vmap`, else one function whose forward and backward are mapped.

What the mapped forward saves comes out of it as further results, so that the mapped backward, which may run after the
`vmap` has ended, gets one element's share of it.
"""

from ..autograd.function import Function, FunctionCtx
from ..autograd.modes import mode
from ..tensor import Tensor
from .batching import batched, is_batched
from .vmap import vmap
from .wrapped import top_level


class VmapInfo:
    """What a Function's `vmap` is told: how many elements there are, and the kind of randomness."""

    def __init__(self, batch_size, randomness):
        self.batch_size, self.randomness = batch_size, randomness


def answer(cls, args):
    """The results of cls.apply(*args) where tensors among args are batched; NotImplemented where none is, or where the
    Function can run on batched tensors as it is: nothing is recorded and it has no `vmap`."""
    level = top_level([a for a in args if isinstance(a, Tensor)])
    if level is None or level.kind != "vmap":
        return NotImplemented
    recorded = mode.enabled and any(isinstance(a, Tensor) and a._needs_grad for a in args)
    own = getattr(cls, "vmap", None)
    if own is None and not recorded:
        return NotImplemented
    values = [a._value if is_batched(a, level) else a for a in args]
    dims = tuple([0 if is_batched(a, level) else None for a in args])
    if own is not None:
        output, places = own(VmapInfo(level.size, level.randomness), dims, *values)
        several = isinstance(output, tuple)
        places = places if isinstance(places, tuple) else (places,) * (len(output) if several else 1)
        wrapped = tuple([o if d is None else batched(o.movedim(d, 0), level)
                         for o, d in zip(output if several else (output,), places, strict=True)])
        return wrapped if several else wrapped[0]
    output = _mapped(cls, dims, level).apply(*values)
    return tuple([batched(o, level) for o in output]) if isinstance(output, tuple) else batched(output, level)


class _Share(FunctionCtx):
    """The ctx of one element: the attributes of forward's, and its share of what was saved."""

    def __init__(self, inner, saved):
        self.__dict__.update(inner.__dict__)
        self._saved = saved

    @property
    def saved_tensors(self):
        return self._saved


def _mapped(cls, dims, level):
    """A Function of whole batches that does what cls does for each element."""
    facts: dict = {}

    def forward_one(*args):
        inner = facts["inner"] = FunctionCtx()
        inner._is_tensor, inner._needs = [isinstance(a, Tensor) for a in args], facts["needs"]
        output = cls.run_forward(inner, args)
        saved, inner._to_save = inner._to_save, ()
        facts["several"] = isinstance(output, tuple)
        outputs = output if isinstance(output, tuple) else (output,)
        # What is saved and an operand or a result keeps its history; other tensors come out as they are.
        facts["places"] = places = [_place(t, args, outputs) for t in saved]
        return outputs, tuple([t for t, place in zip(saved, places, strict=True) if place == "other"])

    def forward(ctx, *args):
        facts["needs"] = ctx._needs
        outputs, others = vmap(forward_one, dims, randomness=level.randomness)(*args)
        others = iter(others)
        saved = [None if place is None else next(others) if place == "other" else
                 (args, outputs)[place[0]][place[1]] for place in facts["places"]]
        facts["shapes"] = [tuple(o.shape[1:]) for o in outputs]
        ctx.save_for_backward(*saved)
        ctx.set_materialize_grads(False)
        return outputs if facts["several"] else outputs[0]

    def backward(ctx, *grads):
        saved, given = ctx.saved_tensors, [g is not None for g in grads]
        saved_dims = [dims[place[1]] if isinstance(place, tuple) and place[0] == 0 else 0 for place in facts["places"]]
        found: list = []

        def backward_one(*values):
            own, some = iter(values[:held]), iter(values[held:])
            share = _Share(facts["inner"], tuple([None if s is None else next(own) for s in saved]))
            passed = [next(some) if g else None for g in given]
            if share.materialize_grads:
                like = next(g for g in passed if g is not None)
                passed = [like.new_zeros(shape) if g is None else g
                          for g, shape in zip(passed, facts["shapes"], strict=True)]
            results = cls.backward(share, *passed)
            results = list(results) if isinstance(results, (tuple, list)) else [results]
            found[:] = [r is not None for r in results]
            return tuple([r for r in results if r is not None])
        values = [s for s in saved if s is not None]
        held = len(values)
        places = [d for s, d in zip(saved, saved_dims, strict=True) if s is not None]
        wanted = [g for g in grads if g is not None]
        mapped = vmap(backward_one, (*places, *(0,) * len(wanted)), randomness=level.randomness)
        results = iter(mapped(*values, *wanted))
        if len(found) != len(dims) and not (len(found) > len(dims) and not any(found[len(dims):])):
            raise RuntimeError(f"function {cls.__name__} returned an incorrect number of gradients (expected "
                               f"{len(dims)}, got {len(found)})")
        out = []
        for has, dim in zip(found, dims, strict=False):
            result = next(results) if has else None
            out.append(result if result is None or dim is not None else result.sum(0))  # shared by all elements
        return tuple(out)
    return type(cls.__name__, (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


def _place(saved, args, outputs):
    """Where a saved tensor is found again: (0, k) for operand k, (1, k) for result k, "other", None for none."""
    if saved is None:
        return None
    for kind, values in enumerate((args, outputs)):
        for k, v in enumerate(values):
            if v is saved:
                return kind, k
    return "other"
