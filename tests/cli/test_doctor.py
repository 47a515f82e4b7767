"""`numbatorch doctor`: what a program needs and numbatorch lacks, found in its source."""

import pytest

from numbatorch import cli
from numbatorch.cli.doctor import diagnose
from numbatorch.cli.names_used import read_names


@pytest.fixture
def doctor(tmp_path, monkeypatch, capsys):
    """Writes files, looks at main.py (and more), gives the exit status and the printed lines."""
    monkeypatch.chdir(tmp_path)

    def look(*arguments, **files):
        for name, text in files.items():
            path = tmp_path / (name.replace("__", "/") + ".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        status = cli.main(["doctor", *(arguments or ["main.py"])])
        printed = capsys.readouterr()
        return status, (printed.out + printed.err).splitlines()
    return look


def names(text):
    return [use.name for use in read_names(text.encode(), "main.py").uses]


def test_a_program_that_lacks_nothing(doctor):
    status, lines = doctor(main="import torch\nimport torch.nn.functional as F\n"
                                "from torch.utils.data import DataLoader\nprint(F.relu(torch.ones(2)))\n")
    assert status == 0 and lines == ["5 names of torch in 1 file: nothing missing"]


def test_missing_names_come_with_file_and_line_through_local_imports(doctor):
    status, lines = doctor(main="import torch\nimport helper\nfrom parts import layer\ntorch.no_such(1)\n",
                           helper="from torch import nn\n\n\nclass Net(nn.NoSuch):\n    pass\n",
                           parts__layer="from helper import Net\nfrom . import more\nfrom torch.no_file import x\n",
                           parts__more="import torch.nn\n")
    assert status == 1
    assert lines == ["helper.py:4: torch.nn.NoSuch is missing", "main.py:4: torch.no_such is missing",
                     "parts/layer.py:3: torch.no_file is missing",
                     "5 names of torch in 4 files: 3 missing"]


def test_what_the_program_does_without_is_shown_when_asked_for(doctor):
    text = """
import torch
try:
    import torch.no_such_module
except ImportError:
    pass
if hasattr(torch, "no_such"):
    torch.no_such.part()
if torch.cuda.is_available():
    torch.cuda.no_such()
"""
    assert doctor(main=text)[0] == 0
    status, lines = doctor("main.py", "--all", main=text)
    assert status == 0
    assert [line for line in lines if "does without" in line] == [
        f"main.py:{line}: torch.{name} is missing (the program does without)"
        for line, name in ((4, "no_such_module"), (8, "no_such"), (10, "cuda.no_such"))]


def test_methods_of_tensors_are_seen_where_a_value_is_a_tensor_for_certain(doctor):
    status, lines = doctor(main="""
import torch
def step(x: torch.Tensor, y):
    y.no_such_method()          # may be anything
    z = (x @ x.transpose(0, 1)).relu()
    z.no_such_method()
    return torch.ones(2).no_such_too() + x.shape.numel()
""")
    assert status == 1
    assert lines[:2] == ["main.py:6: torch.Tensor.no_such_method is missing",
                         "main.py:7: torch.Tensor.no_such_too is missing"]
    assert lines[2].endswith("2 missing")


def test_a_name_is_followed_under_whatever_name_it_has_and_not_where_it_is_hidden():
    assert names("import torch as t, torch.nn as nn\nt.a\nnn.b.c\n") == ["torch", "torch.nn", "torch.a", "torch.nn.b.c"]
    assert names("import torch\nf = torch.a\nf.b\n") == ["torch", "torch.a", "torch.a.b"]
    assert names("import torch\ndef g(torch):\n    return torch.a\n") == ["torch"]
    assert names("from torch import nn\nh = lambda nn: nn.a\n") == ["torch.nn"]
    assert names("import torch\nclass A:\n    def m(self):\n        import torch.b\n        torch.c.d(torch.e)\n") == [
        "torch", "torch.b", "torch.c.d", "torch.e"]


def test_what_only_refuses_counts_as_missing(monkeypatch):
    import numbatorch.futures as module

    def refused(x):
        """What it would do."""
        raise NotImplementedError("refused: not here")
    refused.__module__ = module.__name__
    monkeypatch.setattr(module, "refused", refused, raising=False)
    assert diagnose("torch.futures.refused") == ("torch.futures.refused",
                                                 "raises NotImplementedError: refused: not here")
    assert diagnose("torch.futures.Future.wait") is None and diagnose("torch.float32.itemsize") is None


def test_what_cannot_be_read(doctor):
    assert doctor("none.py")[0] == 2
    status, lines = doctor(main="def :\n")
    assert status == 2 and "main.py" in lines[0]
    status, lines = doctor("main.py", main="import helper, torch\n", helper="def :\n")
    assert status == 0 and lines[0].startswith("not read: helper.py")
