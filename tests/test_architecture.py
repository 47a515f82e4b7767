"""Imports point one way, and numba stays out of `import numbatorch`."""

import ast
import subprocess
import sys
from pathlib import Path

import numbatorch

ROOT = Path(numbatorch.__file__).parent
LAYERS = [
    {"errors", "missing", "config", "dtypes", "layout", "device", "absent", "leases", "versions"},
    {"expr"},
    {"lowering"},
    {"ops", "cpu", "cuda", "meta"},
    {"plan", "fuse"},
    {"autograd", "tensor", "tensor_gradients", "tensor_moves", "tensor_values", "methods", "legacy", "storage",
     "attributes", "sharing", "calls", "eager_calls", "arguments", "results", "interception", "sparse", "subclassing",
     "asking", "recording", "operators", "size", "creation",
     "ranges", "from_data", "formats", "filling", "indexing", "einstein", "printing", "library", "compiler",
     "generator", "randomness", "runtime", "determinism", "queries", "transforms", "transfer", "windows"},
]
LEVEL = {name: k for k, names in enumerate(LAYERS) for name in names}


def imports_at_load(path):
    """Top-level packages of numbatorch that a file imports when it is loaded (not inside functions)."""
    package = ["numbatorch", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[:len(package) - node.level + 1]
            names = [node.module] if node.module else [a.name for a in node.names]
            for name in names:
                parts = [*base, *name.split(".")]
                if len(parts) > 1:
                    yield parts[1]
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for name in [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]:
                parts = (name or "").split(".")
                if parts[0] == "numbatorch" and len(parts) > 1:
                    yield parts[1]


def files():
    for path in ROOT.rglob("*.py"):
        yield path, path.relative_to(ROOT).parts[0].removesuffix(".py")


def test_imports_point_down():
    wrong = []
    for path, own in files():
        if own not in LEVEL:
            continue
        for name in imports_at_load(path):
            if LEVEL.get(name, len(LAYERS)) > LEVEL[own]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, wrong


def test_ops_know_no_device_and_backends_know_no_op():
    forbidden = {"ops": ("cpu", "cuda", "meta"), "meta": ("ops", "cpu", "cuda"), "cpu": ("ops", "cuda"),
                 "cuda": ("ops", "cpu"), "lowering": ("ops", "cpu", "cuda")}
    wrong = [f"{path.relative_to(ROOT)} imports {name}" for path, own in files() for name in imports_at_load(path)
             if name in forbidden.get(own, ())]
    assert not wrong, wrong


def test_numba_is_imported_only_by_backends():
    wrong = []
    for path, own in files():
        if own in ("cpu", "cuda", "lowering"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else (
                [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else [])
            wrong += [f"{path.relative_to(ROOT)} imports {n}" for n in names
                      if n.split(".")[0] in ("numba", "llvmlite")]
    allowed = {"cli/info.py imports numba", "cli/info.py imports llvmlite"}
    assert not set(wrong) - allowed, wrong


def test_import_loads_neither_numba_nor_the_demo_libraries():
    code = ("import sys, numbatorch; bad = {'numba', 'llvmlite', 'torch', 'rich', 'matplotlib', 'PIL'} & "
            "set(sys.modules); print(sorted(bad)); sys.exit(bool(bad))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
