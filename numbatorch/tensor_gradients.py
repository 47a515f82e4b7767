"""Tensor's place on the tape: requires_grad, grad, hooks, backward; and how views follow their base."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import dtypes, recording
from .autograd import backward as run_backward
from .autograd.engine import checked_change
from .autograd.modes import mode
from .autograd.node import FunctionRule, edge, new_node
from .ops.declare import OPS
from .recording import Layouts
from .storage import twin

if TYPE_CHECKING:
    from .tensor import Tensor
    from .utils.hooks import RemovableHandle
else:
    Tensor: Any = None  # these three are set by tensor.py, whose class takes over the members of Part
alias: Any = None
empty_layout: Any = None


class Part:
    """Members of Tensor."""

    if TYPE_CHECKING:
        _node: Any
        _base: Any
        _retains: Any
        _hooks: Any
        _post_hooks: Any

        def __getattr__(self, name: str) -> Any: ...

    @property
    def requires_grad(self) -> bool:
        return self._needs_grad

    @requires_grad.setter
    def requires_grad(self, value):
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad=True) -> Tensor:
        """Record operations on this tensor from now on. RuntimeError for integers and for results."""
        if requires_grad and self._layout.dtype.category < dtypes.FLOAT:
            raise RuntimeError(f"only Tensors of floating point and complex dtype can require gradients, this one is "
                               f"{self._layout.dtype}")
        if requires_grad and self._storage.version < 0 and not mode.inference:
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed: "
                               "clone() it first.")
        if not requires_grad and self._node is not None:
            raise RuntimeError("you can only change requires_grad flags of leaf variables. If you want to use a "
                               "computed variable in a subgraph that doesn't require differentiation use var_no_grad = "
                               "var.detach().")
        if requires_grad and self._base is not None and not self._base._needs_grad:
            self._base = None  # a leaf of its own: views of it are views of a leaf
        self._needs_grad = bool(requires_grad)
        return self  # type: ignore[return-value]

    @property
    def is_leaf(self) -> bool:
        return self.grad_fn is None

    @property
    def grad_fn(self):
        if self._base is not None:
            self._refresh_view()
        return self._node

    @property
    def output_nr(self) -> int:
        return self._output_index

    @property
    def grad(self) -> Tensor | None:
        return self._grad

    @grad.setter
    def grad(self, value):
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got {type(value).__name__}")
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if value._layout.device is not self._layout.device:
                raise RuntimeError("assigned grad has data located on a different device: "
                                   f"{value._layout.device} for {self._layout.device}")
            wanted = self._grad_dtype or self._layout.dtype
            if value._layout.dtype is not wanted and wanted != "any":
                raise RuntimeError(f"assigned grad has data of a different type: {value.dtype} for {wanted}")
            if value._layout.shape != self._layout.shape:
                raise RuntimeError(f"assigned grad has data of a different size: {list(value._layout.shape)} for "
                                   f"{list(self._layout.shape)}")
        self._grad = value

    @grad.deleter
    def grad(self):
        self._grad = None

    @property
    def retains_grad(self) -> bool:
        return self._retains

    @property
    def _version(self) -> int:
        version = self._storage.version
        if version < 0:
            raise RuntimeError("Inference tensors do not track version counter.")
        return version

    def _is_view(self) -> bool:
        return self._base is not None

    @property
    def data(self) -> Tensor:
        """The same memory, outside the tape; changes through it are not counted as changes of this tensor."""
        result = alias(self, self._layout)
        result._storage = twin(self._storage)
        return result

    @data.setter
    def data(self, other):
        if not isinstance(other, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(other).__name__}")
        self._layout, self._ptr = other._layout, other._ptr
        if other._storage is not self._storage:
            self._storage = twin(other._storage, self._storage.version)

    def detach(self) -> Tensor:
        """The same memory, outside the tape; changes of either are counted for both."""
        return alias(self, self._layout)

    def _kept(self) -> Tensor:
        """As `detach`, but with the tangents of forward mode: for what the tape saves."""
        return alias(self, self._layout)

    def detach_(self) -> Tensor:
        """Take this tensor off the tape."""
        if self._base is not None and self._needs_grad:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        self._node, self._needs_grad, self._output_index = None, False, 0
        return self  # type: ignore[return-value]

    def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None) -> None:
        """Add the gradients of this tensor to the `.grad` of the leaves it was computed from."""
        run_backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def retain_grad(self) -> None:
        """Keep `.grad` of a result, too."""
        if not self._needs_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self._node is None or self._retains:
            return
        self._retains = True
        index, tensor = self._output_index, self

        def keep(grads):
            if grads[index] is not None:
                tensor._grad = grads[index] if mode.enabled else grads[index].clone()
        _prehooks(self._node)[f"retain_grad {index}"] = keep

    def register_hook(self, hook) -> RemovableHandle:
        """Call hook(grad) when the gradient of this tensor is known; what it returns replaces the gradient."""
        from .utils.hooks import RemovableHandle
        if not self._needs_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        node = self.grad_fn
        if node is None:
            if self._hooks is None:
                self._hooks = {}
            handle = RemovableHandle(self._hooks)
            self._hooks[handle.id] = hook
            return handle
        index = self._output_index

        def call(grads):
            if grads[index] is None:
                return None
            changed = hook(grads[index])
            if changed is None:
                return None
            grads = list(grads)
            grads[index] = checked_change(grads[index], changed)
            return grads
        hooks = _prehooks(node)
        handle = RemovableHandle(hooks)
        hooks[handle.id] = call
        for key in [k for k in hooks if isinstance(k, str)]:  # retained gradients see what hooks made
            hooks[key] = hooks.pop(key)
        return handle

    def register_post_accumulate_grad_hook(self, hook) -> RemovableHandle:
        """Call hook(tensor) after `.grad` of this leaf was added to."""
        from .utils.hooks import RemovableHandle
        if not self._needs_grad or self._node is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        if self._post_hooks is None:
            self._post_hooks = {}
        handle = RemovableHandle(self._post_hooks)
        self._post_hooks[handle.id] = hook
        return handle

    def _refresh_view(self):
        """Take a view's history from its base anew when the base was changed in place since."""
        base = self._base
        if base._generation == self._seen_generation or not base._needs_grad:
            return
        if self._node is not None:
            recording.check_single(self, "its base or another view of its base has been modified inplace")
        own, base_layout = self._layout, base._layout
        offset = (self._ptr - base._ptr) // own.dtype.itemsize

        def run(node, grads):
            whole = empty_layout(base_layout).zero_()
            if mode.enabled:
                return [OPS["as_strided_scatter"].call(whole, grads[0], own.shape, own.strides, offset)]
            whole.as_strided(own.shape, own.strides, offset).copy_(grads[0])
            return [whole]
        self._node = new_node(FunctionRule("AsStridedBackward0", run), Layouts((own,)), [edge(base)], ())
        self._needs_grad, self._output_index = True, 0
        self._seen_generation = base._generation


def _prehooks(node):
    if node.prehooks is None:
        node.prehooks = {}
    return node.prehooks
