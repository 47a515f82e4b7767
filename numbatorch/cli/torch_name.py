"""`torch` as a name of numbatorch in this process: what is imported, which version it says it is, and what processes
that multiprocessing starts afresh see.

torch and torch.version are modules of their own, which hold what numbatorch's hold but say the version of PyTorch whose
interface is followed: scripts compare it. Every other torch.x is the module numbatorch.x itself.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import multiprocessing.spawn
import sys
import types
from typing import Any

VERSIONED = ("torch", "torch.version")


def own_name(fullname: str) -> str:
    """numbatorch.x for torch.x."""
    return "numbatorch" + fullname.removeprefix("torch")


class VersionedModule(types.ModuleType):
    """A module that shows another one's names, with a version of its own; what is set on it is set on both."""

    def __init__(self, name: str, behind: types.ModuleType):
        super().__init__(name, behind.__doc__)
        from numbatorch.torch_version import INTERFACE
        own = {*vars(self), "__getattr__", "__dir__"}  # a module's own __getattr__ would be asked before the class's
        held = {key: value for key, value in vars(behind).items() if key not in own}
        vars(self).update(held, __version__=INTERFACE, _behind=behind)

    def __getattr__(self, name: str) -> Any:
        if name == "torch":
            return self
        try:
            found = getattr(self._behind, name)
        except AttributeError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} "
                                 f"(it stands for {self._behind.__name__})", name=name, obj=self) from None
        if not isinstance(found, types.ModuleType):  # modules are set by the import system, versioned where they are
            vars(self)[name] = found
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if not name.startswith("__") and not isinstance(value, VersionedModule):
            setattr(self._behind, name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if hasattr(self._behind, name):
            delattr(self._behind, name)

    def __dir__(self):
        return sorted({*vars(self), *dir(self._behind)} - {"_behind"})


class TorchDistribution(importlib.metadata.Distribution):
    """What importlib.metadata tells of the installed package torch."""

    def read_text(self, filename: str) -> str | None:
        from numbatorch.torch_version import INTERFACE
        return {"METADATA": f"Metadata-Version: 2.1\nName: torch\nVersion: {INTERFACE!s}\n"
                            "Summary: numbatorch, under the name torch\n",
                "top_level.txt": "torch\n"}.get(filename)

    def locate_file(self, path):
        import pathlib

        import numbatorch
        return pathlib.Path(numbatorch.__path__[0]).parent / path


class TorchFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds torch[.x] as the module numbatorch[.x], which is executed once, under its own name."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "torch" and not fullname.startswith("torch."):
            return None
        found = importlib.util.find_spec(own_name(fullname))
        if found is None:
            return None
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=found.origin,
                                              is_package=found.submodule_search_locations is not None)
        if found.submodule_search_locations is not None:
            spec.submodule_search_locations = list(found.submodule_search_locations)
        spec.has_location = found.has_location
        return spec

    def create_module(self, spec):
        module = importlib.import_module(own_name(spec.name))
        if spec.name in VERSIONED:
            return VersionedModule(spec.name, module)
        # The import system overwrites __spec__ of whatever we return; exec_module puts the module's own one back.
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module):
        if isinstance(module, VersionedModule):
            if module.__name__ == "torch":
                module.version = importlib.import_module("torch.version")
            return
        module.__spec__ = module.__spec__.loader_state

    def find_distributions(self, context=None):
        """The package torch, for importlib.metadata."""
        if context is None or context.name is None or context.name.lower() == "torch":
            yield TorchDistribution()


class _Installation:
    """Pickled among what a fresh process is told before it loads anything else: reading it installs the name there."""

    def __reduce__(self):
        # The process has not set sys.path yet, so numbatorch may lie where it does not look.
        return exec, (f"import sys\nsys.path[:] = {sys.path!r}\nfrom numbatorch.cli import torch_name\n"
                      "torch_name.install()\n",)


def install() -> TorchFinder:
    """Makes torch mean numbatorch for the rest of the process, and for processes that multiprocessing starts from it;
    a torch that was imported before is forgotten.
    """
    for finder in sys.meta_path:
        if isinstance(finder, TorchFinder):
            return finder
    for name in [name for name in sys.modules if name == "torch" or name.startswith("torch.")]:
        del sys.modules[name]
    finder = TorchFinder()
    sys.meta_path.insert(0, finder)
    tell: Any = multiprocessing.spawn
    get_plain = tell.get_preparation_data
    tell.get_preparation_data = lambda name: {"torch": _Installation(), **get_plain(name)}
    return finder
