"""The call of a program, written out as source for its arguments and results: look, run, give results.

`write(program)` gives call(args, kwargs): the result, or MISS where something is not as it was when captured (then
`Program.mismatch` says what), or Stopped where a check failed.
"""

import linecache
import sys
import weakref

from ..storage import Storage
from ..tensor import Tensor
from . import interrupts, traced
from .places import same
from .structure import Leaf

MISS = object()


class Stopped:
    """A run that a check ended, before anything had changed: the number of the check's step."""

    __slots__ = ("step",)

    def __init__(self, step):
        self.step = step


class _Source:
    """Lines and the names that they refer to."""

    def __init__(self):
        self.lines, self.scope = [], {}

    def name(self, value, stem):
        """A name for a value."""
        name = f"{stem}{len(self.scope)}"
        self.scope[name] = value
        return name

    def add(self, text):
        self.lines.append("    " + text)


def _arguments(s, template, value, sure=False):
    """Lines that take the arguments apart: tensors go to t0, t1, ... sure: the kind of container is known."""
    if type(template) is Leaf:
        s.add(f"t{template.number} = {value}")
        return
    kind, parts = template
    if kind == "value":
        known = s.name(parts, "v")
        s.add(f"if {value} is not {known} and not same({value}, {known}): return MISS")
        return
    at = value
    if not sure:
        at = f"p{len(s.lines)}"
        s.add(f"{at} = {value}")
        s.add(f"if {at}.__class__ is not {s.name(kind, 'kind')}: return MISS")
    s.add(f"if {f'len({at}) != {len(parts)}' if parts else at}: return MISS")
    if kind is dict:
        if len(parts) > 1:  # their order is what a function may go through them in
            s.add(f"if tuple({at}) != {s.name(tuple([key for key, _ in parts]), 'keys')}: return MISS")
        elif parts:
            s.add(f"if {s.name(parts[0][0], 'key')} not in {at}: return MISS")
        for key, part in parts:
            _arguments(s, part, f"{at}[{s.name(key, 'key')}]")
    else:
        for n, part in enumerate(parts):
            _arguments(s, part, f"{at}[{n}]")


def _result(template, s):
    """The result as an expression over r0, r1, ..."""
    if type(template) is Leaf:
        return f"r{template.number}"
    kind, parts = template
    if kind == "value":
        return s.name(parts, "v")
    if kind == "number":
        return f"number({parts})"
    if kind == "made":
        return traced.text(parts.expression, {source: f"{s.name(group, 'group')}[{s.name(key, 'key')}]"
                                              for source, (group, key) in parts.options.items()})
    if kind is dict:
        return "{" + ", ".join(f"{s.name(k, 'key')}: {_result(v, s)}" for k, v in parts) + "}"
    made = [_result(v, s) for v in parts]
    if kind is list:
        return f"[{', '.join(made)}]"
    text = f"({', '.join(made)}{',' * (len(made) == 1)})"
    return text if kind is tuple else f"tuple.__new__({s.name(kind, 'kind')}, {text})"  # see structure.build


