"""Whether steps can change places: what a pass asks before it brings steps together."""

from dataclasses import replace

from .. import traced
from ..graph import Number, Place
from .compose import meet


def clash(first, second):
    """Whether two steps have to stay in their order: one writes what the other reads or writes."""
    if not (first.writes() & (second.reads() | second.writes()) or first.reads() & second.writes()):
        return False
    return any((a.writes or b.writes) and meet(a, b) for a in first.places for b in second.places)


def numbers_of(step):
    """The reads whose numbers a step uses."""
    expressions = [v.expression for v in step.values if isinstance(v, Number) and v.expression is not None]
    return {k for e in expressions for kind, k in traced.sources(e) if kind == "read"}


def movable(steps, number, to, beside):
    """Whether step `number` can stand at `to` instead; `beside`: numbers of steps that go there, too."""
    own = steps[number]
    low, high = min(number, to), max(number, to)
    needs = numbers_of(own) if to < number else ()
    for k in range(low, high + 1):
        between = steps[k]
        if k == number or k in beside or between is None:
            continue
        if to < number and (between.kind == "check" or between.kind == "read" and between.read in needs):
            return False
        if clash(own, between):
            return False
    return True


def meeting_place(steps, members, first):
    """The number, of those of the members, where all of them can stand together; None where there is none.

    first: the one to try first.
    """
    beside = set(members)
    for to in [first, *(m for m in members if m != first)]:
        if all(movable(steps, m, to, beside) for m in members):
            return to
    return None


def elsewhere(step, buffers):
    """A step with other buffers in place of some: {buffer: buffer}."""
    if not any(v.buffer in buffers for v in step.places):
        return step
    values = [Place(buffers.get(v.buffer, v.buffer), v.offset, v.layout, v.reads, v.writes)
              if isinstance(v, Place) else v for v in step.values]
    return replace(step, values=values)


def writers_of(steps):
    """{buffer: the steps that write to it}."""
    found: dict = {}
    for step in steps:
        for b in step.writes():
            found.setdefault(b, []).append(step)
    return found


def makes_temporaries(step, writers):
    """Whether a launch only gives values to temporaries that nothing else writes, and reads none of them."""
    return step.kind == "launch" and bool(step.writes()) and not step.reads() & step.writes() and all(
        b.kind == "temporary" and len(writers[b]) == 1 for b in step.writes())
