"""Named shared memory: what a sweep deletes, and what it leaves."""

import os
import time

import pytest

from numbatorch import leases

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no named files of shared memory here")


def test_a_file_that_is_being_made_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "_folder", lambda: str(tmp_path))
    young, old = (tmp_path / (leases._family() + name) for name in ("young", "old"))
    young.touch()
    old.touch()
    os.utime(old, (time.time() - 3600,) * 2)
    leases.sweep()
    assert young.exists() and not old.exists()


def test_the_last_holder_deletes_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "_folder", lambda: str(tmp_path))
    descriptor, path = leases.create(100)
    os.close(descriptor)
    leases.sweep()
    assert os.path.exists(path) and leases.take(path)
    leases.give_up(path)
    assert os.path.exists(path)
    leases.give_up(path)
    assert not os.path.exists(path)
