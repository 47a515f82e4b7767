"""The command that checks a GPU (examples/benchmarks/cuda_check.py): its sections alone, ends and verdicts."""

import importlib
import json
import os
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "benchmarks"


@pytest.fixture
def check(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("cuda_check")


def test_sections_run_in_the_emulator(check, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NUMBATORCH_CUDA", "emulate")
    out = tmp_path / "result.json"
    assert check.main(["--quick", "--only", "handles,philox,fusion,suite", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert [s["holds"] for s in found.values()] == [True, True, True, None] and len(found["handles"]["rows"]) == 6
    assert "holds      handles" in capsys.readouterr().out


def test_a_section_without_a_gpu_says_so(check, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NUMBATORCH_CUDA", "")
    if check.main(["--only", "philox", "--quick", "--out", str(tmp_path / "r.json")]) == 0:
        assert "not known  philox" in capsys.readouterr().out or "holds      philox" in capsys.readouterr().out


def test_ends_of_sections(check, tmp_path, monkeypatch):
    class Options:
        quick, verbose = True, False
    monkeypatch.setenv("NUMBATORCH_CUDA", "emulate")
    report = check.Report(tmp_path / "r.json")
    check.run("families", Options, 0.2, report)
    assert report.sections["families"]["ended"] == "out of time"
    monkeypatch.setenv("NUMBATORCH_CUDA", "nonsense")
    check.run("handles", Options, 60, report)
    section = report.sections["handles"]
    assert section["ended"] == "status 1" and "NUMBATORCH_CUDA" in section["output"][-1]
    assert check.verdict(section) == (False, "the section ended with status 1")


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for the tool is a shell script")
def test_what_compute_sanitizer_says_is_the_verdict(tmp_path, monkeypatch, capsys):
    tool = tmp_path / "compute-sanitizer"
    tool.write_text('#!/bin/sh\n[ "$2" = memcheck ] && exit 0\n[ "$SLOW" ] && exec sleep 60\necho race; exit 9\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.syspath_prepend(FOLDER)
    cuda_speed = importlib.import_module("cuda_speed")

    def rows():
        cuda_speed.sanitizer(True)
        return [json.loads(line.removeprefix("@result ")) for line in capsys.readouterr().out.splitlines()]
    assert rows() == [{"name": "memcheck", "holds": True},
                      {"name": "racecheck", "holds": False, "note": "race\n"}]
    monkeypatch.setenv("SLOW", "1")
    monkeypatch.setattr(cuda_speed, "SANITIZED", 0.3)
    assert "holds" not in rows()[1] and "no end within 0.3 s" in rows()[1]["note"]


def test_verdicts(check):
    def of(*holds, ended="well"):
        rows = [{"name": f"r{k}", "holds": h} for k, h in enumerate(holds)]
        return check.verdict({"rows": rows, "ended": ended})
    assert of(True, None) == (True, "1 results") and of(True, False) == (False, "r1")
    assert of(True, ended="out of time")[0] is None and of(False, ended="out of time")[0] is False
    assert of(None) == (None, "well")
