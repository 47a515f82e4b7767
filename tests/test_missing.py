"""What is missing says so by name, looks absent to programs that ask, and stands in the README of the package."""

from pathlib import Path

import pytest

import numbatorch as torch
from numbatorch.missing import MISSING

TEXT = (Path(torch.__file__).parent / "README.md").read_text()


@pytest.mark.parametrize("name", MISSING)
def test_missing_names_say_so(name):
    head, _, last = name.rpartition(".")
    owner = torch if head == "torch" else torch.Tensor
    assert not hasattr(owner, last) and getattr(owner, last, None) is None
    with pytest.raises(NotImplementedError, match=name.replace(".", r"\.")):
        getattr(owner, last)
    if head == "torch.Tensor":
        with pytest.raises(NotImplementedError):
            getattr(torch.ones(2), last)
    assert f"`{last}`" in TEXT, f"numbatorch/README.md does not list {name}"


def test_other_names_are_simply_unknown():
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'") as caught:
        torch.nonsense  # noqa: B018
    assert not isinstance(caught.value, NotImplementedError)
