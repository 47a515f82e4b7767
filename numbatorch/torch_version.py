"""Version numbers that compare as versions: TorchVersion("2.13.0") > "2.2", which plain strings deny."""

import re

_FORM = re.compile(
    r"v?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<stage>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<stage_number>\d*))?"
    r"(?:[-_.]?(?:post|rev|r)[-_.]?(?P<post>\d*)|-(?P<bare_post>\d+))?"
    r"(?P<dev>[-_.]?dev[-_.]?(?P<dev_number>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?", re.IGNORECASE)
_STAGES = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2, "pre": 2, "preview": 2}
_BEFORE_STAGES, _AFTER_STAGES = -1, 3


def version_key(version: object) -> tuple:
    """What orders versions: release, stage, post, dev and local part (PEP 440, "Summary of permitted suffixes and
    relative ordering"). Numbers in a tuple or list are a release. ValueError for what is no version.
    """
    text = ".".join(map(str, version)) if isinstance(version, (tuple, list)) else str(version)
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"TorchVersion: {text!r} is not a version number such as 2.13.0, 2.13.0rc1 or 2.13.0+local")
    release = tuple(int(part) for part in found["release"].split("."))
    while release and release[-1] == 0:  # 2.0 and 2.0.0 are the same release
        release = release[:-1]
    has_post = found["post"] is not None or found["bare_post"] is not None
    stage = (_STAGES[found["stage"].lower()], int(found["stage_number"] or 0)) if found["stage"] else (
        (_BEFORE_STAGES, 0) if found["dev"] and not has_post else (_AFTER_STAGES, 0))
    post = int(found["post"] or found["bare_post"] or 0) if has_post else -1
    dev = int(found["dev_number"] or 0) if found["dev"] else float("inf")
    local = tuple((1, int(part), "") if part.isdigit() else (0, 0, part.lower())
                  for part in re.split("[-_.]", found["local"])) if found["local"] else ()
    return release, stage, post, dev, local


class TorchVersion(str):
    """A version number. Strings, tuples and lists beside it are read as versions; a string that is none is compared
    letter by letter, so that == and < always have an answer.

    >>> TorchVersion("2.13.0") >= "2.2", TorchVersion("2.13.0") >= (2, 13), TorchVersion("2.13.0rc1") < "2.13"
    (True, True, True)
    """

    def _compare(self, other: object, act: str) -> bool:
        if not isinstance(other, (str, tuple, list)):
            return NotImplemented
        try:
            own, others = version_key(self), version_key(other)
        except ValueError:
            if not isinstance(other, str):
                raise
            return getattr(str, act)(self, other)
        return getattr(tuple, act)(own, others)

    def __lt__(self, other):
        return self._compare(other, "__lt__")

    def __le__(self, other):
        return self._compare(other, "__le__")

    def __gt__(self, other):
        return self._compare(other, "__gt__")

    def __ge__(self, other):
        return self._compare(other, "__ge__")

    def __eq__(self, other):
        return self._compare(other, "__eq__")

    def __ne__(self, other):
        return self._compare(other, "__ne__")

    __hash__ = str.__hash__


INTERFACE = TorchVersion("2.13.0+numbatorch")  # the PyTorch release whose names and meanings are followed

__all__ = ["TorchVersion"]
