"""The object cache on disk: what it stores survives other processes, damage and folders that cannot be written."""

import warnings

import numpy as np
import pytest

from numbatorch.cpu import cache, compile

SOURCE = "def fill(r, start, stop):\n    for i in range(start, stop):\n        r[i] = {}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBATORCH_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "_state", {"warned": False, "written": 0})
    monkeypatch.setattr(compile, "_kernels", {})
    return tmp_path


def fill(value):
    r = np.zeros(3, np.int64)
    compile.compile_kernel("fill", SOURCE.format(value), ("int64*",))(r.ctypes.data, 3, 3)
    return r.tolist()


def test_entries_are_read_back_and_counted(folder):
    name = cache.key("a", 1)
    assert name != cache.key("a1") and cache.read(name) is None
    cache.write(name, b"payload")
    assert cache.read(name) == b"payload"
    info = cache.info()
    assert (info["kernels"], info["sources"], info["path"]) == (1, 0, str(folder)) and info["bytes"] > 7
    cache.clear()
    assert cache.read(name) is None and cache.info()["kernels"] == 0


@pytest.mark.parametrize("damage", [b"", b"numbatorch object 1\n", b"flipped", b"cut"])
def test_a_damaged_entry_is_rebuilt(folder, damage):
    assert fill(5) == [5, 5, 5]
    (entry,) = [path for path in folder.glob("objects/*/*") if path.is_file()]
    whole = entry.read_bytes()
    if damage == b"flipped":
        damage = whole[:-200] + bytes([whole[-200] ^ 1]) + whole[-199:]
    elif damage == b"cut":
        damage = whole[:-100]
    entry.write_bytes(damage)
    compile._kernels.clear()
    assert fill(5) == [5, 5, 5]
    assert entry.read_bytes() == whole


def test_the_source_is_kept_as_a_readable_file(folder):
    fill(6)
    (path,) = folder.glob("kernels/fill-*.py")
    assert path.read_text() == SOURCE.format(6)
    assert cache.info()["sources"] == 1


def test_a_folder_that_cannot_be_written_warns_once(folder, monkeypatch):
    (folder / "file").write_text("in the way")
    monkeypatch.setenv("NUMBATORCH_CACHE_DIR", str(folder / "file"))
    with pytest.warns(RuntimeWarning, match="cannot be written"):
        assert fill(7) == [7, 7, 7]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fill(8) == [8, 8, 8]


def test_least_recently_used_entries_go_first(folder, monkeypatch):
    import os

    monkeypatch.setenv("NUMBATORCH_CACHE_BYTES", "3000")
    monkeypatch.setattr(cache, "_CHECK_EVERY_BYTES", 1)
    names = [cache.key(i) for i in range(5)]
    for age, name in zip((5, 4, 3, 2, 1), names, strict=True):
        cache.write(name, bytes(900))
        if cache._path(name).exists():
            os.utime(cache._path(name), (1e9 - age, 1e9 - age))
    assert [cache.read(name) is not None for name in names] == [False, False, True, True, True]
    monkeypatch.setenv("NUMBATORCH_CACHE_BYTES", "lots")
    with pytest.raises(ValueError, match="NUMBATORCH_CACHE_BYTES"):
        cache.limit_bytes()


def test_no_temporary_file_is_left(folder):
    fill(9)
    assert not [path for path in folder.rglob("*") if path.suffix == ".part"]
