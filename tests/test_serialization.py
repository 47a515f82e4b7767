"""Checkpoints: what comes back, what is refused, and what happens when something breaks."""

import errno
import io
import os
import pickle
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest

import numbatorch as nt
from numbatorch import serialization
from numbatorch.serialization import archive


def checkpoint():
    base = nt.arange(12, dtype=nt.float32)
    weights = OrderedDict(weight=nt.ones(2, 3), bias=nt.zeros(3))
    return {
        "view": base.view(3, 4).t(),
        "part": base[2:5],
        "parameter": nt.nn.Parameter(nt.ones(2)),
        "leaf": nt.ones(2).requires_grad_(),
        "scalar": nt.tensor(3),
        "empty": nt.empty(0, 3),
        "dtypes": [nt.float32, nt.int8, nt.float32],
        "size": nt.Size([2, 3]),
        "device": nt.device("cpu"),
        "weights": weights,
        "plain": {"set": {1, 2}, "tuple": (1, 2.5, None, True), "text": "ä", "bytes": b"ab\xff", "big": 2**70},
        "counter": Counter([1, 1, 2]),
        "complex": 1 + 2j,
        **{d: nt.ones(3, dtype=getattr(nt, d)) for d in "bool uint8 int16 int64 float16 bfloat16 float64".split()},
    }


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, nt.Tensor):
        assert a.dtype == b.dtype and tuple(a.shape) == tuple(b.shape) and a.requires_grad == b.requires_grad
        assert tuple(a.stride()) == tuple(b.stride()) and a.storage_offset() == b.storage_offset()
        assert a.tolist() == b.tolist()
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)) and not isinstance(a, nt.Size):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert a == b


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("weights_only", [True, False])
def test_everything_comes_back(tmp_path, protocol, weights_only):
    saved = checkpoint()
    nt.save(saved, tmp_path / "model.pt", pickle_protocol=protocol)
    assert_same(saved, nt.load(tmp_path / "model.pt", weights_only=weights_only))
    assert_same(saved, nt.load(tmp_path / "model.pt", weights_only=weights_only, mmap=True))


def test_open_files(tmp_path):
    file = io.BytesIO()
    nt.save(checkpoint(), file)
    file.seek(0)
    assert_same(checkpoint(), nt.load(file))


def test_views_share_memory_again(tmp_path):
    nt.save(checkpoint(), tmp_path / "a.pt")
    loaded = nt.load(tmp_path / "a.pt")
    loaded["view"][2, 0] = 99.0
    assert loaded["part"][0].item() == 99.0


def test_changes_of_a_mapped_file_stay_in_memory(tmp_path):
    nt.save(nt.zeros(4), tmp_path / "a.pt")
    nt.load(tmp_path / "a.pt", mmap=True).add_(1)
    assert nt.load(tmp_path / "a.pt").tolist() == [0.0] * 4


def test_members_are_aligned_and_named_as_torchs(tmp_path):
    path = tmp_path / "model.pt"
    nt.save(checkpoint(), path)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        names = file.namelist()
        for entry in file.infolist():
            header = content[entry.header_offset :]
            lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
            assert (entry.header_offset + 30 + lengths) % 64 == 0
    assert names[:4] == [f"model/{n}" for n in ("data.pkl", ".format_version", ".storage_alignment", "byteorder")]
    assert names[-2:] == ["model/version", "model/.data/serialization_id"]


def test_files_are_exchanged_with_torch(tmp_path):
    torch = pytest.importorskip("torch")
    theirs = {"w": torch.arange(6.0).view(2, 3).t(), "p": torch.nn.Parameter(torch.ones(2)), "n": 3, "d": torch.int8}
    theirs["b"] = torch.ones(2, dtype=torch.bfloat16)
    torch.save(theirs, tmp_path / "theirs.pt")
    ours = nt.load(tmp_path / "theirs.pt")
    assert ours["w"].tolist() == theirs["w"].tolist() and tuple(ours["w"].stride()) == theirs["w"].stride()
    assert type(ours["p"]) is nt.nn.Parameter and ours["d"] == nt.int8 and ours["b"].dtype == nt.bfloat16
    nt.save(checkpoint(), tmp_path / "ours.pt")
    for options in ({"weights_only": True}, {"weights_only": False}, {"mmap": True}):
        back = torch.load(tmp_path / "ours.pt", **options)
        assert back["view"].tolist() == checkpoint()["view"].tolist() and back["view"].stride() == (1, 4)
        assert back["part"].data_ptr() - back["view"].data_ptr() == 8
        assert isinstance(back["parameter"], torch.nn.Parameter) and back["dtypes"][1] == torch.int8


class Plain:
    def __init__(self, x):
        self.x = x


class Runs:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize("obj, name", [(Plain(1), "Plain"), (Runs(), "system")])
def test_unknown_globals_are_named_and_refused(tmp_path, obj, name):
    nt.save(obj, tmp_path / "a.pt")
    with pytest.raises(pickle.UnpicklingError, match=f"{name}.*add_safe_globals"):
        nt.load(tmp_path / "a.pt")


def test_safe_globals_are_allowed(tmp_path):
    nt.save(Plain(3), tmp_path / "a.pt")
    with serialization.safe_globals([Plain]):
        assert serialization.get_safe_globals() == [Plain]
        assert nt.load(tmp_path / "a.pt").x == 3
    assert serialization.get_safe_globals() == []
    assert nt.load(tmp_path / "a.pt", weights_only=False).x == 3


