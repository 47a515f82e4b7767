"""Checks come before the first change of what outlives the call, so that one that fails leaves nothing behind."""

from dataclasses import replace

from . import traced
from .graph import Buffer, Number, Place
from .passes.early import SMALL
from .places import Unsupported

LASTING = "state", "input"  # kinds of buffers


def checks_first(steps, buffers):
    """The steps with every check, and what it needs, before the first change of what outlives the call.

    What a check needs of small changes, as of a count of steps that decides what an optimizer does, is made twice: for
    the check in a temporary, which joins the buffers, and as before when the checks are over.
    """
    checks = [k for k, s in enumerate(steps) if s.kind == "check"]
    if not checks:
        return steps
    needed: set = set()
    for k in checks:
        needed |= _cone(steps, k)
    drawn = max((k for k in needed if steps[k].kind == "draw"), default=-1)
    for k in range(drawn):  # numbers are drawn in the order of the function
        if steps[k].kind == "draw":
            needed |= _cone(steps, k)
    first, rest, instead = [], {k: s for k, s in enumerate(steps) if k not in needed}, {}
    for k in sorted(needed):
        step = _tried(steps[k], instead, buffers)
        if step is None:
            raise Unsupported(f"a value that Python asks for depends on a change of memory that outlives the call, by "
                              f"{steps[k].name} ({steps[k].where}): {_what(steps, checks)}")
        if any(b.kind in LASTING for b in steps[k].writes()):
            rest[k] = steps[k]
        for j in range(k):  # those that are made twice, too, which come after it the second time
            if j in rest and step.writes() & (steps[j].reads() | steps[j].writes()):
                raise Unsupported(f"{step.name} ({step.where}) overwrites what was used before a value is asked for")
        first.append(step)
    return [*first, *(rest[k] for k in sorted(rest))]


def _tried(step, instead, buffers):
    """The step with temporaries, which join `instead` and the buffers, in place of what outlives the call where it
    gives that new contents; None where it changes it otherwise, or where it is large."""
    changed = [v for v in step.places if v.writes and v.buffer.kind in LASTING]
    if changed and step.kind != "launch" or any(
            v.reads or v.buffer.nbytes > SMALL or v.layout.numel * v.layout.dtype.itemsize != v.buffer.nbytes
            for v in changed):
        return None
    after = dict(instead)
    for b in dict.fromkeys(v.buffer for v in changed):
        if b not in after:
            after[b] = Buffer(len(buffers), "temporary", b.nbytes, f"{b.name}, for a check", device=b.device)
            buffers.append(after[b])
    values = [replace(v, buffer=(after if v.writes else instead).get(v.buffer, v.buffer)) if isinstance(v, Place) else v
              for v in step.values] if after else step.values
    instead.update(after)
    return replace(step, values=values)


def _what(steps, checks):
    return "; ".join(f"{traced.text(steps[k].check)} is {steps[k].expected} ({steps[k].where})" for k in checks[:3])


def _cone(steps, last):
    """Numbers of the steps that step `last` depends on, and its own."""
    found, numbers, buffers = {last}, set(), set()
    own = steps[last]
    numbers |= {k for kind, k in traced.sources(own.check) if kind == "read"} if own.check else set()
    buffers |= own.reads() | own.writes()
    for k in range(last - 1, -1, -1):
        step = steps[k]
        if step.kind == "read" and step.read in numbers or step.writes() & buffers:
            found.add(k)
            buffers |= step.reads() | step.writes()
            for v in step.values:
                if isinstance(v, Number) and v.expression:
                    numbers |= {n for kind, n in traced.sources(v.expression) if kind == "read"}
    return found


__all__ = ["checks_first"]
