"""Where a tensor lives: `device("cpu")`. Interned, so that devices compare by identity."""


class device:
    """device("cpu"), device("cuda:1"), device("cuda", 1): a kind of machine and which one of them.

    RuntimeError when the text names no known kind of device.
    """

    __slots__ = ("type", "index")
    _known: dict = {}

    type: str
    index: int | None

    def __new__(cls, type="cpu", index=None):
        if isinstance(type, device):
            return type
        if isinstance(type, int):
            type, index = "cuda", type
        name, _, number = str(type).partition(":")
        if number:
            if index is not None:
                raise RuntimeError(f"device: {type!r} has an index already, but index={index} was given too")
            if not number.isdigit():
                raise RuntimeError(f"Invalid device string: {type!r}")
            index = int(number)
        if name not in ("cpu", "cuda", "meta"):
            raise RuntimeError(f"device: expected one of cpu, cuda, meta at the start of {type!r}")
        if name == "cpu" and index is not None:
            if index != 0:
                raise RuntimeError(f"device: there is one CPU device, index 0, but {type!r} was given")
        key = (name, index)
        found = cls._known.get(key)
        if found is None:
            found = object.__new__(cls)
            found.type, found.index = key
            cls._known[key] = found
        return found

    def __repr__(self):
        return f"device(type={self.type!r}" + ("" if self.index is None else f", index={self.index}") + ")"

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self):
        return device, (self.type, self.index)


CPU = device("cpu")
