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


A, B, WHOLE = torch.tensor([[2.0, 1.0], [1.0, 3.0]]), torch.ones(2, 2), torch.tensor([[4, 6], [9, 3]])
LOG, TARGETS, LENGTHS = torch.zeros(4, 2, 3).log_softmax(-1), torch.ones(2, 2, dtype=torch.int64), torch.tensor([4, 3])


@pytest.mark.parametrize(("call", "operands"), [
    (torch.isin, (WHOLE, WHOLE)), (torch.gcd, (WHOLE, WHOLE)), (torch.igamma, (A, B)), (torch.special.zeta, (A, B)),
    (torch.linalg.solve, (A, B)), (torch.linalg.lstsq, (A, B)), (torch._dirichlet_grad, (B / 2, A, A + 2)),
    (lambda a, b: torch.linalg.solve_triangular(a, b, upper=True), (A, B)), (torch.Tensor.lcm_, (WHOLE, WHOLE)),
    (torch.cholesky_solve, (B, A)), (lambda a, n: torch.segment_reduce(a, "sum", lengths=n), (B, torch.tensor([1, 1]))),
    (lambda p, t: torch.nn.functional.ctc_loss(p, t, LENGTHS, LENGTHS // 2), (LOG, TARGETS))],
    ids=["isin", "gcd", "igamma", "zeta", "solve", "lstsq", "dirichlet_grad", "solve_triangular", "lcm_",
         "cholesky_solve", "segment_reduce", "ctc_loss"])
def test_the_host_does_not_join_what_is_on_several_devices(gpu, call, operands):
    there = [t.cuda() for t in operands]
    call(*there)
    for here in range(len(operands)):
        mixed = [t.clone() if k == here else own for k, (t, own) in enumerate(zip(operands, there, strict=True))]
        with pytest.raises(RuntimeError, match=r"^\w+: Expected all tensors to be on the same device.* on cuda:0"):
            call(*mixed)


def test_the_host_takes_numbers_and_lengths_from_anywhere(gpu):
    assert torch.gcd(WHOLE.cuda(), torch.tensor(6)).tolist() == torch.gcd(WHOLE, torch.tensor(6)).tolist()
    assert torch.igamma(torch.tensor(2.0), A.cuda()).is_cuda
    for lengths in (LENGTHS, LENGTHS.cuda()):
        there = torch.nn.functional.ctc_loss(LOG.cuda(), TARGETS.cuda(), lengths, LENGTHS // 2)
        assert there.is_cuda and torch.equal(
            there.cpu(), torch.nn.functional.ctc_loss(LOG, TARGETS, LENGTHS, LENGTHS // 2))
    assert [len(t) for t in torch.arange(4).cuda().tensor_split(torch.tensor([1, 3]))] == [1, 2, 1]
