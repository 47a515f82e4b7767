"""Bodies that the host runs on copies: nothing may have changed when it takes over, or it would be changed twice."""

import importlib.util
import sys
from pathlib import Path

import pytest

import numbatorch as torch
from numbatorch import transfer

_PATH = Path(__file__).parents[1] / "ops" / "samples.py"
if "samples" not in sys.modules:
    _spec = importlib.util.spec_from_file_location("samples", _PATH)
    _module = sys.modules["samples"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(_module)

import samples  # noqa: E402


@pytest.fixture
def taken_over(monkeypatch):
    """[(op, operands that have changed)] of bodies that the host runs again."""
    found, run = [], transfer.run_on_host

    def noted(op, values, error):
        changed = [t for t in transfer._tensors(values) if t.is_cuda and t._version]
        found.append((op.name, len(changed)))
        return run(op, values, error)
    for module in [m for n, m in list(sys.modules.items()) if n.startswith("numbatorch.")]:
        if module is not None and module.__dict__.get("run_on_host") is run:
            monkeypatch.setattr(module, "run_on_host", noted)
    return found


def test_no_operand_was_changed_before(gpu, taken_over):
    table = samples.TABLE
    names = [n for n in sorted(set(table) - set(samples.SKIPPED) - {"lobpcg", "_lobpcg"})
             if table[n].kind == "foreign" or table[n].eager]
    for name in names:
        for _, positional, keywords in samples.calls(table[name])[:1]:
            given = samples.each((positional, keywords), lambda t: t.cuda())
            table[name].call(*given[0], **given[1])
    assert len({name for name, _ in taken_over}) > 20
    assert not [name for name, changed in taken_over if changed]


def test_the_fixture_sees_a_change(gpu, taken_over):
    x = torch.ones(3).cuda()
    x.add_(1)
    torch.linalg.svdvals(x.reshape(3, 1).add_(1))
    assert any(changed for _, changed in taken_over)
