"""Whether steps can change places: what a pass asks before it brings steps together."""

from .. import traced
from ..graph import Number
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
