"""Run a script in which `import torch` means numbatorch; PyTorch need not be installed.

    numbatorch run script.py --its --own arguments
    numbatorch run -m package.module --its --own arguments

Every `import torch[.x]` in the process gives numbatorch's own module objects. Processes that the script starts afresh
(multiprocessing's "spawn") are ordinary Python again.
"""

import argparse
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import sys
import types
from typing import Any

HELP = "run a script that imports torch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-m", dest="as_module", action="store_true", help="SCRIPT is a module's name, as in python -m")
    parser.add_argument("script", metavar="SCRIPT", help="a Python file, or with -m a module")
    parser.add_argument("arguments", metavar="...", nargs=argparse.REMAINDER, help="passed on to the script")


class TorchFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds torch[.x] as the module numbatorch[.x], which is executed once, under its own name."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "torch" and not fullname.startswith("torch."):
            return None
        own_name = "numbatorch" + fullname.removeprefix("torch")
        if importlib.util.find_spec(own_name) is None:
            # Said here, or the path finder would look for torch.x in numbatorch's folder under its own steam.
            raise ModuleNotFoundError(f"No module named {fullname!r} (numbatorch has no {own_name})", name=fullname)
        return importlib.machinery.ModuleSpec(fullname, self, origin=own_name)

    def create_module(self, spec):
        module = importlib.import_module(spec.origin)
        # The import system overwrites __spec__ of whatever we return; exec_module puts the module's own one back.
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module):
        module.__spec__ = module.__spec__.loader_state


def install() -> TorchFinder:
    """Makes torch mean numbatorch for the rest of the process; a torch that was imported before is forgotten."""
    for name in [name for name in sys.modules if name == "torch" or name.startswith("torch.")]:
        del sys.modules[name]
    finder = TorchFinder()
    sys.meta_path.insert(0, finder)
    return finder


class UsageError(Exception):
    """What was to be run cannot be found or read."""


def find_module(name: str) -> importlib.machinery.ModuleSpec:
    """The spec of a module, or of __main__ in a package."""
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            name += ".__main__"
            spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError) as error:
        raise UsageError(f"cannot find module {name!r} ({error})") from error
    if spec is None or not hasattr(spec.loader, "get_code"):
        raise UsageError(f"cannot find module {name!r}, or it holds no Python code")
    return spec


def execute(target: str, as_module: bool) -> None:
    """Runs the target as __main__, as `python` would."""
    main_module = types.ModuleType("__main__")
    if as_module:
        set_first_path(os.getcwd())
        spec: Any = find_module(target)
        code = spec.loader.get_code(spec.name)
        main_module.__spec__, main_module.__package__, main_module.__loader__ = spec, spec.parent, spec.loader
        main_module.__file__ = sys.argv[0] = spec.origin
    else:
        if os.path.isdir(target):
            raise UsageError(f"{target!r} is a folder; give a Python file, or -m and a module's name")
        try:
            with io.open_code(os.path.abspath(target)) as file:
                source = file.read()
        except OSError as error:
            raise UsageError(f"cannot open {target!r}: {error.strerror}") from error
        set_first_path(os.path.dirname(os.path.realpath(target)))
        main_module.__file__ = target
        code = compile(source, target, "exec")
    main_module.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main_module
    exec(code, main_module.__dict__)


def set_first_path(folder: str) -> None:
    """Puts the script's folder where Python puts it; under -P it is left out, as asked."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def without_own_frames(error: BaseException) -> types.TracebackType | None:
    """The error's traceback from the script's first frame on."""
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename == __file__:
        frame = frame.tb_next
    return frame


def main(options: argparse.Namespace) -> int:
    import numbatorch  # noqa: F401  whole, before scripts can see half of it

    install()
    sys.argv = [options.script, *options.arguments]
    try:
        execute(options.script, options.as_module)
    except UsageError as error:
        print(f"numbatorch run: {error}", file=sys.stderr)
        return 2
    except SystemExit:
        raise
    except BaseException as error:
        shown = error.with_traceback(without_own_frames(error))
        flush_output()
        sys.excepthook(type(shown), shown, shown.__traceback__)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def flush_output() -> None:
    """What the script printed comes before its traceback, where both go to one file."""
    with contextlib.suppress(OSError, ValueError):  # closed, or its reader is gone: there is no order left to keep
        sys.stdout.flush()
