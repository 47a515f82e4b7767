"""The backward pass: nodes in the reverse order of their recording, no recursion, freed as it goes.

A node's edges lead to nodes that were recorded before it, so a heap on the running number of nodes is a topological
order: when a node comes up, everything that contributes to its gradient has run.
"""

import heapq
import itertools
import sys
import threading
from typing import Any

from ..interception import state
from ..layout import Layout, is_dense
from .modes import mode
from .node import RELEASED, Node, anomaly

alias: Any = None  # these two are set by tensor.py, which imports this module first
empty_layout: Any = None


class Task:
    """One pass: its number, what it starts from and is to find, and what to clear away once it is over."""

    __slots__ = ("number", "roots", "needed", "capture", "accumulate", "at_end", "known")
    _numbers = itertools.count().__next__

    def __init__(self, roots, needed, capture, accumulate):
        self.number, self.roots, self.needed = Task._numbers(), roots, needed
        self.capture, self.accumulate, self.at_end, self.known = capture, accumulate, [], None

    def reaches(self, target):
        """Whether the pass comes through a node, or to a leaf."""
        if self.needed is not None:
            return id(target) in self.needed or any(key == id(target) for key, _ in self.capture)
        if self.known is None:
            self.known, stack = set(), [r[0] for r in self.roots]
            while stack:
                place = stack.pop()
                if id(place) not in self.known:
                    self.known.add(id(place))
                    if isinstance(place, Node):
                        stack.extend(e[0] for e in place.edges if e is not None)
        return id(target) in self.known


class _Running(threading.local):
    """The passes that run in this thread, the innermost last; who watches their nodes."""

    observers: tuple = ()

    def __init__(self):
        self.tasks = []


running = _Running()


def current():
    """The innermost pass that runs in this thread, or None."""
    return running.tasks[-1] if running.tasks else None


def _observed(node, grads, observers):
    """Run a node inside its observers: each is given the node, its gradients and what runs it."""
    def step(node, grads):
        return node.rule.run(node, grads)
    for observer in observers:
        step = _around(observer, step)
    return step(node, grads)


def _around(observer, step):
    return lambda node, grads: observer(node, grads, step)


def run(roots, *, keep, create, capture=None, accumulate=True):
    """Propagate gradients.

    roots: [(node or leaf, index, gradient)]. keep: saved values stay. create: the pass itself is recorded.
    capture: {(id(node or leaf), index): position} of wanted gradients; returns {position: gradient}.
    accumulate: leaves collect what reaches them in `.grad` (False when only `capture` is asked for).
    """
    if state.active and any(r[2]._layout.__class__ is not Layout for r in roots):
        create = True  # gradients that are not plain go through ops, as in a recorded pass
    pending: dict[Node, list] = {}
    leaves: dict[int, list] = {}
    heap: list = []
    captured: dict[int, object] = {}
    needed = _reaching(roots, capture) if capture is not None and not accumulate else None
    push, pop = heapq.heappush, heapq.heappop
    edges, results = [r[:2] for r in roots], [r[2] for r in roots]
    before = mode.enabled
    mode.enabled = create
    observers, find_nan = running.observers, anomaly.enabled and anomaly.check_nan
    task, tasks = Task(roots, needed, capture, accumulate), running.tasks
    tasks.append(task)
    try:
        while True:
            for e, gradient in zip(edges, results, strict=True):
                if e is None or gradient is None:
                    continue
                target, index = e
                if not isinstance(target, Node):
                    entry = leaves.get(id(target))
                    if entry is None:
                        leaves[id(target)] = [target, gradient]
                    else:
                        entry[1] = entry[1] + gradient
                    continue
                buffer = pending.get(target)
                if buffer is not None:
                    buffer[index] = gradient if buffer[index] is None else buffer[index] + gradient
                elif needed is None or id(target) in needed:
                    if target.outputs == 1:
                        pending[target] = [gradient]
                    else:
                        pending[target] = buffer = [None] * target.outputs
                        buffer[index] = gradient
                    push(heap, (-target.sequence, target))
            results = gradient = buffer = entry = None  # so that a leaf can take its gradient over without a copy
            if not heap:
                break
            node = pop(heap)[1]
            grads = pending.pop(node)
            edges = results = ()
            if node.prehooks:
                grads = _prehooks(node, grads)
            if capture:
                for index in range(node.outputs):
                    position = capture.get((id(node), index))
                    if position is not None and grads[index] is not None:
                        captured[position] = grads[index]
            if needed is not None and not needed[id(node)]:
                continue
            try:
                results = _observed(node, grads, observers) if observers else node.rule.run(node, grads)
            except Exception as error:
                if node._metadata and "traceback" in node._metadata:
                    error.add_note(_forward_lines(node))
                raise
            if find_nan:
                _look_for_nan(node, results)
            if node.hooks:
                results = _hooks(node, results, grads)
            if not keep and node.saved:  # a node that saved nothing can run again
                node.saved = RELEASED
            edges = node.edges
            node = grads = None
        for leaf, gradient in leaves.values():
            position = capture.get((id(leaf), 0)) if capture else None
            if position is None and not accumulate:
                continue
            gradient = _leaf_hooks(leaf, gradient)
            if position is not None:
                captured[position] = gradient
            if accumulate:
                _accumulate(leaf, gradient, create)
    finally:
        mode.enabled = before
        tasks.pop()
        for function in task.at_end:
            function()
    return captured


