"""What a program that may train in several processes is told here: that it is alone."""

import pytest

import numbatorch as torch
from numbatorch import distributed as dist


def test_questions_have_answers():
    assert not dist.is_available() and not dist.is_initialized() and not dist.is_nccl_available()
    assert dist.group.WORLD is None and dist.ReduceOp.SUM.name == "SUM" and dist.Backend("GLOO") == dist.Backend.GLOO


def test_launchers_are_recognised(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert not dist.is_torchelastic_launched()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    assert dist.is_torchelastic_launched()


@pytest.mark.parametrize("act", [lambda: dist.init_process_group("gloo", rank=0, world_size=2),
                                 lambda: dist.all_reduce(torch.ones(1), op=dist.ReduceOp.MAX),
                                 lambda: dist.TCPStore("localhost", 0), dist.barrier])
def test_what_needs_other_processes_is_refused(act):
    with pytest.raises(NotImplementedError, match=r"distributed\.\w+: tensors are not exchanged between processes"):
        act()


def test_the_group_that_is_not_there_has_no_rank():
    with pytest.raises(ValueError, match="get_rank: no process group was made"):
        dist.get_rank()


def test_every_public_name_is_there():
    assert all(hasattr(dist, name) for name in dist.__all__)


def test_isinstance_knows_no_spread_tensors():
    from numbatorch.distributed import device_mesh, tensor
    assert not isinstance(torch.ones(1), tensor.DTensor) and tensor.DeviceMesh is device_mesh.DeviceMesh
    with pytest.raises(NotImplementedError, match="distributed.tensor.Shard: tensors are not exchanged"):
        tensor.Shard(0)
    with pytest.raises(NotImplementedError, match="distributed.tensor.distribute_tensor"):
        tensor.distribute_tensor(torch.ones(1))
