"""Run a script in which `import torch` means numbatorch; PyTorch need not be installed.

    numbatorch run script.py --its --own arguments
    numbatorch run -m package.module --its --own arguments

Every `import torch[.x]` in the process gives numbatorch's modules, and so it does in processes that multiprocessing
starts (DataLoader workers, "spawn", "forkserver"); programs called by subprocess are ordinary Python again.
torch.__version__ and importlib.metadata say the PyTorch release whose interface is followed. SCRIPT may also be a
folder or zip file that holds __main__.py, or - for standard input. `numbatorch doctor` says beforehand what is missing.
"""

import argparse
import builtins
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import sys
import types
import zipfile
from typing import Any

from .torch_name import install, own_name

HELP = "run a script that imports torch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-m", dest="as_module", action="store_true", help="SCRIPT is a module's name, as in python -m")
    parser.add_argument("script", metavar="SCRIPT", help="a Python file, or with -m a module")
    parser.add_argument("arguments", metavar="...", nargs=argparse.REMAINDER, help="passed on to the script")


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
    main_module: Any = types.ModuleType("__main__")
    main_module.__builtins__ = builtins
    if as_module:
        set_first_path(os.getcwd())
        run_spec(find_module(target), main_module)
    elif os.path.isdir(target) or zipfile.is_zipfile(target):
        set_first_path(target)
        spec = importlib.machinery.PathFinder.find_spec("__main__", [target])
        if spec is None:
            raise UsageError(f"cannot find '__main__' module in {target!r}")
        run_spec(spec, main_module)
    else:
        path = target if target == "-" else os.path.abspath(target)
        source = read_source(target, path)
        set_first_path("" if target == "-" else os.path.dirname(os.path.realpath(target)))
        if target != "-":
            main_module.__file__ = path
            main_module.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
        main_module.__cached__ = None
        code = compile(source, "<stdin>" if target == "-" else path, "exec", dont_inherit=True)
        run_code(code, main_module)


def read_source(target: str, path: str) -> bytes:
    """A script's text, as bytes: its first lines may name its encoding."""
    if target == "-":
        return sys.stdin.buffer.read()
    try:
        with io.open_code(path) as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"cannot open {target!r}: {error.strerror}") from error


def run_spec(spec: Any, main_module: Any) -> None:
    """Runs the code of a spec; multiprocessing finds the program again by what is set here."""
    main_module.__spec__, main_module.__package__, main_module.__loader__ = spec, spec.parent, spec.loader
    main_module.__file__, main_module.__cached__ = spec.origin, spec.cached
    if spec.name != "__main__":
        sys.argv[0] = spec.origin
    run_code(spec.loader.get_code(spec.name), main_module)


def run_code(code: Any, main_module: types.ModuleType) -> None:
    sys.modules["__main__"] = main_module
    exec(code, vars(main_module))


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
        add_help(shown)
        flush_output()
        sys.excepthook(type(shown), shown, shown.__traceback__)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def add_help(error: BaseException) -> None:
    """Says of a missing torch module or name what it is that lacks it."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("torch."):
        error.add_note(f"numbatorch has no module {own_name(error.name or '')}; `numbatorch doctor` lists all that a "
                       "program needs and numbatorch lacks")


def flush_output() -> None:
    """What the script printed comes before its traceback, where both go to one file."""
    with contextlib.suppress(OSError, ValueError):  # closed, or its reader is gone: there is no order left to keep
        sys.stdout.flush()