def test_numpy_values_load(tmp_path):
    values = {"scalar": np.float64(2.5), "array": np.asfortranarray(np.arange(6.0).reshape(2, 3))}
    nt.save(values, tmp_path / "a.pt")
    loaded = nt.load(tmp_path / "a.pt")
    assert loaded["scalar"] == 2.5 and (loaded["array"] == values["array"]).all()
    nt.save(np.array([object()], dtype=object), tmp_path / "b.pt")
    with pytest.raises(pickle.UnpicklingError, match="not allowed"):
        nt.load(tmp_path / "b.pt")


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "a.pt"
    nt.save({"w": nt.arange(1000)}, path)
    content = path.read_bytes()
    cases = [
        (b"", EOFError, "is empty"),
        (b"hello", pickle.UnpicklingError, "not a checkpoint"),
        (content[: len(content) // 2], RuntimeError, "damaged"),
        (content[:10], RuntimeError, "damaged"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", RuntimeError, "before version 1.6"),
    ]
    for damaged, error, message in cases:
        path.write_bytes(damaged)
        with pytest.raises(error, match=message):
            nt.load(path)
    flipped = bytearray(content)
    flipped[content.index(np.arange(3).tobytes()) + 800] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(RuntimeError, match="checksum of member 'data/0'"):
        nt.load(path)
    with pytest.raises(FileNotFoundError):
        nt.load(tmp_path / "missing.pt")


def test_tensor_outside_its_storage_is_refused(tmp_path):
    nt.save(nt.arange(4, dtype=nt.float32), tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as file:
        data, storage = file.read("a/data.pkl"), file.read("a/data/0")
    wrong = data.replace(b"K\x04\x85", b"K\x64\x85")  # shape (4,) -> (100,)
    assert wrong != data
    target = io.BytesIO()
    writer = archive.ArchiveWriter(target, "a")
    writer.write("data.pkl", wrong)
    writer.write("data/0", storage)
    writer.close()
    target.seek(0)
    with pytest.raises(RuntimeError, match="does not fit its storage"):
        nt.load(target)


class Unsavable:
    def __reduce__(self):
        raise ValueError("cannot be saved")


def test_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.pt"
    nt.save({"x": 1}, path)
    with pytest.raises(ValueError, match="cannot be saved"):
        nt.save({"t": nt.ones(10), "u": Unsavable()}, path)
    assert nt.load(path) == {"x": 1} and os.listdir(tmp_path) == ["a.pt"]


def test_full_disk_names_the_file(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    nt.save({"x": 1}, path)

    def fail(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive.os, "fsync", fail)
    with pytest.raises(OSError) as caught:
        nt.save({"x": 2}, path)
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(path)
    monkeypatch.undo()
    assert nt.load(path) == {"x": 1} and os.listdir(tmp_path) == ["a.pt"]


def test_replaced_file_keeps_its_mode(tmp_path):
    path = tmp_path / "a.pt"
    nt.save(1, path)
    os.chmod(path, 0o640)
    nt.save(2, path)
    assert os.stat(path).st_mode & 0o777 == 0o640


def test_one_storage_with_two_dtypes_is_refused():
    base = nt.arange(4, dtype=nt.float32)
    with pytest.raises(RuntimeError, match="different types"):
        nt.save([base, base.view(nt.int32)], io.BytesIO())


def test_map_location(tmp_path):
    path = tmp_path / "a.pt"
    nt.save(nt.ones(2), path)
    seen = []

    def keep(storage, location):
        seen.append(location)
        return storage

    for where in ("cpu", nt.device("cpu"), {"cpu": "cpu"}, keep):
        assert nt.load(path, map_location=where).tolist() == [1.0, 1.0]
    assert seen == ["cpu"]


def test_storages_are_saved_with_the_tensors_that_view_them(tmp_path):
    path = tmp_path / "storages.pt"
    x = nt.arange(4.0)
    nt.save({"x": x, "elements": x.storage(), "bytes": nt.UntypedStorage([1, 2])}, path)
    loaded = nt.load(path)
    assert isinstance(loaded["elements"], nt.FloatStorage) and loaded["elements"].tolist() == x.tolist()
    loaded["elements"][0] = 9
    assert loaded["x"][0] == 9 and loaded["bytes"].tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="different types"):
        nt.save([x, x.untyped_storage()], path)


def test_unsafe_globals_are_named_without_loading(tmp_path):
    import numbatorch
    from numbatorch import serialization
    path = tmp_path / "model.pt"
    numbatorch.save({"model": numbatorch.nn.GELU(), "w": numbatorch.ones(2)}, path)
    names = serialization.get_unsafe_globals_in_checkpoint(path)
    assert names == ["torch.nn.modules.activation.GELU"] or names == ["numbatorch.nn.modules.activation.GELU"]
    with serialization.safe_globals([numbatorch.nn.GELU]):
        assert serialization.get_unsafe_globals_in_checkpoint(str(path)) == []
    numbatorch.save({"w": numbatorch.ones(2)}, path, pickle_protocol=4)
    with open(path, "rb") as file:
        assert serialization.get_unsafe_globals_in_checkpoint(file) == []
