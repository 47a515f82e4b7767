"""detect_nan: the first op, forward or backward, that makes a NaN out of values without one."""

import contextlib
import os
import sys

from .. import interception
from . import engine
from .node import watching

_OWN = os.path.dirname(os.path.dirname(__file__)) + os.sep


def user_line():
    """(file, line, function) of the program's line that led here; None where all of it is numbatorch's own."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((_OWN, "<call of ", "<record of ", "<backward of ")):
            return name, frame.f_lineno, frame.f_code.co_name
        frame = frame.f_back
    return None


def _shown(line):
    import linecache
    if line is None:
        return "unknown line"
    text = linecache.getline(line[0], line[1]).strip()
    return f"{line[0]}:{line[1]} in {line[2]}" + (f": {text}" if text else "")


def _first_nan(tensor):
    """Index of the first NaN of a tensor of floats; None where there is none or it is not plain."""
    if tensor.dtype.category < 2 or not hasattr(tensor._layout, "is_contiguous") or tensor.numel() == 0:
        return None
    bad = tensor.detach().isnan()
    if not bool(bad.any()):
        return None
    return tuple(int(i) for i in bad.nonzero()[0].tolist())


class NaNError(RuntimeError):
    """An op made a NaN. `op`, `index` (of the first one), `module` (path, "" outside of modules), `line` (file, number,
    function) say which, `backward` whether in the backward of it."""

    def __init__(self, message, op, index, module, line, backward):
        super().__init__(message)
        self.op, self.index, self.module, self.line, self.backward = op, index, module, line, backward


class detect_nan(contextlib.ContextDecorator):
    """Context manager and decorator: RuntimeError at the first op whose result has a NaN that no operand had.

        with torch.autograd.detect_nan():
            loss = model(input)
            loss.backward()

    The message names the op, the module it was called in, the line of the program, where the first NaN is and what the
    operands were; in backward the forward line that recorded the node. Ops that only arrange or make memory are passed
    over, and so are NaN that come in from outside. Every result is read, so this is for finding a fault, not for
    training. NaN made in backward are found where the node was recorded or not, its line only where it was.
    """

    def __enter__(self):
        from ..utils.module_tracker import ModuleTracker
        self._modules = ModuleTracker()
        self._watch = contextlib.ExitStack()
        self._watch.enter_context(self._modules)
        self._mode = self._watch.enter_context(interception.mode(self._op))
        watching.add(self._note)
        self._watch.callback(watching.remove, self._note)
        engine.running.observers = (*engine.running.observers, self._node)
        self._watch.callback(self._leave_engine)
        return self

    def __exit__(self, *error):
        self._watch.__exit__(*error)

    def _leave_engine(self):
        engine.running.observers = tuple(o for o in engine.running.observers if o != self._node)

    def _note(self, node):
        node.line = user_line()

    def _op(self, op, inplace, values):
        if op.kind == "composite":
            return NotImplemented
        given = list(interception.tensors_of(values))
        before = [None if _first_nan(t) is None else t for t in given]
        result = interception.call(op, inplace, values)
        if any(t is not None for t in before) or op.kind == "view" or engine.current() is not None:
            return result
        for k, made in enumerate(interception.tensors_of((result,))):
            index = _first_nan(made)
            if index is not None:
                line, module = user_line(), self._modules.path
                name = op.name + "_" * inplace
                raise NaNError(
                    f"{name}: result{f' {k}' if k else ''} {list(made.shape)} of {made.dtype} has a NaN, the first at "
                    f"index {index}; no operand has one.{_described(op, values)}\n  module: {module or '(none)'}\n"
                    f"  line: {_shown(line)}", name, index, module, line, False)
        return result

    def _node(self, node, grads, step):
        results = step(node, grads)
        if any(g is not None and _first_nan(g) is not None for g in grads):
            return results
        for k, made in enumerate(results):
            index = None if made is None else _first_nan(made)
            if index is not None:
                own = node.__dict__
                line, module = own.get("line"), (own.get("modules") or ("",))[-1]
                ranges = "; ".join(_range(f"gradient {n}", g) for n, g in enumerate(grads) if g is not None)
                raise NaNError(
                    f"{node.name()}: the gradient of operand {k}, {list(made.shape)} of {made.dtype}, has a NaN, the "
                    f"first at index {index}; what came in has none: {ranges}.\n  module: {module or '(none)'}\n"
                    "  forward line: " + (_shown(line) if line is not None else
                                          "not known, the forward pass ran outside of detect_nan"),
                    node.name(), index, module, line, True)
        return results


def _described(op, values):
    """The operands: shapes, and the range of their values, which mostly tells the reason."""
    parts = [_range(p.name, v) if hasattr(v, "_layout") else f"{p.name} {v!r}"
             for p, v in zip(op.parameters, values, strict=True)
             if hasattr(v, "_layout") or isinstance(v, (int, float)) and not isinstance(v, bool)]
    return f"\n  operands: {'; '.join(parts)}" if parts else ""


def _range(name, tensor):
    if tensor.numel() == 0 or tensor.dtype.is_complex:
        return f"{name} {list(tensor.shape)}"
    plain = tensor.detach()
    return f"{name} {list(tensor.shape)} from {plain.min().item():.6g} to {plain.max().item():.6g}"


__all__ = ["NaNError", "detect_nan"]
