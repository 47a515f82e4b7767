"""The memory plan: every temporary gets an offset in one arena, shared by those that are never alive together."""

import random
import weakref
from bisect import insort

from ..cpu.memory import address, allocate_exact, empty_cache
from ..device import CPU
from ..expr import kinds
from ..plan import backend
from . import requests
from .graph import Graph, Place
from .launches import lower
from .updates import spans

ALIGNMENT = 64
WORK = 6_000_000  # pairs of buffers that are looked at, some 0.3 s, for less memory
LARGE = 32 << 20  # bytes of an arena for which the system gets back what was free before


class Arena:
    """Memory for the temporaries of programs that never run at the same time: as much as the largest needs.

    Where that grows, `moved` of those that are there already is called.
    """

    def __init__(self, device=CPU):
        self.nbytes, self.start, self._block, self._users = 0, 0, None, weakref.WeakSet()
        self._device, self._others = device, {device: self}

    def on(self, device):
        """The arena of the same programs on a device."""
        if device not in self._others:
            self._others[device] = Arena(device)
        return self._others[device]

    def join(self, user, nbytes):
        """Room for the temporaries of a user."""
        if nbytes > self.nbytes or self._block is None:
            before, self.nbytes, self._block = self.nbytes, 0, None
            if nbytes >= LARGE and self._device is CPU:
                empty_cache()
            try:
                self._take(nbytes)
            except BaseException:
                if self._users:  # what they had a moment ago
                    self._take(before)
                raise
        self._users.add(user)

    def _take(self, nbytes):
        self._block, self.start = room(self._device, nbytes)
        self.nbytes = nbytes
        for other in list(self._users):
            other.moved()


def room(device, nbytes):
    """(a block of memory of a device, its address)."""
    if device is CPU:
        block = allocate_exact(nbytes)
        return block, address(block)
    there = backend(device)
    block = there.allocate(nbytes)
    return block, there.address(block)


class MemoryPlan:
    """offsets: {buffer: bytes from the start of the arena}; lives: {buffer: (first step, last step)}; nbytes: of all.

    borrowed: {buffer: (result, bytes from its start)}, where `borrows`: temporaries that end before a result begins may
    lie in its memory. peak: the most that is alive in the arena at any step, which no plan can undercut. results: bytes
    that outlive the call.
    """

    def __init__(self, graph: Graph, borrows=False):
        self.lowered = lower(graph)
        self.lives = lifetimes(graph)
        holders = taken_over(graph, self.lives)
        together: dict = {}
        for b in self.lives:
            together.setdefault(holders.get(b, b), []).append(b)
        blocks = {b: (min(self.lives[m][0] for m in members), max(self.lives[m][1] for m in members))
                  for b, members in together.items()}
        lent = _borrowed(graph, blocks) if borrows else {}
        self.borrowed = {m: lent[b] for b in lent for m in together[b]}
        blocks = {b: life for b, life in blocks.items() if b not in lent}
        found = dict(zip(blocks, graph.decide("place", lambda: _offsets(blocks), _shapes(blocks)), strict=True))
        self.nbytes = max((found[b] + rounded(b.nbytes) for b in blocks), default=0)
        self.offsets = {m: found[b] for b in blocks for m in together[b]}
        self.peak = highest(blocks)[0]
        self.results = sum(rounded(b.nbytes) for b in graph.buffers if b.kind == "result" and b.device is graph.device)
        self.graph = graph

    def table(self):
        """A line a buffer, the largest first: bytes, steps that it lives in, offset, what makes it."""
        makers = {}
        for step in self.graph.steps:
            for b in step.writes():
                makers.setdefault(b, step)
            if step in self.lowered:
                makers.update(dict.fromkeys(self.lowered[step].workspaces, step))
        lines = [f"{'bytes':>12}  {'steps':>11}  {'offset':>12}  made by"]
        for b in sorted(self.lives, key=lambda b: -b.nbytes):
            first, last = self.lives[b]
            step = makers.get(b)
            by = f"{step.name} ({step.where})" if step is not None and step.where else getattr(step, "name", "")
            by = f"{b.name} ({step.where})" if b.name and step is not None else by
            at = self.offsets[b] if b in self.offsets else f"in {self.borrowed[b][0].label}"
            lines.append(f"{b.nbytes:>12}  {f'{first}..{last}':>11}  {at:>12}  {by}")
        for b in sorted((b for b in self.graph.buffers if b.kind == "result"), key=lambda b: -b.nbytes):
            step = makers.get(b)
            lines.append(f"{b.nbytes:>12}  {'stays':>11}  {b.label:>12}  {getattr(step, 'name', b.name)}"
                         f"{f' ({step.where})' if step is not None and step.where else ''}")
        lines.append(f"{self.nbytes:>12}  bytes in one arena; {self.peak} alive at most, "
                     f"{sum(b.nbytes for b in self.lives)} without sharing")
        lines.append(f"{self.total:>12}  with {self.results} bytes of results and gradients, which outlive the call")
        return "\n".join(lines)

    @property
    def total(self):
        """Bytes that a run takes besides its arguments and what the function holds."""
        return self.nbytes + self.results


