"""Function: operations with a backward of one's own."""

from ..dtypes import FLOAT
from ..interception import state
from ..recording import Layouts, check_inplace
from .modes import mode
from .node import attach, edge, new_node


class FunctionCtx:
    """What `forward` leaves for `backward`: saved tensors, flags, and any attributes."""

    _to_save: tuple = ()
    _non_differentiable: tuple = ()
    _dirty: tuple = ()
    materialize_grads = True
    _node = None

    def save_for_backward(self, *tensors):
        """Keep tensors (inputs or outputs of forward) for `saved_tensors`; they are watched for in-place changes."""
        self._to_save = tensors

    save_for_forward = save_for_backward

    def mark_non_differentiable(self, *tensors):
        """Outputs that get no gradient."""
        self._non_differentiable = tensors

    def mark_dirty(self, *tensors):
        """Inputs that forward changed in place and returns."""
        self._dirty = tensors

    def set_materialize_grads(self, value):
        """Whether missing gradients arrive as zeros (True) or None."""
        self.materialize_grads = value

    @property
    def saved_tensors(self):
        """The tensors given to save_for_backward. RuntimeError once they were freed."""
        if self._node is None:
            return tuple(self._to_save)
        saved = self._node.unpack()
        from .rules import linked
        return tuple(linked(v, self._node, self._outputs[k]) if k in self._outputs and mode.enabled else v
                     for k, v in enumerate(saved))

    @property
    def needs_input_grad(self):
        return self._needs


class _FunctionRule:
    """Runs a Function's backward."""

    def __init__(self, cls, ctx, layouts):
        self.name, self.cls, self.ctx, self.layouts = f"{cls.__name__}Backward", cls, ctx, layouts

    def run(self, node, grads):
        from ..tensor import Tensor, empty_layout
        grads = list(grads)
        if self.ctx.materialize_grads:
            for k, spec in enumerate(self.layouts):
                if grads[k] is None and spec is not None:
                    grads[k] = empty_layout(spec.with_(shape=spec.shape)).zero_()
        results = self.cls.backward(self.ctx, *grads)
        if not isinstance(results, tuple):
            results = tuple(results) if isinstance(results, list) else (results,)
        expected = len(node.edges)
        if len(results) > expected and all(r is None for r in results[expected:]):
            results = results[:expected]
        if len(results) != expected:
            raise RuntimeError(f"function {self.name} returned an incorrect number of gradients (expected {expected}, "
                               f"got {len(results)})")
        for k, (r, e) in enumerate(zip(results, node.edges, strict=True)):
            if r is not None and not isinstance(r, Tensor):
                raise TypeError(f"{self.name}: backward returned a {type(r).__name__} for input {k}; expected Tensor "
                                "or None")
            if r is not None and e is None and not self.ctx._is_tensor[k]:
                raise RuntimeError(f"function {self.name} returned a gradient different from None at position {k + 1}, "
                                   "but the corresponding forward input was not a Tensor")
        return results


class _Meta(type):
    def __call__(cls, *args, **kwargs):
        raise RuntimeError(f"{cls.__name__}: autograd functions are static: call {cls.__name__}.apply(...)")


class Function(metaclass=_Meta):
    """Base of custom operations: define static `forward(ctx, *args)` and `backward(ctx, *grads)`, call `apply`.

    With `setup_context(ctx, inputs, output)` defined, `forward` takes no ctx.
    """

    @staticmethod
    def forward(*args, **kwargs):
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def backward(ctx, *grads):
        raise NotImplementedError("You must implement either the backward or vjp method for your custom "
                                  "autograd.Function to use it with backward mode AD.")

    @classmethod
    def run_forward(cls, ctx, args, kwargs=None):
        """What forward gives, in either of its forms; `ctx` has what it leaves for backward."""
        if "setup_context" in {n for c in cls.__mro__[:-2] for n in c.__dict__}:
            output = cls.forward(*args, **(kwargs or {}))
            cls.setup_context(ctx, args, output)
            return output
        return cls.forward(ctx, *args, **(kwargs or {}))

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run forward, recorded as one node."""
        from ..tensor import Tensor
        if state.active:
            from ..transforms.functions import answer
            found = answer(cls, args)
            if found is not NotImplemented:
                return found
        ctx = FunctionCtx()
        ctx._is_tensor = [isinstance(a, Tensor) for a in args]
        recorded = mode.enabled
        ctx._needs = tuple(isinstance(a, Tensor) and a._needs_grad and recorded for a in args)
        before, mode.enabled = mode.enabled, False
        try:
            output = cls.run_forward(ctx, args, kwargs)
        finally:
            mode.enabled = before
        if not any(ctx._needs):
            return output
        for t in ctx._dirty:
            check_inplace(cls.__name__, t)
        outputs = output if isinstance(output, tuple) else (output,)
        edges = [edge(a) if needs else None for a, needs in zip(args, ctx._needs, strict=True)]
        # An input that is returned as it is gets a tensor object of its own, unless it was changed in place.
        dirty = {id(t) for t in ctx._dirty}
        given = {id(a) for a in args if isinstance(a, Tensor)}
        outputs = tuple(o.view_as(o)._kept() if isinstance(o, Tensor) and id(o) in given and id(o) not in dirty else o
                        for o in outputs)
        for t in ctx._dirty:
            t._storage.version += 1
        positions = {id(o): k for k, o in enumerate(outputs) if isinstance(o, Tensor)}
        ctx._outputs = {}
        saved = []
        for k, t in enumerate(ctx._to_save):
            if t is not None and id(t) in positions:
                ctx._outputs[k] = positions[id(t)]
                t = t._kept()
            saved.append(t)
        layouts = tuple(o._layout if isinstance(o, Tensor) else None for o in outputs)
        node = new_node(_FunctionRule(cls, ctx, layouts), Layouts(layouts), edges, tuple(saved), len(outputs))
        ctx._node, ctx._to_save = node, ()
        skipped = {id(t) for t in ctx._non_differentiable}
        for k, o in enumerate(outputs):
            if isinstance(o, Tensor) and id(o) not in skipped and o._layout.dtype.category >= FLOAT:
                if id(o) in dirty and o._base is not None:
                    from ..recording import rebase
                    rebase(o, node, k)
                else:
                    attach(o, node, k)
        return outputs if isinstance(output, tuple) else outputs[0]


FunctionMeta = _Meta


class InplaceFunction(Function):
    """Base of PyTorch's first in-place functions; `mark_dirty` of any Function says the same."""


class NestedIOFunction(Function):
    """Base of PyTorch's first custom functions, which kept state in an instance; they cannot be called any more."""


def once_differentiable(function):
    """Mark a backward as not differentiable itself: its results cannot be differentiated again."""
    def run(ctx, *grads):
        before, mode.enabled = mode.enabled, False
        try:
            results = function(ctx, *grads)
        finally:
            mode.enabled = before
        if not before or not any(g is not None and g._needs_grad for g in grads):
            return results
        from .node import FunctionRule

        def fail(node, _):
            raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")
        several = results if isinstance(results, tuple) else (results,)
        for r in several:
            if r is not None:
                attach(r, new_node(FunctionRule("Error", fail), Layouts((r._layout,)), [edge(grads[0])], ()))
        return results
    return run
