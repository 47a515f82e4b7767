"""The reference: pages about every op, and the type stubs, all written from the op table.

    python -m numbatorch.reference          says which files are out of date
    python -m numbatorch.reference --write  writes them
"""

import functools
from pathlib import Path

from . import facts, pages, stub

COMMAND = "python -m numbatorch.reference --write"


@functools.cache
def files():
    """{path below the package: text} of every file that is written from the table."""
    return {**pages.files(), **stub.files()}


def stale(root: Path = facts.ROOT):
    """Paths of files that are missing, out of date, or left over."""
    wanted = files()
    left = [p.relative_to(root).as_posix() for p in sorted((root / pages.FOLDER).glob("*.md"))]
    changed = [p for p, text in wanted.items() if not (root / p).exists() or (root / p).read_text() != text]
    return changed + [p for p in left if p not in wanted]


def write(root: Path = facts.ROOT):
    """Write what is out of date, remove what is left over; returns the paths."""
    wanted, changed = files(), stale(root)
    for path in changed:
        if path in wanted:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(wanted[path])
        else:
            (root / path).unlink()
    return changed


def entry(name):
    """Text of the entry of an op, by any of its names. KeyError for other names."""
    wanted = name.removeprefix("torch.").removeprefix("numbatorch.")
    found = [(key, op, facts.names(op)) for key, op in facts.ops()]
    for key, op, names in found:  # the name in full first: `sum` is not that of another namespace
        if wanted in (key, *names.functions, *names.methods, *names.properties, *names.inplace):
            return "\n".join(pages.entry(key, op))
    for key, op, _ in found:
        if wanted in (op.name, *op.aliases):
            return "\n".join(pages.entry(key, op))
    raise KeyError(name)


def summaries():
    """{public name of an op: the first sentence about it}, in the order of the alphabet."""
    found = {}
    for key, op in facts.ops():
        names = facts.names(op)
        if names.public:
            found[key] = pages.summary(op)
    return dict(sorted(found.items()))