def lifetimes(graph):
    """{temporary: (number of the first, of the last step that touches it)}, what kernels work in included.

    Of the graph's device: a program of a GPU has a few numbers on the CPU, too.
    """
    lives: dict = {}
    lowered = graph.lowered or {}
    if graph.device is not CPU and graph.spans is None:
        graph.spans = spans(graph)
    for number, step in enumerate(graph.steps):
        first, last = (number, number) if graph.spans is None else graph.spans[step]
        work = lowered[step].workspaces if step in lowered else ()
        for b in (*(p.buffer for p in step.places), *work):  # in their order: plans are the same in every process
            if b.kind == "temporary" and b.device is graph.device:
                lives[b] = (lives.get(b, (first,))[0], last)
    return lives


def taken_over(graph, lives):
    """{temporary: the one whose memory it takes over}: an elementwise result lies where an operand of its layout ends.

    Such kernels read each element before they write it, as changes in place rely on.
    """
    holders: dict = {}
    for number, step in enumerate(graph.steps):
        if not _is_elementwise(step):
            continue
        written = step.writes()
        left = [p for p in step.places if p.buffer in lives and lives[p.buffer][1] == number
                and lives[p.buffer][0] < number and _whole(p) and p.buffer not in written and all(
                    _alike(p, o) for o in step.places if o.buffer is p.buffer)]
        for p in step.places:
            if p.writes and p.buffer in lives and lives[p.buffer][0] == number and _whole(p) and not any(
                    o.buffer is p.buffer and o is not p for o in step.places):
                own = next((o for o in left if _alike(o, p)), None)
                if own is not None:
                    left = [o for o in left if o.buffer is not own.buffer]
                    holders[p.buffer] = holders.get(own.buffer, own.buffer)
    return holders


def _shapes(blocks):
    return [(b.nbytes, *life) for b, life in blocks.items()]


def _offsets(blocks):
    found, _ = place(blocks)
    return [found[b] for b in blocks]


def _borrowed(graph, blocks):
    """`borrowed`, as numbers of blocks and of buffers where it is known."""
    begins, made = _begins(graph), list(blocks)
    hosts, numbers = list(begins), {b: k for k, b in enumerate(made)}
    found = graph.decide("borrowed", lambda: [(numbers[b], hosts.index(h), offset)
                                              for b, (h, offset) in borrowed(graph, blocks).items()],
                         [*_shapes(blocks), *((b.nbytes, number) for b, number in begins.items())])
    return {made[b]: (hosts[h], offset) for b, h, offset in found}


def _begins(graph):
    """{result: number of the step that first writes it}."""
    begins: dict = {}
    for number, step in enumerate(graph.steps):
        for p in step.places:  # in their order: the same in every process
            if p.writes and p.buffer.kind == "result" and p.buffer.device is graph.device:
                begins.setdefault(p.buffer, number)
    return begins


