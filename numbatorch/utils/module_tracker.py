"""ModuleTracker: which modules a program is in, while it runs forward and in the backward of what they recorded."""

import weakref

from ..autograd import engine
from ..autograd.node import watching
from ..nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook


class ModuleTracker:
    """Context manager; inside, `path` is where the program is ("Net.layers.0", "" outside of modules) and `parents`
    holds "Global" and every module around that place. `is_bw`: whether that is in a backward pass.

    Names begin with the class of the outermost module; a module that is called apart goes by its class.
    """

    def __init__(self):
        self._names = weakref.WeakKeyDictionary()
        self._stack: list[str] = []
        self._outside: list[list[str]] = []  # where backward was when modules began to run inside it
        self.is_bw = False

    @property
    def path(self):
        """The innermost module."""
        return self._stack[-1] if self._stack else ""

    @property
    def parents(self):
        """Names of all modules around, and "Global"."""
        return {"Global", *self._stack}

    def _name(self, module):
        found = self._names.get(module)
        if found is None:
            root = type(module).__name__
            for name, inner in module.named_modules():
                if inner not in self._names:
                    self._names[inner] = f"{root}.{name}" if name else root
            found = self._names[module]
        return found

    def _enter(self, module, args):
        if self.is_bw:  # a checkpoint computes again: these modules are not inside those of the node
            self._outside.append(self._stack)
            self._stack, self.is_bw = [], False
        self._stack.append(self._name(module))

    def _leave(self, module, args, result):
        self._stack.pop()
        if not self._stack and self._outside:
            self._stack, self.is_bw = self._outside.pop(), True

    def _note(self, node):
        node.modules = tuple(self._stack)

    def _run(self, node, grads, step):
        before = self._stack, self.is_bw, self._outside
        self._stack, self.is_bw, self._outside = list(node.__dict__.get("modules", ())), True, []
        try:
            return step(node, grads)
        finally:
            self._stack, self.is_bw, self._outside = before

    def __enter__(self):
        self._stack = []
        self._handles = [register_module_forward_pre_hook(self._enter),
                         register_module_forward_hook(self._leave, always_call=True)]
        watching.add(self._note)
        engine.running.observers = (*engine.running.observers, self._run)
        return self

    def __exit__(self, *_):
        for handle in self._handles:
            handle.remove()
        watching.remove(self._note)
        engine.running.observers = tuple(o for o in engine.running.observers if o != self._run)


__all__ = ["ModuleTracker"]
