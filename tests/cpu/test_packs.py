"""Kernels compiled beforehand for a level of machines, found before anything is compiled."""

import os
import subprocess
import sys

import pytest

from numbatorch.cpu import compile
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
    started("-c", PROGRAM, NUMBATORCH_CPU=level, NUMBATORCH_CACHE_DIR=str(compiled), NUMBATORCH_PACKS=os.devnull)
    packs.write(made / f"{level}.pack", cache.entries(compiled), compile.versions())
    return made


def test_an_empty_cache_takes_kernels_from_a_pack(folder, tmp_path):
    found = started("-c", PROGRAM, NUMBATORCH_PACKS=str(folder), NUMBATORCH_CACHE_DIR=str(tmp_path)).stdout.split()
    assert found[0] == "0" and int(found[1]) >= 2 and found[2] == "False", found
    assert not list(tmp_path.rglob("*"))  # and the user's folder stays empty


def test_the_command_makes_packs_for_the_levels_it_is_told(level, tmp_path):
    said = started("-m", "numbatorch", "cache", "pack", "neg", "--level", level, "--jobs", "1", "--to", str(tmp_path))
    (path,) = tmp_path.iterdir()
    assert path.name == f"{level}.pack" and str(path) in said.stdout
    made = packs.load(path)
    assert len(made["entries"]) >= 1 and made["versions"] == compile.versions()
    said = started("-m", "numbatorch", "cache", "info", NUMBATORCH_PACKS=str(tmp_path)).stdout
    assert str(path) in said and "not used" not in said
    stale = tmp_path / cache.key("a kernel of old")
    stale.write_bytes(b"its code")
    for name, data in made["entries"].items():
        (tmp_path / name).write_bytes(data)
    packs.write(path, [stale, *(tmp_path / name for name in made["entries"])], compile.versions())
    said = started("-m", "numbatorch", "cache", "pack", "neg", "--level", level, "--jobs", "1", "--to", str(tmp_path))
    assert "compiled 0 kernels" in said.stdout  # all were there, and what nothing asks for is not kept
    assert packs.load(path) == made
    packs.write(path, [], cache.key("another version"))
    assert "not used" in started("-m", "numbatorch", "cache", "info", NUMBATORCH_PACKS=str(tmp_path)).stdout


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


def test_a_damaged_entry_is_as_one_that_is_not_there(folder, level, chosen, tmp_path_factory):
    name, data = next(iter(packs.load(folder / f"{level}.pack")["entries"].items()))
    entry = tmp_path_factory.mktemp("entry") / name
    for content, found in ((data, True), (data[:-5] + bytes([data[-5] ^ 1]) + data[-4:], False)):
        entry.write_bytes(content)
        packs.write(chosen / f"{level}.pack", [entry], compile.versions())
        packs._opened.cache_clear()
        assert (packs.read(lambda machine: name) is not None) is found
    assert packs.read(lambda machine: "no such name") is None


def damaged(data, how):
    middle = len(data) // 2
    return {"nothing of the kind": b"PK", "cut": data[:-20], "one bit": data[:middle] + bytes([data[middle] ^ 8])
            + data[middle + 1 :]}[how]


@pytest.mark.parametrize("how", ["nothing of the kind", "cut", "one bit"])
def test_a_file_that_is_no_whole_pack_is_named(how, folder, level, chosen):
    (chosen / f"{level}.pack").write_bytes(damaged((folder / f"{level}.pack").read_bytes(), how))
    with pytest.warns(RuntimeWarning, match=f"{level}.pack cannot be read"):
        assert packs.read(lambda machine: "name") is None


def test_a_pack_cut_short_leaves_nothing(tmp_path):
    entry = tmp_path / "gone"
    with pytest.raises(FileNotFoundError):
        packs.write(tmp_path / "made.pack", [entry], "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("level", host.SHIPPED)
def test_the_shipped_packs_are_of_this_compiler(level):
    pack = packs.load(packs.Path(packs.__file__).parent.parent / "objects" / f"{level}.pack")
    assert pack["versions"] == compile.versions(), "write them anew: python -m numbatorch cache pack"
    assert len(pack["entries"]) > 150 and all(map(cache.payload, pack["entries"].values()))


@pytest.mark.skipif(host.host() != host.own(), reason="packs are for whole machines")
def test_a_first_step_compiles_nothing(tmp_path):
    """A step of training with an empty cache, as after installing, finds all its kernels in the shipped packs."""
    if not packs.info():
        pytest.skip("no pack is for this machine")
    program = """
import sys, numbatorch
from numbatorch.cli import warming
warming.mlp()
print(numbatorch.cpu.cache_stats()["compiled"], "numba" in sys.modules)
"""
    found = started("-c", program, NUMBATORCH_PACKS="", NUMBATORCH_CACHE_DIR=str(tmp_path)).stdout.split()
    assert found == ["0", "False"], "write the packs anew: python -m numbatorch cache pack"
