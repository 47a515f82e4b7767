"""What `compile` gives: a function that captures its first calls and runs later ones as programs."""

import copy
import functools
import os
import sys
import warnings
from collections import deque

from ..device import CPU
from ..errors import OutOfMemoryError
from . import MemoryLimitError, stored, tables
from .attempt import Attempt
from .calling import MISS, Stopped
from .candidate import ARGUMENTS, GRADIENTS
from .family import Family, followed_sizes
from .memory import Arena
from .modes import eagerly, stance, watched
from .parts import Parts
from .places import Unsupported
from .structure import flatten

PROGRAMS, ATTEMPTS = 8, 6  # of one function: variants that are kept, captures without agreement before giving up
REHEARSALS, NAMED = 3, 16  # captures for many sizes that are tried in vain; guards that explain() names
SHAPES = 64  # programs that are kept in all, where variants differ in sizes: the one used longest ago goes
GRAPHS = 32  # of those on a GPU, whose driver keeps memory for each of their graphs


def _no_program(args, kwargs):
    return MISS  # a call of the program that ran last, where there is none


class Compiled:
    """A compiled function: call it as the function itself.

    The first calls run eagerly and are captured; once two captures in a row agree, later calls with the same arguments
    but for the contents of tensors run as a program. What cannot be run so runs eagerly, for the reasons that
    `explain()` gives.
    """

    def __init__(self, function, fullgraph=False, dynamic=None, memory_limit=None, whole=None):
        """whole: what this is a part of, where it is one."""
        self.function, self.fullgraph, self.dynamic, self.memory_limit = function, fullgraph, dynamic, memory_limit
        self._whole, self._loose, self._search = whole, False, False
        self.parts = Parts(function, lambda part: Compiled(part, dynamic=dynamic, memory_limit=memory_limit,
                                                           whole=self))
        self._stays: dict = {}  # {line: how often it kept the function from being a program}
        self._arena = Arena()
        self._too_large: deque = deque(maxlen=SHAPES)  # (template, layouts, why) of calls that do not fit the limit
        self.families: list = []  # captures that hold for many sizes
        self._patterns: list = []  # of captures for many sizes
        self._varied: set = set()  # (argument, dimension) whose sizes differ
        self._rehearsals, self._fixed = 0, ""  # how often one was tried in vain, and why it holds for no other size
        self.name = getattr(function, "__name__", type(function).__name__)
        if self.name == "__call__":  # of a module
            self.name = type(getattr(function, "__self__", function)).__name__
        self.programs: list = []
        self._last: list = []  # captures that wait for one that agrees
        self._reasons: dict = {}  # why calls ran eagerly: {reason: how often}
        self._split: dict = {}  # why the function is in parts: {reason: lines}
        self._roots: list = []  # functions that earlier captures found only as they ran
        self._failures = self._eager = 0
        self._recaptured: dict = {}  # guards that failed: {what they found: how often}
        self._front = [_no_program]  # how the program that ran last is called
        self._turns = [self._front]  # taken by the call that is running
        self.own = frozenset(vars(functools.update_wrapper(self, function, updated=()))) | {"own"}

    def __get__(self, instance, owner=None):
        """Decorated methods: bound to their object."""
        return self if instance is None else functools.partial(self, instance)

    def __deepcopy__(self, memo):
        return Compiled(copy.deepcopy(self.function, memo), self.fullgraph, self.dynamic, self.memory_limit)

    def __reduce__(self):
        return Compiled, (self.function, self.fullgraph, self.dynamic, self.memory_limit)

    def __call__(self, *args, **kwargs):
        try:
            front = self._turns.pop()
        except IndexError:  # another call of it is running: in another thread, or one that calls itself
            if self._deserted():
                self._turns.append(self._front)
                return self(*args, **kwargs)
            if eagerly() or self.parts.run is not None:
                return self._in_parts(args, kwargs)
            return self._plainly("another call of it was running", args, kwargs)
        try:
            result = front[0](args, kwargs)
            if result is not MISS and result.__class__ is not Stopped:
                return result
            if self.parts.run is None:
                return self._otherwise(args, kwargs, result)
        finally:
            self._turns.append(front)
        return self._in_parts(args, kwargs)

    def _deserted(self):
        """Whether no call has the turn: Ctrl-C may come right after one has taken it."""
        own = sys._getframe(1)
        for frame in sys._current_frames().values():
            while frame is not None:
                if frame is not own and frame.f_code is own.f_code and frame.f_locals.get("self") is self:
                    return False
                frame = frame.f_back
        return True

    def _in_parts(self, args, kwargs):
        """A call of a function in parts, or of one that runs as it is."""
        if eagerly():
            return self.function(*args, **kwargs)
        if self.parts.fit():
            return self.parts.run(*args, **kwargs)
        self.reset()
        return self(*args, **kwargs)

    def _otherwise(self, args, kwargs, result):
        """A call that the program that ran last does not take, for which it gave `result`."""
        stopped = {}  # as if a guard had failed
        for program in self.programs:
            if program is not self.programs[0]:
                result = program.call(args, kwargs)
            if result is MISS:
                continue
            if result.__class__ is not Stopped:
                self._first(program)
                return result
            stopped[program] = result.step
        if eagerly():
            return self.function(*args, **kwargs)
        result = MISS if not self.families or stopped else self._of_family(args, kwargs)
        return self._call(args, kwargs, stopped) if result is MISS else result

    def _call(self, args, kwargs, stopped):
        """A call that no program takes: one that needs another look, a capture, or a run as it is."""
        tensors: list = []
        template = flatten((args, kwargs), tensors, "the arguments")
        why = ""
        for program in self.programs:
            if program in stopped:
                why = f"a value led elsewhere: {program.graph.steps[stopped[program]].where}"
                if not program.chosen(stopped[program]):
                    self._reasons[why] = self._reasons.get(why, 0) + 1
                continue
            why = program.mismatch(template, tensors)
            if not why:  # other objects, but the same values
                program.look_again()
                result = program.call(args, kwargs)
                if result is not MISS and result.__class__ is not Stopped:
                    self._first(program)
                    return result
                if result is MISS:
                    return self._plainly("a guard that fails again and again", args, kwargs)
                why = f"a value led elsewhere: {program.graph.steps[result.step].where}"
        if stance.name == "fail_on_recompile":
            raise RuntimeError(f"compile: {self.name} would be captured under the stance fail_on_recompile: "
                               f"{why or 'there is no program yet'}")
        if stance.name == "eager_on_recompile":
            return self._plainly("the stance eager_on_recompile", args, kwargs)
        if self._too_large:
            tables.refuse(self, template, tensors)
        if watched():
            return self._plainly("a mode watches every operation (hooks of saved tensors, anomaly mode, autocast "
                                 "outside the function, function modes)", args, kwargs)
        if self.gave_up:
            self._eager += 1
            return self.function(*args, **kwargs)
        if self.programs and why:
            if why in self._recaptured or len(self._recaptured) < NAMED:
                self._recaptured[why] = self._recaptured.get(why, 0) + 1
            _tell(f"{self.name} is captured again: {why}")
            self._loose = self._loose or why.endswith(".grad is in other memory")
            if len({p.variant for p in self.programs}) >= PROGRAMS:
                return self._full(why, args, kwargs)
        return self._capture(template, tensors, args, kwargs)

    def _of_family(self, args, kwargs):
        """A call of sizes that were never seen, by a program that is made of a capture for other sizes; or MISS."""
        if watched():
            return MISS
        tensors: list = []
        template = flatten((args, kwargs), tensors, "the arguments")
        for family in self.families:
            binding = family.fits(template, tensors)
            if binding is None or not family.holds():
                continue
            program = family.members.get(binding.sizes)
            try:
                if program is None:
                    with stored.uncollected():
                        program = family.program(binding, self.memory_limit, self._arena)
                    _tell(f"{self.name} has a program for the sizes {binding.sizes}")
            except OutOfMemoryError:
                return MISS
            result = program.call(args, kwargs)
            if result is not MISS and result.__class__ is not Stopped:
                self._first(program)
                return result
        return MISS

    def _rehearsed(self, template, tensors, args, kwargs, others, pattern, variant):
        """Capture a call for many sizes, undo it and run it as a program of these; MISS where that cannot be.

        others: layouts of a call with other sizes, or None; pattern: of its capture.
        """
        followed = followed_sizes(tensors, others, self._varied)
        if not followed or self._rehearsals >= REHEARSALS:
            return MISS
        family = None
        try:
            attempt = Attempt(self.function, self.name, self.parts.code(), template, tensors, self._roots, self._loose,
                              followed=followed)
            candidate, why = attempt.rehearsed()
            if candidate is not None:
                family = Family(candidate, attempt.capture.sizes, followed)
                known = [(pattern, variant), *((f.pattern, f.variant) for f in self.families),
                         *((p, None) for p in self._patterns)]
                alike = [number for like, number in known if family.pattern == like]
                if alike:
                    family.variant = self._variant() if alike[0] is None else alike[0]
                else:
                    why = "the calls differ in more than sizes"
                    self._patterns = [*self._patterns[1 - PROGRAMS:], family.pattern]  # a second one may agree
        except Unsupported as reason:
            why = str(reason)
        ties = "; ".join(family.ties()) if family is not None else ""
        if ties or why:  # it holds for few sizes, or none: not to be tried for ever
            self._rehearsals, self._fixed = self._rehearsals + 1, ties or why
            if self._rehearsals == REHEARSALS and ties:
                warnings.warn(f"compile: {self.name} is captured anew for each size of its arguments from now on: "
                              f"{ties}", stacklevel=6)
        if why:
            return MISS
        _tell(f"{self.name} was captured for all sizes")
        self.families.insert(0, family)
        del self.families[PROGRAMS:]
        return self._of_family(args, kwargs)

    def _first(self, program):
        """Note that a program was the last to run."""
        if self.programs and self.programs[0] is not program:
            self.programs[0].rest()
        if program in self.programs:
            self.programs.remove(program)
        self.programs.insert(0, program)
        self._front[0] = program.call
        most = SHAPES if program.graph.device is CPU else GRAPHS
        for last in self.programs[most:]:
            last.drop()
        del self.programs[most:]

    def _made(self, candidate, variant=None):
        """Keep the program of a candidate. variant: the number of one that differs in sizes only."""
        try:
            program = candidate.program(self.memory_limit, self._arena)
        except MemoryLimitError as error:  # the call has been
            self._too_large.append((candidate.attempt.template, [i[0] for i in candidate.attempt._inputs], str(error)))
            return
        except OutOfMemoryError as error:  # the call has been: it is not to fail for what later ones would have
            self._failures += 1
            self._note(f"there is no room for a program: {error}")
            return
        program.variant = self._variant() if variant is None else variant
        self._failures = 0
        self._first(program)

    def _within_limit(self, template, tensors, args, kwargs):
        """A call by a program that is made before it runs, so that it keeps the limit; MISS where there can be none.

        MemoryLimitError, before anything has happened, where it does not fit.
        """
        try:
            candidate, times = self._rehearsal(template, tensors)
            program = None
            if times == 1:  # else the first call makes state that programs know
                other, _ = self._rehearsal(template, tensors, not candidate.attempt.capture.is_sure)
                program = None if candidate.agrees(other) else other.program(self.memory_limit, self._arena)
            else:
                candidate.plans(self.memory_limit)
        except (Unsupported, OutOfMemoryError) as reason:
            _tell(f"{self.name} has no program before it has run: {reason}")
            return MISS
        except MemoryLimitError as error:
            self._too_large.append((template, [t._layout for t in tensors], str(error)))
            raise
        if program is None:
            return MISS
        program.variant = self._variant()
        result = program.call(args, kwargs)
        if result is MISS or result.__class__ is Stopped:
            return MISS
        self._first(program)
        return result

    def _rehearsal(self, template, tensors, real=False):
        """(a Candidate of a call that has not been, after how many calls it is what they do); see rehearsal.py."""
        from .rehearsal import rehearsed
        return rehearsed(self.function, self.name, self.parts.code(), template, tensors, self._roots, self._loose, real)

    def _variant(self):
        """A number for programs that differ from others in more than sizes."""
        return 1 + max((p.variant for p in self.programs), default=0)

    def _full(self, why, args, kwargs):
        if "recompiled" not in self._reasons:
            warnings.warn(f"compile: {self.name} was captured {PROGRAMS} times for different calls; others run "
                          f"eagerly from now on. The last one differs in this: {why}", stacklevel=4)
        self._reasons["recompiled"] = self._reasons.get("recompiled", 0) + 1
        self._eager += 1
        return self.function(*args, **kwargs)

    def _plainly(self, reason, args, kwargs):
        self._note(reason)
        return self.function(*args, **kwargs)

    def _note(self, reason):
        self._eager += 1
        self._reasons[reason] = self._reasons.get(reason, 0) + 1
        _tell(f"{self.name} ran eagerly: {reason}")

    # ------------------------------------------------------------ capturing

    def _varies(self, template, tensors, args, kwargs):
        """A call with other sizes than one before, by a capture for many sizes; MISS where there is none."""
        if self.dynamic is False:
            return MISS
        for before, pattern, variant in [*((p, p.pattern, p.variant) for p in self.programs),
                                         *((c, None, None) for c in reversed(self._last))]:
            inputs = before.inputs if pattern is not None else before.attempt._inputs
            if len(inputs) - len(getattr(before, "hidden", ())) == len(tensors) and all(
                    o[0].dtype is t._layout.dtype and o[0].ndim == t._layout.ndim for o, t in zip(
                        inputs, tensors, strict=False)):
                layouts = [i[0] for i in inputs[:len(tensors)]]
                if pattern is None and all(t._layout is own for t, own in zip(tensors, layouts, strict=True)):
                    if not self.dynamic:
                        return MISS  # one that is to agree with that one
                    layouts = None
                return self._rehearsed(template, tensors, args, kwargs, layouts, pattern or before.pattern(), variant)
        return MISS

    def _capture(self, template, tensors, args, kwargs):
        result = self._varies(template, tensors, args, kwargs) if self._rehearsals < REHEARSALS else MISS
        if result is MISS and self.memory_limit is not None:
            result = self._within_limit(template, tensors, args, kwargs)
        if result is not MISS:
            return result
        try:
            attempt = Attempt(self.function, self.name, self.parts.code(), template, tensors, self._roots,
                              self._loose, self._search)
        except Unsupported as reason:
            self._refused(str(reason))
            return self.function(*args, **kwargs)
        result, candidate, why = attempt.run(args, kwargs)
        self._roots += attempt.unseen
        if candidate is None:
            lines = attempt.lines
            if "the call changes" in why or "keeps tensors" in why:
                source = (self if self._whole is None else self._whole).parts.source
                changed = why.partition("the call changes ")[2].partition(" ")[0]
                lines = source.changing(changed) if source is not None else lines
            if not why.startswith("not yet: ") or self._failures >= 2:
                if self._divide(why, lines):
                    return result
            refusals = attempt.capture.refusals
            self._search = not attempt.lines and why.startswith("the function")
            if self.fullgraph and refusals and self._failures:
                why = refusals[0]
            why = tables.with_lines(self, why, lines)
            if why.startswith("not yet"):
                self._note(why)
                self._last.clear()
                self._failures += 1
                self._settle()
            else:
                self._refused(why)
            return result
        agreed = next((c for c in self._last if c.count == len(tensors) and c.agrees(candidate) == ""), None)
        alike = None
        if agreed is None and self.dynamic is not False and self.programs:
            pattern = candidate.pattern()
            alike = next((p for p in self.programs if p.pattern == pattern), None)
        if agreed is not None:
            self._last.remove(agreed)
            self._made(candidate)
        elif alike is not None:
            self._made(candidate, alike.variant)
        elif self.families and any(not t._layout.numel for t in tensors):
            self._made(candidate)  # of nothing it does no more than what captures at other sizes agreed about
        else:
            if self._last:
                why = ARGUMENTS
                for before in reversed(self._last):
                    why = before.agrees(candidate) if before.count == len(tensors) else ARGUMENTS
                    if why != ARGUMENTS:
                        break
                self._note(f"two calls differ: {why}")
                self._loose = self._loose or why == GRADIENTS
                if why not in (ARGUMENTS, GRADIENTS) and self._divide(why, attempt.capture.asked):
                    return result
                self._failures += 0.25 if why == ARGUMENTS else 1  # other shapes may come again
                self._settle()
            self._last = [*self._last[-(PROGRAMS - 1):], candidate]
        return result

    def _refused(self, reason):
        self._failures += 1
        self._note(reason)
        self._last.clear()
        if self.fullgraph:
            raise RuntimeError(f"compile: {self.name} cannot run as one program: {reason}")
        self._settle()

    def _divide(self, why, lines):
        """Whether the function is in parts from now on, because statements with these lines cannot be in a program."""
        if self.fullgraph or not lines:
            return False
        for line in lines:
            self._stays[line] = self._stays.get(line, 0) + 1
        often = {line for line, count in self._stays.items() if count > 1}
        whole = self if self._whole is None else self._whole
        if not often or not whole.parts.stay(often):
            return False
        whole._front[0] = _no_program
        if whole is self:
            self._reasons[why] = self._reasons.get(why, 0) + 1
        whole._split[why] = sorted(often)
        self._last.clear()
        return True

    def _settle(self):
        if self.gave_up and self.fullgraph:
            raise RuntimeError(f"compile: {self.name} cannot run as one program: {next(reversed(self._reasons))}")

    # ------------------------------------------------------------ what is known

    @property
    def gave_up(self):
        """Whether it is captured no more, after attempts in vain."""
        return self._failures >= ATTEMPTS

    @property
    def graph(self):
        """The graph of the program that ran last. RuntimeError where there is none yet."""
        return self._program().graph

    def _program(self):
        if not self.programs:
            why = "has no program yet" if self.parts.run is None else "is in parts, which are compiled: parts.held"
            raise RuntimeError(f"compile: {self.name} {why}.\n{self.explain()}")
        return self.programs[0]

    def memory(self, *args, **kwargs):
        """The memory plan of a call with these arguments, as a table: what each tensor takes, when, and which line of
        the program makes it, and the peak. Without arguments that of the program that ran last.

        Nothing has to have run: the call is captured and undone then, large kernels not computed; modes count as they
        are now (no_grad, autocast). The plan is that of the calls after the first one, with the state that an optimizer
        makes then. MemoryLimitError, with the table, where it does not fit the limit; RuntimeError where the call
        cannot be captured and undone, and without arguments where nothing has run.
        """
        return tables.memory(self, args, kwargs)

    def kernels(self):
        """{name: source} of the kernels of the program that ran last, its backward pass and all parts included."""
        return tables.kernels(self)

    def profile(self, *args, runs=5, **kwargs):
        """Run the program for these arguments some times, step by step: a table of the times, the longest first, with
        GB/s, GFLOP/s and the share of what the machine reaches (profiler.machine_limits).

        The runs are real: parameters and counters move on. RuntimeError where no program fits the arguments.
        """
        return tables.profile(self, runs, args, kwargs)

    def explain(self):
        """What became of the calls: programs, their size, and why others ran eagerly."""
        return tables.explain(self)

    def reset(self):
        """Forget all programs and reasons."""
        self.programs.clear()
        self._front[0] = _no_program
        self.families.clear()
        self._rehearsals, self._fixed, self._failures, self._eager = 0, "", 0, 0
        self._patterns.clear()
        self._varied.clear()
        self._last.clear()
        self._arena = Arena()
        self._too_large.clear()
        self._reasons.clear()
        self._roots.clear()
        self._split.clear()
        self._stays.clear()
        self.parts.forget()
        self._recaptured.clear()


def _tell(text):
    if "capture" in os.environ.get("NUMBATORCH_DEBUG", ""):
        print(f"# {text}", file=sys.stderr)
