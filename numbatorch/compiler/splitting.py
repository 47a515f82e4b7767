"""A function in parts: what cannot be in a program stays Python, the statements before and after it are functions.

`read(function)` gives its Source, and `Source.split(lines, make)` a function that does the same: in every block of
statements those that have one of the lines run as they are, and what is between them is handed to `make` as a function
of the variables that it uses, giving those that are used afterwards.
"""

import ast
import inspect
import textwrap
import types
from typing import NamedTuple

from .values import is_library

_BLOCKS = ("body", "orelse", "finalbody")
_ALONE = (ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.Delete, ast.Match)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_WORK = (ast.Call, ast.BinOp, ast.UnaryOp, ast.Subscript, ast.AugAssign, ast.Compare)  # what tensors may be used in
_SUSPENDS = (ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith)
_NAMES = frozenset(("locals", "eval", "exec", "vars", "dir", "super", "__class__"))  # they see where they are called
_CHANGES = frozenset("append appendleft extend add update insert pop popleft popitem remove clear setdefault discard "
                     "write put info debug warning error log".split())


class Names(NamedTuple):
    """Variables that statements use and assign."""

    loads: set
    stores: set


def names_in(nodes):
    """The names that nodes load and store, those of comprehensions' own variables left out."""
    found = Names(set(), set())
    for node in nodes:
        _collect(node, found, frozenset())
    return found


def _collect(node, found, own):
    if isinstance(node, ast.Name):
        if node.id not in own:
            (found.loads if isinstance(node.ctx, ast.Load) else found.stores).add(node.id)
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        own = own | {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
    elif isinstance(node, ast.ExceptHandler) and node.name:
        found.stores.add(node.name)
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        found.loads.add(node.target.id)
    for child in ast.iter_child_nodes(node):
        _collect(child, found, own)


class Source:
    """The source of a function that can be in parts."""

    def __init__(self, function, tree, filename):
        self.function, self.tree, self.filename = function, tree, filename
        arguments = tree.args
        self.parameters = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs,
                                           *filter(None, (arguments.vararg, arguments.kwarg)))]
        shared = {n for s in ast.walk(tree) if isinstance(s, (ast.Global, ast.Nonlocal)) for n in s.names}
        self.shared = shared
        self.locals = (names_in(tree.body).stores | set(self.parameters)) - shared

    def changing(self, path=""):
        """Lines of statements that look as if they change objects: items, attributes, lists, global variables.

        path: of what was seen to change (`schedule.last_epoch`); calls of its object's methods (`schedule.step()`)
        are among them then.
        """
        found, owners = set(), {}
        first, _, rest = path.partition(".")
        if first == self.tree.name and self.tree.args.args:  # of a method
            path = f"{self.tree.args.args[0].arg}.{rest}"
        for node in ast.walk(self.tree):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(
                node, (ast.AugAssign, ast.AnnAssign)) else []
            call = node.value if isinstance(node, ast.Expr) else None
            if any(isinstance(t, (ast.Attribute, ast.Subscript)) or isinstance(t, ast.Name) and t.id in self.shared
                   for t in targets) or isinstance(call, ast.Call) and isinstance(
                       call.func, ast.Attribute) and call.func.attr in _CHANGES:
                found.add(node.lineno)
            elif isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                owners.setdefault(ast.unparse(call.func.value), []).append(node.lineno)
        holders = [owner for owner in owners if path.startswith((f"{owner}.", f"{owner}["))]
        return found.union(owners[max(holders, key=len)]) if holders else found

    def split(self, lines, make):
        """The function in parts; None where nothing would be left of it. make(key, function) gives what is called in
        place of a part; key: the lines of its first and last statement."""
        parts: dict = {}
        body = _Splitter(self, lines, parts).block(self.tree.body, set(self.parameters), False)
        if not parts:
            return None
        driver = _define(self.tree.name, self.tree.args, body, self.tree, self.tree)
        made = {name: make(key, self._function(part, {})) for name, (key, part) in parts.items()}
        return self._function(driver, made)

    def _function(self, definition, more):
        """A definition as a function that sees what the original sees, and `more`."""
        definition = ast.fix_missing_locations(definition)
        original = inspect.unwrap(self.function)
        code, free = original.__code__, dict(more)
        cells = {**dict(zip(code.co_freevars, original.__closure__ or (), strict=True)),
                 **{name: types.CellType(value) for name, value in free.items()}}
        outer = ast.parse("def outer():\n    pass")
        assigned: list = [ast.Assign([ast.Name(n, ast.Store())], ast.Constant(None)) for n in cells]
        if definition.name not in cells:  # one that calls itself is to find what its module has under the name
            assigned.append(ast.Global([definition.name]))
        outer.body[0].body = [*assigned, definition]  # type: ignore[attr-defined]
        compiled = compile(ast.fix_missing_locations(outer), self.filename, "exec")
        inner = next(c for c in _constant_code(compiled) if c.co_name == "outer")
        own = next(c for c in _constant_code(inner) if c.co_name == definition.name)
        made = types.FunctionType(own, original.__globals__, definition.name, None,
                                  tuple([cells[n] for n in own.co_freevars]))
        if definition.args is self.tree.args:
            made.__defaults__, made.__kwdefaults__ = original.__defaults__, original.__kwdefaults__
        made.__module__ = original.__module__
        return made


