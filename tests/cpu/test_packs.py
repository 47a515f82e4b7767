"""Kernels compiled beforehand for a level of machines, found before anything is compiled."""

import os
import subprocess
import sys
import zipfile

import pytest

from numbatorch.lowering import cache, host, packs

pytestmark = pytest.mark.skipif(not host.is_x86(), reason="levels are those of x86-64")

PROGRAM = """
import sys, numbatorch as nt
x = nt.tensor([1.0, 2.0], requires_grad=True)
(x * x).sum().backward()
assert x.grad.tolist() == [2.0, 4.0]
stats = nt.cpu.cache_stats()
print(stats["compiled"], stats["loaded"], "numba" in sys.modules)
"""


def started(*command, **environment):
    """What a command prints that runs with an empty cache of its own."""
    made = subprocess.run([sys.executable, *command], env={**os.environ, **environment}, capture_output=True, text=True,
                          timeout=300)
    assert made.returncode == 0, made.stderr
    return made


@pytest.fixture(scope="module")
def level():
    return host.levels()[-1][0]


@pytest.fixture(scope="module")
def folder(level, tmp_path_factory):
    """A folder with a pack of the kernels that PROGRAM needs."""
    made = tmp_path_factory.mktemp("packs")
    compiled = tmp_path_factory.mktemp("cache")
    started("-c", PROGRAM, NUMBATORCH_CPU=level, NUMBATORCH_CACHE_DIR=str(compiled))
    packs.write(made / f"{level}.zip", cache.entries(compiled))
    return made


def test_an_empty_cache_takes_kernels_from_a_pack(folder, tmp_path):
    found = started("-c", PROGRAM, NUMBATORCH_PACKS=str(folder), NUMBATORCH_CACHE_DIR=str(tmp_path)).stdout.split()
    assert found[0] == "0" and int(found[1]) >= 2 and found[2] == "False", found
    assert not list(tmp_path.rglob("*"))  # and the user's folder stays empty


def test_the_command_makes_packs_for_the_levels_it_is_told(level, tmp_path):
    said = started("-m", "numbatorch", "cache", "pack", "neg", "--level", level, "--jobs", "1", "--to", str(tmp_path))
    (path,) = tmp_path.iterdir()
    assert path.name == f"{level}.zip" and str(path) in said.stdout
    with zipfile.ZipFile(path) as pack:
        assert len(pack.namelist()) >= 1
    said = started("-m", "numbatorch", "cache", "info", NUMBATORCH_PACKS=str(tmp_path))
    assert str(path) in said.stdout


def test_a_level_that_this_machine_has_not_is_refused():
    made = subprocess.run([sys.executable, "-m", "numbatorch", "cache", "pack", "--level", "x86-64-v9"],
                          capture_output=True, text=True, timeout=100)
    assert made.returncode == 2 and "x86-64-v9" in made.stderr and "expected one of" in made.stderr


@pytest.fixture
def chosen(tmp_path, monkeypatch):
    """An empty folder of packs that this process reads."""
    monkeypatch.setenv("NUMBATORCH_PACKS", str(tmp_path))
    packs._opened.cache_clear()
    yield tmp_path
    packs._opened.cache_clear()


def test_a_damaged_entry_is_as_one_that_is_not_there(folder, level, chosen):
    whole = (folder / f"{level}.zip").read_bytes()
    with zipfile.ZipFile(folder / f"{level}.zip") as pack:
        first = pack.infolist()[0]
    (chosen / f"{level}.zip").write_bytes(whole)
    assert packs.read(lambda machine: first.filename)
    assert packs.read(lambda machine: "no such name") is None
    middle = first.header_offset + 30 + len(first.filename) + first.compress_size // 2
    (chosen / f"{level}.zip").write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    packs._opened.cache_clear()
    assert packs.read(lambda machine: first.filename) is None


def test_a_file_that_is_no_pack_is_named(level, chosen):
    (chosen / f"{level}.zip").write_bytes(b"nothing of the kind")
    with pytest.warns(RuntimeWarning, match=f"{level}.zip cannot be read"):
        assert packs.read(lambda machine: "name") is None


def test_a_pack_cut_short_leaves_nothing(tmp_path):
    entry = tmp_path / "gone"
    with pytest.raises(FileNotFoundError):
        packs.write(tmp_path / "made.zip", [entry])
    assert not list(tmp_path.iterdir())
