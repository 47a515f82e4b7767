"""The command that checks a GPU (examples/benchmarks/cuda_check.py): its sections alone, ends and verdicts."""

import importlib.util
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "benchmarks"


@pytest.fixture
def check():
    spec = importlib.util.spec_from_file_location("cuda_check", FOLDER / "cuda_check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sections_run_in_the_emulator(check, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NUMBATORCH_CUDA", "emulate")
    out = tmp_path / "result.json"
    assert check.main(["--quick", "--only", "handles,philox,suite", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert [s["holds"] for s in found.values()] == [True, True, None] and len(found["handles"]["rows"]) == 6
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


def test_verdicts(check):
    def of(*holds, ended="well"):
        rows = [{"name": f"r{k}", "holds": h} for k, h in enumerate(holds)]
        return check.verdict({"rows": rows, "ended": ended})
    assert of(True, None) == (True, "1 results") and of(True, False) == (False, "r1")
    assert of(True, ended="out of time")[0] is None and of(False, ended="out of time")[0] is False
    assert of(None) == (None, "well")