def write(program):
    """call(args, kwargs) of a program."""
    s = _Source()
    s.scope.update(MISS=MISS, Stopped=Stopped, same=same, Tensor=Tensor,
                   modes=program.modes, here=program.modes.guard, program=program,
                   new=object.__new__, references=sys.getrefcount, guard=program.guard, number=program.number)
    s.add("if here.look() >= 0 and modes.others(): return MISS")
    for part, value in zip(program.template[1], ("args", "kwargs"), strict=True):
        _arguments(s, part, value, True)
    for k, tensor in program.hidden:
        s.add(f"t{k} = {s.name(tensor, 'of')}._grad")
    for k, (own, needs_grad, kind, known, history) in enumerate(program.inputs):
        if known is not None:
            s.add(f"if t{k} is not {s.name(known, 'known')}: return MISS")
        else:
            s.add(f"if t{k}.__class__ is not {s.name(kind, 'kind')} or t{k}._layout is not {s.name(own, 'layout')} "
                  f"or t{k}._needs_grad is not {needs_grad}: return MISS")
            if history is not None:
                s.add(f"if (t{k}._node is None) is not {history[0]} or (t{k}._grad is None) is not {history[1]}: "
                      "return MISS")
    s.add("if guard.look() >= 0 or program.slow and program.unlike(): return MISS")
    if program.gradients:
        s.add("quiet = program.quiet is not None and program.quiet.look() < 0")
    if program.unguarded:
        s.add(f"if {'not quiet and ' if program.gradients else ''}program.absent(): return MISS")
    free = [k for k, own in enumerate(program.inputs) if own[3] is None]
    if program.shared_matters and free and not program.written_inputs:
        s.scope |= {"states": program.states, "plain": Storage}
        for k in free:
            if not program.sharing:
                s.add(f"if t{k}._storage in states: return MISS")
            other = "" if program.sharing else f"t{k}._storage.__class__ is not plain and "
            s.add(f"if {other}program.is_held(t{k}._storage): return MISS")
    elif program.shared_matters and free:
        s.add(f"if program.overlap([{', '.join(f't{k}' for k in range(len(program.inputs)))}]): return MISS")
    bases = [f"t{b.storage}._ptr" for b in program.dynamic_inputs]
    for k, _ in enumerate(program.results):
        s.scope[f"o{k}"] = program.results[k]
        s.add(f"s{k} = o{k}.storage")
        s.add(f"if s{k} is None or references(s{k}) > 3 or references(s{k}.block) > 2: s{k} = o{k}.renewed()")
        bases.append(f"s{k}.ptr")
    if program.gradients:
        s.add("if not quiet: reused = program.release()")
    s.scope.update(run=program.run_native, step_of=program.step_of)
    if program.draws_first:
        s.add("before = program.generator()")
    python = program.runner is None or bool(program.runner.python)
    if python:
        s.scope.update(hold=interrupts.hold, let=interrupts.let)
        s.add("kept = hold()")
    if program.at_risk:
        s.add(f"safe = program.keep([{', '.join(bases)}])")
    s.add("try:")
    s.add(f"    failed = run({', '.join(bases)})")
    s.add("    if failed >= 0: failed = step_of(failed)")
    for met, end in (("except BaseException:", "raise"), ("if failed >= 0:", "return Stopped(failed)")):
        s.add(met)
        if program.at_risk and end == "raise":
            s.add("    program.put_back(safe)")
        if program.gradients:
            s.add("    if not quiet: program.undo(reused)")
        if program.draws_first:
            s.add("    program.draw_again(before)")
        if python:
            s.add("    let(kept)")
        s.add(f"    {end}")
    if program.bumps:
        s.scope["counter"] = program.counter
        s.add("counter.move()")
    for k in sorted(program.written_inputs):
        s.add(f"t{k}._storage.version += 1")
    if program.gradients:
        s.add("if not quiet: program.bind(reused)")
    if program.runner is None:
        s.add("program.replays += 1")
    for k, view in enumerate(program.views):
        _view(s, program, k, view)
    if program.backward is not None:
        tensors, found = (f"({', '.join(f'{stem}{k}' for k in range(n))}{',' * (n == 1)})"
                          for stem, n in (("t", len(program.inputs)), ("r", len(program.views))))
        s.scope["backward"] = program.backward
        s.add(f"backward.attach(program, {tensors}, {found})")
    if python:
        s.add("let(kept)")
    s.add(f"return {_result(program.returns, s)}")
    source = "def call(args, kwargs):\n" + "\n".join(s.lines) + "\n"
    code = _codes.get(source)  # programs for other sizes have the same, and other values for its names
    if code is None:
        filename = f"<call of program {program.graph.name} {id(program):x}>"
        code = _codes[source] = _Code(compile(source, filename, "exec"))
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        weakref.finalize(code, linecache.cache.pop, filename, None).atexit = False
    exec(code.code, s.scope)
    s.scope["its code"] = code
    return s.scope["call"]


class _Code:
    """The code of a written call."""

    def __init__(self, code):
        self.code = code


_codes: weakref.WeakValueDictionary = weakref.WeakValueDictionary()  # {source: _Code}, as long as programs have it


def _view(s, program, k, view):
    """Lines that make result tensor k."""
    if view.tensor is not None:
        s.add(f"r{k} = {s.name(view.tensor, 'tensor')}")
        return
    kind = view.buffer.kind
    if kind == "input" and view.history == "same":
        s.add(f"r{k} = t{view.buffer.storage}")
        return
    if kind == "input":
        storage, ptr = f"t{view.buffer.storage}._storage", f"t{view.buffer.storage}._ptr"
    elif kind == "state":
        storage, ptr = s.name(view.buffer.storage, "storage"), str(view.buffer.address)
    elif program.owner(view.buffer) in program.results:
        at = program.results.index(program.owner(view.buffer))
        storage, ptr = f"s{at}", f"s{at}.ptr"
    else:
        storage = f"{s.name(program.owner(view.buffer), 'owned')}.storage"
        ptr = f"{storage}.ptr"
    offset = f" + {view.offset}" if view.offset else ""
    s.add(f"r{k} = new(Tensor); r{k}._layout = {s.name(view.layout, 'layout')}; r{k}._storage = {storage}; "
          f"r{k}._ptr = {ptr}{offset}")
    if view.history == "used":
        s.add(f"program.mark_used(r{k})")