def _reaching(roots, capture):
    """{id(node): whether it must run}: nodes from which a captured place can be reached."""
    wanted = {key for key, _ in capture}
    result: dict[int, bool] = {}
    seen: dict[int, Node] = {}
    stack = [t for t, _, _ in roots if isinstance(t, Node)]
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            stack.extend(e[0] for e in node.edges if e is not None and isinstance(e[0], Node))
    for node in sorted(seen.values()):  # operands first
        result[id(node)] = any(e is not None and (id(e[0]) in wanted or result.get(id(e[0]), False))
                               for e in node.edges)
    for key in wanted:
        if key in seen and key not in result:
            result[key] = False
    return {k: v for k, v in result.items() if v or k in wanted}


def _prehooks(node, grads):
    for hook in list(node.prehooks.values()):
        changed = hook(grads)
        if changed is not None:
            grads = list(changed) if isinstance(changed, (tuple, list)) else [changed]
    return grads


def _hooks(node, results, grads):
    for hook in list(node.hooks.values()):
        changed = hook(tuple(results), tuple(grads))
        if changed is not None:
            results = changed if isinstance(changed, (tuple, list)) else (changed,)
    return results


def _leaf_hooks(leaf, gradient):
    hooks = leaf._hooks
    if hooks:
        for hook in list(hooks.values()):
            changed = hook(gradient)
            if changed is not None:
                gradient = checked_change(gradient, changed)
    return gradient


def checked_change(gradient, changed):
    """What a hook made of a gradient. TypeError for what is no tensor, RuntimeError for another shape or dtype."""
    if not hasattr(changed, "_layout"):
        raise TypeError(f"a tensor's hook should return a Tensor or None, but got {type(changed).__name__}")
    old, new = gradient._layout, changed._layout
    if old.shape != new.shape or old.dtype is not new.dtype:
        raise RuntimeError(f"a tensor's hook has changed the gradient: {list(old.shape)} of {old.dtype} was given, "
                           f"{list(new.shape)} of {new.dtype} came back")
    return changed


def _accumulate(leaf, gradient, create):
    present = leaf._grad
    if leaf._grad_dtype is not None and present is None:
        wanted = gradient.dtype if leaf._grad_dtype == "any" else leaf._grad_dtype
        leaf._grad = gradient.to(wanted) if create else gradient._kept().to(wanted, copy=True)
    elif present is None:
        # The gradient becomes .grad itself only when nobody else can see it.
        alone = sys.getrefcount(gradient) <= 4 and sys.getrefcount(gradient._storage) <= 2
        base = gradient._base
        if create:
            leaf._grad = gradient
        elif base is not None and gradient._layout is leaf._layout and _is_only_view(gradient, base):
            leaf._grad = alias(gradient, gradient._layout)
        elif alone and gradient._layout is leaf._layout:
            gradient = gradient._kept() if gradient._needs_grad else gradient
            leaf._grad = gradient
        elif _is_sparse(gradient._layout):
            leaf._grad = gradient._kept().clone()
        else:
            own = leaf._layout
            leaf._grad = empty_layout(own if own.is_contiguous and own.__class__ is Layout else _without_gaps(own))
            leaf._grad.copy_(gradient)
    elif create or _is_sparse(present._layout):
        strided_first = not _is_sparse(present._layout) or _is_sparse(gradient._layout)
        leaf._grad = present + gradient if strided_first else gradient + present
    else:
        before, mode.enabled = mode.enabled, False
        try:
            present.add_(gradient)
        finally:
            mode.enabled = before
    hooks = leaf._post_hooks
    if hooks:
        for hook in list(hooks.values()):
            hook(leaf)


def _is_only_view(gradient, base):
    """Whether a view of all of a tensor is all that refers to it. Counted: the callers' variables and the arguments."""
    storage = base._storage
    return (sys.getrefcount(gradient) <= 6 and sys.getrefcount(base) <= 4 and sys.getrefcount(storage) <= 4
            and storage.nbytes == gradient._layout.nbytes)


def _is_sparse(layout_):
    return layout_.__class__ is not Layout and hasattr(layout_, "pattern")


def _without_gaps(own):
    """The layout of a leaf's gradient: the leaf's, if that has no gaps."""
    return own if not _is_sparse(own) and is_dense(own.shape, own.strides) else own.with_(shape=own.shape)


def _look_for_nan(node, results):
    for k, r in enumerate(results):
        if r is not None and r.dtype.category >= 2 and bool(r.isnan().any()):
            error = RuntimeError(f"Function '{node.name()}' returned nan values in its {k}th output.")
            error.add_note(_forward_lines(node))
            raise error


def _forward_lines(node):
    if not node._metadata or "traceback" not in node._metadata:
        return "(the forward call was not recorded: switch detect_anomaly on before the forward pass)"
    import traceback
    return "Forward call that made this node:\n" + "".join(traceback.format_list(node._metadata["traceback"]))
