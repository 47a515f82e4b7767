"""torch.return_types names what several results come in."""

import pickle

import pytest

import numbatorch as torch


@pytest.mark.parametrize("name, make", [
    ("max", lambda x: x.max(0)), ("topk", lambda x: x.topk(1)), ("sort", lambda x: x.sort()),
    ("median", lambda x: x.median(0)), ("mode", lambda x: x.mode(0)), ("aminmax", lambda x: x.aminmax()),
    ("cummax", lambda x: x.cummax(0)), ("kthvalue", lambda x: x.kthvalue(1)), ("frexp", lambda x: x.frexp()),
    ("linalg_slogdet", lambda x: torch.linalg.slogdet(x)), ("linalg_qr", lambda x: torch.linalg.qr(x))])
def test_results_are_of_their_types(name, make):
    result = make(torch.rand(3, 3))
    assert isinstance(result, getattr(torch.return_types, name)) and isinstance(result, tuple)
    assert isinstance(pickle.loads(pickle.dumps(result)), tuple)


def test_others_have_none():
    for name in ("add", "nothing", "meshgrid"):
        with pytest.raises(AttributeError, match="several named results"):
            getattr(torch.return_types, name)
