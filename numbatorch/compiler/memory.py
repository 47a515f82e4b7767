"""The memory plan: every temporary gets an offset in one arena, shared by those that are never alive together."""

from .graph import Graph

ALIGNMENT = 64


class MemoryPlan:
    """offsets: {buffer: bytes from the start of the arena}; lives: {buffer: (first step, last step)}; nbytes: of all.

    peak: the most that is alive at any step, which no plan can undercut.
    """

    def __init__(self, graph: Graph):
        self.lives = lifetimes(graph)
        self.offsets, self.nbytes = place(self.lives)
        self.peak = _peak(self.lives)
        self.graph = graph

    def table(self):
        """A line a buffer, the largest first: bytes, steps that it lives in, offset, what makes it."""
        makers = {}
        for step in self.graph.steps:
            for b in step.writes():
                makers.setdefault(b, step)
        lines = [f"{'bytes':>12}  {'steps':>11}  {'offset':>12}  made by"]
        for b in sorted(self.lives, key=lambda b: -b.nbytes):
            first, last = self.lives[b]
            step = makers.get(b)
            by = f"{step.name} ({step.where})" if step is not None and step.where else getattr(step, "name", "")
            lines.append(f"{b.nbytes:>12}  {f'{first}..{last}':>11}  {self.offsets[b]:>12}  {by}")
        lines.append(f"{self.nbytes:>12}  bytes in one arena; {self.peak} alive at most, "
                     f"{sum(b.nbytes for b in self.lives)} without sharing")
        return "\n".join(lines)


def lifetimes(graph):
    """{temporary: (number of the first, of the last step that touches it)}."""
    lives: dict = {}
    for number, step in enumerate(graph.steps):
        for b in step.reads() | step.writes():
            if b.kind == "temporary":
                lives[b] = (lives.get(b, (number,))[0], number)
    return lives


def _rounded(nbytes):
    return -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT


def place(lives):
    """({buffer: offset}, bytes in all): the largest first, each at the lowest offset where it meets nobody alive."""
    placed: list = []  # (offset, end, first, last)
    offsets = {}
    for b in sorted(lives, key=lambda b: (-b.nbytes, lives[b])):
        first, last = lives[b]
        size, offset = _rounded(b.nbytes), 0
        for start, end, born, died in sorted(placed):
            if born <= last and first <= died:
                if offset + size <= start:
                    break
                offset = max(offset, end)
        offsets[b] = offset
        placed.append((offset, offset + size, first, last))
    return offsets, max((end for _, end, _, _ in placed), default=0)


def _peak(lives):
    changes: dict = {}
    for b, (first, last) in lives.items():
        changes[first] = changes.get(first, 0) + _rounded(b.nbytes)
        changes[last + 1] = changes.get(last + 1, 0) - _rounded(b.nbytes)
    most = now = 0
    for step in sorted(changes):
        now += changes[step]
        most = max(most, now)
    return most
