"""Every example runs."""

import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"
ARGUMENTS = {"mnist": (["--epochs", "2"],)}


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(p.stem for p in FOLDER.glob("*.py")))
def test_example_runs(name, capsys):
    result = load(name).main(*ARGUMENTS.get(name, ()))
    assert capsys.readouterr().out
    if name == "mnist":
        assert result > 0.8