def _constant_code(code):
    return [c for c in code.co_consts if isinstance(c, types.CodeType)]


class _Splitter:
    """Blocks of statements with calls of parts in place of statements."""

    def __init__(self, source, lines, parts):
        self.source, self.lines, self.parts = source, lines, parts

    def block(self, statements, bound, inside):
        """The statements of a block; `bound`, variables that have a value before, is added to. inside: a loop."""
        made, run = [], []
        for statement in statements:
            if self._whole(statement):
                run.append(statement)
                continue
            made += self._part(run, bound, inside)
            run = []
            made.append(self._python(statement, bound, inside))
        return made + self._part(run, bound, inside)

    def _whole(self, statement):
        """Whether a statement may be in a part."""
        if any(statement.lineno <= k <= statement.end_lineno for k in self.lines) or _leaves(statement):
            return False
        return not any(isinstance(n, _ALONE) for n in ast.walk(statement)) and names_in([statement]).stores.isdisjoint(
            self.source.shared)

    def _python(self, statement, bound, inside):
        """A statement that stays, with its blocks in parts."""
        own = type(statement)(**dict(ast.iter_fields(statement)))
        ast.copy_location(own, statement)
        loop = inside or isinstance(statement, (ast.For, ast.While))
        if isinstance(statement, ast.With):
            bound |= names_in([i.optional_vars for i in statement.items if i.optional_vars]).stores
        found = []
        for name in _BLOCKS:
            if getattr(statement, name, None):
                known = bound if isinstance(statement, ast.With) else set(bound)
                if isinstance(statement, ast.For) and name == "body":
                    known |= names_in([statement.target]).stores
                setattr(own, name, self.block(getattr(statement, name), known, loop))
                found.append(known)
        if isinstance(statement, ast.Try):
            own.handlers = [self._python(h, set(bound) | ({h.name} if h.name else set()), inside)
                            for h in statement.handlers]
        elif isinstance(statement, ast.If) and len(found) == 2:
            bound |= found[0] & found[1]
        elif isinstance(statement, ast.Delete):
            bound -= names_in([statement]).stores
        elif not found:
            bound |= names_in([statement]).stores
        return own

    def _loads_outside(self, run):
        """Variables that are used by other statements than some."""
        own = {id(n) for s in run for n in ast.walk(s)}
        found = set()
        for n in (n for s in self.source.tree.body for n in ast.walk(s) if id(n) not in own):
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load):
                found.add(n.id)
            elif isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name):
                found.add(n.target.id)
        return found

    def _part(self, run, bound, inside):
        """The statements that run a part in place of some others."""
        if not any(isinstance(n, _WORK) for s in run for n in ast.walk(s)):
            bound |= {n for s in run for n in _surely(s)}
            return run
        own, sure = names_in(run), set().union(*(_surely(s) for s in run))
        early = _early(run, set()) & self.source.locals
        outputs = own.stores & self.source.locals & (self._loads_outside(run) | (early if inside else set()))
        inputs = early | (outputs - sure)
        if inputs - bound:  # variables that may have no value there: where they are used or made, it stays Python
            own_names = [names_in([s]) for s in run]
            at = next(k for k, n in enumerate(own_names) if (n.loads | n.stores) & (inputs - bound))
            made = self._part(run[:at], bound, inside)
            return [*made, self._python(run[at], bound, inside), *self._part(run[at + 1:], bound, inside)]
        bound |= sure
        first, last = run[0], run[-1]
        name = f"{self.source.tree.name}_{first.lineno}_{last.end_lineno}"
        given, body = sorted(inputs), list(run)
        results = sorted(outputs)
        if not isinstance(last, ast.Return):
            body.append(ast.Return(ast.Tuple([ast.Name(n, ast.Load()) for n in results], ast.Load())))
        arguments = ast.arguments([], [ast.arg(n) for n in given], None, [], [], None, [])
        key = first.lineno, last.end_lineno, tuple(given), tuple(results)
        self.parts[name] = key, _define(name, arguments, body, first, last)
        call = ast.Call(ast.Name(name, ast.Load()), [ast.Name(n, ast.Load()) for n in given], [])
        if isinstance(last, ast.Return):
            stands: ast.stmt = ast.Return(call)
        elif results:
            stands = ast.Assign([ast.Tuple([ast.Name(n, ast.Store()) for n in results], ast.Store())], call)
        else:
            stands = ast.Expr(call)
        return [ast.copy_location(stands, first)]


