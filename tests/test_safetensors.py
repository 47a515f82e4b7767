"""safetensors files."""

import pytest

import numbatorch as nt
from numbatorch import safetensors as files

pytest.importorskip("safetensors")


def tensors():
    found = {d: nt.ones(2, 3, dtype=getattr(nt, d)) for d in "bool uint8 int64 float16 bfloat16 float32".split()}
    return {**found, "scalar": nt.tensor(3.0), "empty": nt.empty(0, 3), "part": nt.arange(6)[2:4]}


def test_tensors_come_back(tmp_path):
    files.save_file(tensors(), tmp_path / "a.safetensors", {"format": "pt"})
    loaded = files.load_file(tmp_path / "a.safetensors")
    assert set(loaded) == set(tensors())
    for name, tensor in tensors().items():
        assert loaded[name].dtype == tensor.dtype and tuple(loaded[name].shape) == tuple(tensor.shape)
        assert loaded[name].tolist() == tensor.tolist()


def test_files_are_exchanged_with_torch(tmp_path):
    pytest.importorskip("torch")
    from safetensors import torch as theirs

    files.save_file(tensors(), tmp_path / "a.safetensors")
    loaded = theirs.load_file(tmp_path / "a.safetensors")
    assert {k: v.tolist() for k, v in loaded.items()} == {k: v.tolist() for k, v in tensors().items()}
    theirs.save_file(loaded, tmp_path / "b.safetensors")
    assert files.load_file(tmp_path / "b.safetensors")["bfloat16"].dtype == nt.bfloat16


def test_what_the_format_cannot_hold():
    base = nt.zeros(2, 3)
    with pytest.raises(ValueError, match="not contiguous"):
        files.save({"a": base.t()})
    with pytest.raises(RuntimeError, match="share memory"):
        files.save({"a": base, "b": base[0]})
    with pytest.raises(ValueError, match="only tensors"):
        files.save({"a": 3})


def test_damaged_file_is_named(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"junkjunkjunkjunk")
    with pytest.raises(Exception, match="a.safetensors"):
        files.load_file(tmp_path / "a.safetensors")
