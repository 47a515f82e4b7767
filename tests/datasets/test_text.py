"""Text comes from where it was asked for, else from what every Python has."""

import pytest

from numbatorch.datasets import DatasetError, find_text, text


def test_a_given_place_is_read(tmp_path):
    (tmp_path / "tinyshakespeare").mkdir()
    (tmp_path / "tinyshakespeare" / "input.txt").write_text("To be")
    assert find_text(tmp_path).text == find_text(tmp_path / "tinyshakespeare" / "input.txt").text == "To be"
    with pytest.raises(DatasetError, match="expected a text file"):
        find_text(tmp_path / "nothing")
    (tmp_path / "image.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="is not UTF-8"):
        find_text(tmp_path / "image.txt")


def test_offline_it_is_the_manual_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBATORCH_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("NUMBATORCH_DATA", raising=False)
    monkeypatch.setattr(text, "MIRRORS", ("http://127.0.0.1:9/",))
    said = []
    found = find_text(say=said.append)
    assert len(found.text) > 100_000 and "Python" in found.name
    assert any("could not be downloaded" in line for line in said) and "manual" in said[-1]


def test_what_is_kept_must_be_the_original(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBATORCH_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("NUMBATORCH_DATA", raising=False)
    monkeypatch.setattr(text, "MIRRORS", ("http://127.0.0.1:9/",))
    kept = tmp_path / "datasets" / "tinyshakespeare" / "input.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("not Shakespeare")
    assert find_text(say=lambda _: None).text != "not Shakespeare"
