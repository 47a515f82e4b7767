"""numbatorch bench: the table, its choices, wrong use. No time is asserted."""

import json

import pytest

from numbatorch.cli import main
from numbatorch.cli.bench_cases import CASES, SIZES


def test_every_case_runs_once_and_states_its_work():
    import numbatorch as torch

    torch.manual_seed(0)
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) > 40
    for case in CASES:
        if case.name in ("sort", "topk", "fft", "pow"):  # their kernels take long to compile and are tested elsewhere
            continue
        call, work = case.make(torch, SIZES["S"])
        call()
        assert work.bytes > 0 or work.operations > 0, case.name


def test_table_and_json(tmp_path, capsys):
    path = tmp_path / "figures.json"
    assert main(["bench", "--only", "add,matmul", "--size", "S", "--seconds", "0.01", "--json", str(path)]) == 0
    out = capsys.readouterr().out
    assert "GB/s" in out and "GFLOP/s" in out and "of limit" in out and out.count("%") == 2
    figures = json.loads(path.read_text())
    assert [row["name"] for row in figures["operations"]] == ["add", "matmul"]
    assert all(row["seconds"] > 0 and row["share"] > 0 for row in figures["operations"])


@pytest.mark.parametrize("wrong", [["--only", "nothing"], ["--threads", "0"], ["--seconds", "-1"], ["--seconds", "nan"],
                                   ["--only", ""]])
def test_wrong_use(wrong, capsys):
    assert main(["bench", *wrong]) == 2
    assert "numbatorch bench:" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_named_before_anything_is_measured(tmp_path, capsys):
    path = tmp_path / "none" / "figures.json"
    assert main(["bench", "--only", "add", "--json", str(path)]) == 1
    said = capsys.readouterr()
    assert f"--json {path}: No such file" in said.err and not said.out


def test_against_a_library_that_is_missing(monkeypatch, capsys):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["bench", "--against", "torch", "--only", "add"]) == 1
    assert "not installed" in capsys.readouterr().err


def test_list(capsys):
    assert main(["bench", "--list"]) == 0
    assert "softmax" in capsys.readouterr().out.split()
