"""List what a program uses of torch and numbatorch lacks, with file and line, without running it.

    numbatorch doctor train.py model.py
    numbatorch doctor train.py --follow timm

Read are the files, what they import from their own folder, and packages named by --follow. Names under
`except ImportError`, hasattr() or `if torch.cuda.is_available()` are told apart: the program does without them.
Exit status: 0 nothing is missing, 1 something is, 2 a file cannot be read.
"""

import argparse
import ast
import importlib
import importlib.machinery
import importlib.util
import inspect
import os
import sys
import textwrap
import types
from typing import Any

from .names_used import Reader, Use, read_names

HELP = "list what a script uses of torch that numbatorch lacks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scripts", metavar="SCRIPT", nargs="+", help="a Python file, or a folder of them")
    parser.add_argument("--follow", metavar="PACKAGE", action="append", default=[],
                        help="also read what is imported from this installed package; may be repeated")
    parser.add_argument("--all", action="store_true", help="also list names the program does without where missing")


class UnreadableError(Exception):
    """A file named on the command line cannot be read as Python."""


class Program:
    """The files of a program: given ones, and those reached by imports."""

    def __init__(self, follow: list[str]):
        self.follow = frozenset(follow)
        self.readers: dict[str, Reader] = {}
        self.elsewhere: set[str] = set()  # packages that were not looked into
        self.unreadable: list[str] = []

    def add(self, path: str, root: str, given: bool = False) -> None:
        """Reads a file and what it imports; `root` is the folder where its absolute imports begin."""
        path = os.path.relpath(path) if not os.path.relpath(path).startswith("..") else os.path.abspath(path)
        if path in self.readers:
            return
        try:
            with open(path, "rb") as file:
                source = file.read()
            reader = self.readers[path] = read_names(source, path)
        except (OSError, SyntaxError, ValueError) as error:
            if given:
                raise UnreadableError(f"cannot read {path!r}: {error}") from error
            self.unreadable.append(f"{path}: {error}")
            return
        for module, level, names in reader.imports:
            for found in self.find(module, level, names, path, root):
                self.add(found, root)

    def find(self, module: str, level: int, names: tuple[str, ...], path: str, root: str) -> list[str]:
        """The files of an import: of the module itself, of the packages it lies in, and of names that are modules."""
        base = os.path.abspath(os.path.dirname(path))
        for _ in range(level - 1):
            base = os.path.dirname(base)
        parts = module.split(".") if module else []
        if not level:
            base = root
            if parts[0] in self.follow:
                spec = importlib.util.find_spec(parts[0])
                if spec is None or not spec.origin:
                    raise UnreadableError(f"--follow {parts[0]}: there is no such package here")
                base = os.path.dirname(spec.origin)
                base = os.path.dirname(base) if spec.submodule_search_locations else base
            elif not (file_of(os.path.join(root, parts[0])) or os.path.isdir(os.path.join(root, parts[0]))):
                if parts[0] not in sys.stdlib_module_names:
                    self.elsewhere.add(parts[0])
                return []
        files = [file_of(os.path.join(base, *parts[:k])) for k in range(1, len(parts) + 1)]
        files += [file_of(os.path.join(base, *parts, name)) for name in names]
        return [file for file in files if file]

    @property
    def uses(self) -> list[Use]:
        return [use for reader in self.readers.values() for use in reader.uses]


def file_of(stem: str) -> str | None:
    """The file of a module, or of a package, whose path without an ending is given."""
    for path in (os.path.join(stem, "__init__.py"), stem + ".py"):
        if os.path.isfile(path):
            return path
    return None


def diagnose(name: str) -> tuple[str, str] | None:
    """None for a torch name that numbatorch has; else (the part of it that is missing, what is the matter)."""
    found: Any = importlib.import_module("numbatorch")
    parts = name.split(".")
    for k, part in enumerate(parts[1:], 2):
        here, owner = ".".join(parts[:k]), found
        if not isinstance(owner, (type, types.ModuleType)):
            return None  # what an object has shows only when the program runs
        found = own_part(owner, part)
        if found is MISSING:
            return here, "is missing"
        if (words := refusal(found)) is not None:
            return here, f"raises NotImplementedError: {words}" if words else "raises NotImplementedError"
    return None


MISSING = object()


def own_part(owner: Any, part: str) -> Any:
    """An attribute, or a submodule that nobody has imported yet."""
    if isinstance(owner, type):
        # What instances set on themselves is annotated or assigned in __init__, and cannot be seen here.
        return getattr(owner, part, MISSING) if owner.__name__ == "Tensor" else getattr(owner, part, None)
    try:
        found = getattr(owner, part, MISSING)
        if found is MISSING and hasattr(owner, "__path__"):
            return importlib.import_module(f"{owner.__name__}.{part}")
    except ImportError:  # it is not there, or lacks a package of its own
        return MISSING
    return found


def refusal(function: Any) -> str | None:
    """The message of a function or class of numbatorch that does nothing but raise NotImplementedError."""
    if isinstance(function, type):
        function = vars(function).get("__init__")
    if not isinstance(function, types.FunctionType) or not (
            function.__module__ or "").startswith("numbatorch"):
        return None
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, SyntaxError, TypeError):
        return None
    body = getattr(tree.body[0], "body", None)
    if not isinstance(body, list):
        return None
    body = body[1:] if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) else body
    if len(body) != 1 or not isinstance(body[0], ast.Raise) or body[0].exc is None:
        return None
    raised = body[0].exc
    called = raised.func if isinstance(raised, ast.Call) else raised
    if not (isinstance(called, ast.Name) and called.id == "NotImplementedError"):
        return None
    words = raised.args[0] if isinstance(raised, ast.Call) and raised.args else None
    return words.value if isinstance(words, ast.Constant) and isinstance(words.value, str) else ""


def main(options: argparse.Namespace) -> int:
    program = Program(options.follow)
    try:
        for script in options.scripts:
            files = [script]
            if os.path.isdir(script):
                files = sorted(os.path.join(folder, file) for folder, _, names in os.walk(script)
                               for file in names if file.endswith(".py"))
            for file in files:
                root = script if os.path.isdir(script) else os.path.dirname(script)
                program.add(file, os.path.abspath(root), given=True)
    except UnreadableError as error:
        print(f"numbatorch doctor: {error}", file=sys.stderr)
        return 2
    return report(program, options.all)


def report(program: Program, show_all: bool) -> int:
    """Prints a line for each place where something is missing, then what was looked at."""
    answers = {name: diagnose(name) for name in sorted({use.name for use in program.uses})}
    told: dict[bool, dict[tuple, Use]] = {False: {}, True: {}}
    for use in program.uses:
        if (answer := answers[use.name]) is not None:
            told[use.optional].setdefault((use.path, use.line, *answer), use)
    missing = sorted(told[False])
    for path, line, name, matter in missing:
        print(f"{path}:{line}: {name} {matter}")
    if show_all:
        for path, line, name, matter in sorted(told[True]):
            print(f"{path}:{line}: {name} {matter} (the program does without)")
    for line in program.unreadable:
        print(f"not read: {line}")
    files = len(program.readers)
    names = len({name for _, _, name, _ in missing})
    found = f"{names} missing" if names else "nothing missing"
    print(f"{len(answers)} names of torch in {files} file{'s' * (files != 1)}: {found}")
    elsewhere = sorted(program.elsewhere - {"numpy", "numbatorch"})
    if elsewhere:
        print(f"not looked into (--follow NAME does): {', '.join(elsewhere)}")
    return 1 if missing else 0
