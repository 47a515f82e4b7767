"""What compiled functions tell: memory plans, of calls that have not been, too, and what became of the calls."""

import inspect
import re

from ..device import CPU
from . import MemoryLimitError, costs
from .modes import eagerly, watched
from .places import Unsupported
from .structure import equal, flatten


def memory(compiled, args, kwargs):
    """The table of `Compiled.memory`."""
    if compiled.parts.run is not None:
        return _of_parts(compiled)
    if args or kwargs or not compiled.programs and not compiled._too_large and _needs_nothing(compiled.function):
        return _of_call(compiled, args, kwargs)
    if compiled._too_large and not compiled.programs:
        raise MemoryLimitError(compiled._too_large[-1][2])
    if not compiled.programs and compiled._last:
        return text(*compiled._last[-1].plans(compiled.memory_limit))
    if not compiled.programs and not compiled._reasons:
        raise RuntimeError(f"memory: {compiled.name} has not run: give memory() the arguments of a call, as in "
                           f"compiled.memory(batch, target), for the plan of that call")
    return _of_program(compiled._program())


def _of_program(program):
    kept = 0 if program.graph.device is CPU or program.runner is None else program.runner.kept
    table = text(program.plan, program.backward and program.backward.plan)
    return table + (f"\n{kept:>12}  bytes more for operands that come in other memory, and for work of kernels"
                    if kept else "")


def text(plan, backward):
    """The tables of a program and of its backward pass, if it has one of its own."""
    return plan.table() if backward is None else (
        f"{plan.table()}\nThe backward pass, which runs apart, in memory of its own:\n{backward.table()}")


def _of_call(compiled, args, kwargs):
    tensors: list = []
    template = flatten((args, kwargs), tensors, "the arguments")
    program = next((p for p in compiled.programs if not p.mismatch(template, tensors)), None)
    if program is not None:
        return _of_program(program)
    if eagerly() or watched():
        raise RuntimeError(f"memory: {compiled.name} would run eagerly now, because of a mode or a capture that is on")
    for family in compiled.families:
        binding = family.fits(template, tensors)
        if binding is not None and family.holds():
            return _of_program(family.members.get(binding.sizes) or family.program(
                binding, compiled.memory_limit, compiled._arena))
    try:
        candidate, _ = compiled._rehearsal(template, tensors)
    except Unsupported as reason:
        raise RuntimeError(f"memory: {compiled.name} cannot be planned before it has run: {reason}. Call it a few "
                           "times; explain() tells what became of that, and memory() the plan, if it has one"
                           ) from None
    return text(*candidate.plans(compiled.memory_limit))


def _of_parts(compiled):
    lines = [f"{compiled.name} is in parts, which run one after the other (explain() says why):"]
    for part in compiled.parts.held.values():
        lines += [f"{part.name}:", _of_program(part.programs[0]) if part.programs else "  no program yet"]
    return "\n".join(lines)


def kernels(compiled):
    """The sources of `Compiled.kernels`."""
    if compiled.parts.run is not None:
        return {name: source for part in compiled.parts.held.values() if part.programs
                for name, source in kernels(part).items()}
    program, found = compiled._program(), {}
    for graph in (program.graph, program.backward and program.backward.graph):
        for step in graph.steps if graph is not None else ():
            for own in _kernels_of(graph, step):
                if hasattr(own, "source"):
                    found[own.name] = own.source
    return found


def _kernels_of(graph, step):
    """The kernels that a step calls, those within functions of Python included."""
    if step.device is not CPU:
        from ..cuda.launching import kernels_of  # there, as the graph has steps of a GPU
        return kernels_of(step.kernel)
    calls = graph.lowered[step].calls if step in (graph.lowered or ()) else None
    return [getattr(kernel, "__self__", None) for kernel in [step.kernel, *(c[0] for c in calls or ())]]


def refuse(compiled, template, tensors):
    """MemoryLimitError for a call that was found too large before."""
    for known, layouts, why in compiled._too_large:
        if len(layouts) == len(tensors) and equal(known, template) and all(
                own is t._layout for own, t in zip(layouts, tensors, strict=True)):
            raise MemoryLimitError(why)


def profile(compiled, runs, args, kwargs):
    """The table of `Compiled.profile`."""
    tensors: list = []
    template = flatten((args, kwargs), tensors, "the arguments")
    program = next((p for p in compiled.programs if not p.mismatch(template, tensors)), None)
    if program is None:
        raise RuntimeError(f"profile: {compiled.name} has no program for these arguments yet; call it a few times")
    from ..profiler.limits import machine_limits  # of a higher layer: measured when somebody asks
    return costs.table(program.profile(tensors, runs), machine_limits(program.graph.device))


def with_lines(compiled, why, lines):
    """A reason with the lines of the function that it comes from, where it does not name one itself."""
    code = compiled.parts.code()
    if not lines or code is None or re.search(r":\d+\)", why):
        return why
    return f"{why} ({code.co_filename}:{', '.join(map(str, sorted(lines)))})"


def explain(compiled):
    """The text of `Compiled.explain`."""
    lines = [f"{compiled.name}: {len(compiled.programs)} program{'s' * (len(compiled.programs) != 1)}"]
    for program in compiled.programs:
        kinds = [s.kind for s in program.graph.steps]
        lines.append(f"  {program.runs} runs of {len(kinds)} steps ({kinds.count('launch')} launches, "
                     f"{kinds.count('draw')} draws, {kinds.count('check')} checks), {program.plan.nbytes} bytes of "
                     "temporaries")
        lines += [f"    {line}" for line in program.describe()]
    lines += [f"  {line}" for family in compiled.families for line in family.describe()]
    if compiled._fixed and not compiled.families:
        lines.append(f"  each size has its own capture: {compiled._fixed}")
    if compiled._recaptured:
        lines.append("it was captured again where a guard failed:")
        lines += [f"  {count} x {why}" for why, count in compiled._recaptured.items()]
    lines.append(f"{compiled._eager} calls ran eagerly" + (":" if compiled._reasons else ""))
    lines += [f"  {count} x {reason}" for reason, count in compiled._reasons.items()]
    if compiled.gave_up:
        lines.append("it is not captured any more")
    if compiled.parts.run is not None:
        lines.append(f"it is in parts: these lines run as they are: {sorted(compiled.parts.lines)}")
        lines += [f"  lines {', '.join(map(str, found))}: {why}" for why, found in compiled._split.items()]
        lines += [f"  {text}" for part in compiled.parts.held.values() for text in part.explain().split("\n")]
    return "\n".join(lines)


def _needs_nothing(function):
    """Whether a function can be called without arguments."""
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return False
    return True


__all__ = ["explain", "kernels", "memory", "profile", "refuse", "text", "with_lines"]
