"""The object cache on disk: what it stores survives other processes, damage and folders that cannot be written."""

import warnings

import numpy as np
import pytest

from numbatorch.cpu import compile, threads
from numbatorch.lowering import cache

SOURCE = "def fill(r, start, stop):\n    for i in range(start, stop):\n        r[i] = {}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    threads.parallel_address()  # the pool is an object too: it must not count among those of a test
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


def test_statistics_count_what_was_compiled_and_what_was_found(folder):
    from numbatorch import cpu

    before = cpu.cache_stats()
    fill(10)
    between = cpu.cache_stats()
    assert between["compiled"] == before["compiled"] + 1 and between["loaded"] == before["loaded"]
    assert between["compiled_bytes"] > before["compiled_bytes"]
    assert between["compile_seconds"] > before["compile_seconds"]
    assert between["kernels"] == 1 and between["path"] == str(folder)
    compile._kernels.clear()
    fill(10)
    after = cpu.cache_stats()
    assert (after["compiled"], after["loaded"]) == (between["compiled"], between["loaded"] + 1)


def test_a_full_disk_warns_and_leaves_nothing_behind(folder, monkeypatch):
    import errno
    import os

    class Full:
        def __init__(self, handle, mode):
            self.handle = handle

        def __enter__(self):
            return self

        def __exit__(self, *error):
            os.close(self.handle)

        def write(self, data):
            os.write(self.handle, data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.os, "fdopen", Full)
    with pytest.warns(RuntimeWarning, match="No space left"):
        assert fill(11) == [11, 11, 11]
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_what_a_killed_writer_leaves_is_not_read_and_goes_with_time(folder, monkeypatch):
    import os

    fill(12)
    (entry,) = [path for path in folder.glob("objects/*/*") if path.is_file()]
    left = entry.parent / ".cut.part"
    left.write_bytes(entry.read_bytes()[:50])
    os.utime(left, (1e9, 1e9))
    compile._kernels.clear()
    assert fill(12) == [12, 12, 12]
    monkeypatch.setenv("NUMBATORCH_CACHE_BYTES", str(cache.info()["bytes"] - 1))
    cache._trim(cache.limit_bytes())
    assert not left.exists() and entry.exists()


def test_processes_that_compile_the_same_kernel_agree(folder):
    import subprocess
    import sys

    program = (
        "import numpy as np\n"
        "from numbatorch.cpu import compile\n"
        f"source = {SOURCE.format(13)!r}\n"
        "r = np.zeros(3, np.int64)\n"
        "compile.compile_kernel('fill', source, ('int64*',))(r.ctypes.data, 3, 3)\n"
        "print(r.tolist())\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in running] == ["[13, 13, 13]"] * 2
    assert cache.info()["kernels"] >= 1 and not list(folder.rglob("*.part"))
    before = compile.statistics()["compiled"]
    assert fill(13) == [13, 13, 13]
    assert compile.statistics()["compiled"] == before


CROWD = """
import random, sys
from numbatorch.lowering import cache
cache._CHECK_EVERY_BYTES = 2000
rng, found = random.Random(int(sys.argv[1])), 0
def content(k):
    return bytes([k]) * (200 + 40 * k)
for _ in range(400):
    k = rng.randrange(20)
    if rng.random() < 0.5:
        cache.write(cache.key(k), content(k))
    else:
        read = cache.read(cache.key(k))
        assert read is None or read == content(k), k
        found += read is not None
print(found)
"""


def test_writers_readers_and_trimmers_share_a_folder(folder):
    """Each entry reads whole or not at all, while others write it, replace it and trim it away."""
    import os
    import subprocess
    import sys

    environment = {**os.environ, "NUMBATORCH_CACHE_BYTES": "6000"}
    running = [subprocess.Popen([sys.executable, "-W", "error", "-c", CROWD, str(seed)], stdout=subprocess.PIPE,
                                env=environment, text=True) for seed in range(4)]  # fmt: skip
    found = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4 and sum(map(int, found)) > 0
    assert not list(folder.rglob("*.part")) and cache.info()["bytes"] < 20000