def _leaves(statement, loop=False):
    """Whether a statement that is in a block of a function can leave the block, but for `return` as its last."""
    if isinstance(statement, ast.Return):
        return loop is None
    if isinstance(statement, (ast.Break, ast.Continue)):
        return not loop
    within = True if isinstance(statement, (ast.For, ast.While)) else loop
    return any(isinstance(n, ast.Return) for n in ast.walk(statement)) or any(
        _leaves(s, within if name == "body" or not isinstance(statement, (ast.For, ast.While)) else loop)
        for name in (*_BLOCKS, "handlers") for s in getattr(statement, name, ()))


def _surely(statement):
    """Variables that have a value after a statement, whatever way it takes."""
    if isinstance(statement, ast.Raise):
        return set()
    if isinstance(statement, ast.If):
        branches = [{n for s in block for n in _surely(s)} for block in (statement.body, statement.orelse)]
        return branches[0] & branches[1]
    if isinstance(statement, ast.With):
        inner = {n for s in statement.body for n in _surely(s)}
        return inner | names_in([i.optional_vars for i in statement.items if i.optional_vars]).stores
    if isinstance(statement, ast.Try):
        ways = [[*statement.body, *statement.orelse], *(h.body for h in statement.handlers)]
        sure = set.intersection(*({n for s in way for n in _surely(s)} for way in ways))
        return sure | {n for s in statement.finalbody for n in _surely(s)}
    if isinstance(statement, (ast.For, ast.While, ast.ExceptHandler)):
        return set()
    return names_in([statement]).stores


def _early(statements, known):
    """Variables that statements may read before they assign them; `known`, those that have a value, is added to."""
    found: set = set()
    for s in statements:
        blocks = [name for name in (*_BLOCKS, "handlers") if getattr(s, name, None)]
        header = [n for field, value in ast.iter_fields(s) if field not in blocks
                  for n in (value if isinstance(value, list) else [value]) if isinstance(n, ast.AST)]
        found |= names_in([s] if not blocks else header).loads - known
        if isinstance(s, ast.With):
            known |= names_in([i.optional_vars for i in s.items if i.optional_vars]).stores
            found |= _early(s.body, known)
        else:
            more = names_in([s.target]).stores if isinstance(s, ast.For) else {s.name} if isinstance(
                s, ast.ExceptHandler) and s.name else set()
            for name in blocks:
                found |= _early(getattr(s, name), known | more)
        known |= _surely(s)
    return found


def _outline(code):
    """What a code uses, to tell whether another was made from the same source."""
    constants = [_outline(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    return code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, constants


def _define(name, arguments, body, first, last):
    return ast.FunctionDef(name, arguments, body, [], None, lineno=first.lineno, col_offset=0,
                           end_lineno=last.end_lineno, end_col_offset=last.end_col_offset)


def read(function):
    """The Source of a function; None where it has none, or is of a kind that cannot be in parts."""
    function = function.__func__ if isinstance(function, types.MethodType) else function
    if not isinstance(function, types.FunctionType) or hasattr(function, "__wrapped__") or is_library(
            function.__module__):
        return None
    code = function.__code__
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    if not isinstance(tree, ast.FunctionDef):
        return None
    ast.increment_lineno(tree, first - 1)
    inner = [n for s in tree.body for n in ast.walk(s)]
    used = {n.id for n in inner if isinstance(n, ast.Name)} | {n.attr for n in inner if isinstance(n, ast.Attribute)}
    mangled = any(n.startswith("__") and not n.endswith("__") for n in used)
    if mangled or used & _NAMES or "__class__" in code.co_freevars or any(
            isinstance(n, (*_SCOPES, *_SUSPENDS)) for n in inner):
        return None
    source = Source(function, tree, code.co_filename)
    same = source._function(_define(tree.name, tree.args, tree.body, tree, tree), {}).__code__
    return source if _outline(same) == _outline(code) else None  # else the file is not what was loaded