def borrowed(graph, blocks):
    """{temporary: (result, offset)}: those of the step where most is alive, in results that begin after they end.

    Not before the last check: until then a run may stop, and gradients have to be what they were.
    """
    begins = _begins(graph)
    earliest = 1 + max((k for k, s in enumerate(graph.steps) if s.kind == "check"), default=-1)
    hosts = sorted(begins, key=lambda b: b.nbytes)
    inside: dict = {b: [] for b in hosts}  # [(offset, end, first, last)]
    lent: dict = {}
    left = dict(blocks)
    while left:
        _, at = highest(left)
        for b in sorted((b for b, (first, last) in left.items() if earliest <= first <= at <= last),
                        key=lambda b: -b.nbytes):
            first, last = left[b]
            spots = ((h, gap(inside[h], first, last, b.nbytes)) for h in hosts if begins[h] > last)
            spot = next(((h, o) for h, o in spots if o + b.nbytes <= h.nbytes), None)
            if spot is not None:
                break
        else:
            return lent
        lent[b] = spot
        insort(inside[spot[0]], (spot[1], spot[1] + rounded(b.nbytes), first, last))
        del left[b]
    return lent


def gap(placed, first, last, nbytes):
    """The first offset where a buffer meets none that is alive with it."""
    offset = 0
    for start, end, born, died in placed:
        if born <= last and first <= died:
            if start - offset >= rounded(nbytes):
                return offset
            offset = max(offset, end)
    return offset


def highest(lives):
    """(the most bytes that are alive at a step, the step)."""
    changes: dict = {}
    for b, (first, last) in lives.items():
        changes[first] = changes.get(first, 0) + rounded(b.nbytes)
        changes[last + 1] = changes.get(last + 1, 0) - rounded(b.nbytes)
    most, at, now = 0, 0, 0
    for step in sorted(changes):
        now += changes[step]
        if now > most:
            most, at = now, step
    return most, at


def _is_elementwise(step):
    if step.kind != "launch":
        return False
    if step.request is not None:
        return isinstance(step.request, kinds.Elementwise)
    return step.plan is not None and step.plan.op.kind == "elementwise" and isinstance(
        requests.of(step.plan), kinds.Elementwise)


def _whole(p: Place):
    return p.offset == 0 and p.layout.nbytes == p.buffer.nbytes


def _alike(a: Place, b: Place):
    """Whether elements of two operands have the same places in their memory."""
    return (a.offset == b.offset and a.layout.shape == b.layout.shape and a.layout.strides == b.layout.strides
            and a.layout.dtype.itemsize == b.layout.dtype.itemsize)


def rounded(nbytes):
    return -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT


def place(lives):
    """({buffer: offset}, bytes in all): each at the smallest gap between those that are alive with it.

    Of some orders, by size and by how long a buffer lives, and then of these disturbed at random (but always in the
    same way), the one that needs the least.
    """
    least, best, dice = highest(lives)[0], None, random.Random(0)
    weights = (lambda b: b.nbytes, lambda b: b.nbytes * (1 + lives[b][1] - lives[b][0]),
               lambda b: lives[b][1] - lives[b][0], lambda b: -lives[b][0])
    for weight in weights:
        order = sorted(lives, key=lambda b: (-weight(b), -b.nbytes, lives[b]))
        for tight in (False, True):
            best = _better(best, _placed(lives, order, tight))
            if best[1] <= least:
                return best
    for k in range(min(60, WORK // max(1, len(lives)) ** 2)):
        disturbed = {b: weights[k % 2](b) * dice.uniform(0.3, 1.0) for b in lives}
        best = _better(best, _placed(lives, sorted(lives, key=lambda b: -disturbed[b]), k % 4 > 1))
        if best[1] <= least:
            break
    return best


def _better(best, other):
    return other if best is None or other[1] < best[1] else best


def _placed(lives, order, tight):
    """({buffer: offset}, bytes in all) of buffers placed in turn: in the first gap, or the one that fits best."""
    placed: list = []  # (offset, end, first, last), by offset
    offsets = {}
    for b in order:
        first, last = lives[b]
        size, offset, best = rounded(b.nbytes), 0, None
        for start, end, born, died in placed:
            if born <= last and first <= died:
                gap = start - offset
                if gap >= size and (best is None or gap < best[0]):
                    best = gap, offset
                    if not tight:
                        break
                offset = max(offset, end)
        offset = offset if best is None else best[1]
        offsets[b] = offset
        insort(placed, (offset, offset + size, first, last))
    return offsets, max((end for _, end, _, _ in placed), default=0)
