"""Which names of torch a program uses, read from its source without running it.

Followed are imports (under whatever name), chains of attributes, and methods of values that are tensors for certain:
results of some functions of torch and methods of tensors, of operators on them, and arguments annotated torch.Tensor.
"""

import ast
import collections
from collections.abc import Iterator
from dataclasses import dataclass, field

TENSOR = "torch.Tensor"
# Functions of torch that give a tensor, beside those of KEEPERS.
MAKERS = frozenset("""
    arange as_tensor bernoulli cat concat concatenate dot einsum empty empty_like eye from_numpy full full_like
    hstack kron linspace logspace multinomial nn.Parameter normal ones ones_like outer rand rand_like randint
    randint_like randn randn_like randperm scalar_tensor stack tensor vstack zeros zeros_like
""".split())
# Methods, and functions, that give a tensor for a tensor whatever their other arguments.
KEEPERS = frozenset("""
    abs add bmm ceil clamp clip clone contiguous cos cpu cumsum detach div double exp expand flatten flip float floor
    half index_select int log log_softmax long masked_fill masked_select matmul mean mm mul neg permute pow reciprocal
    relu repeat requires_grad_ reshape round rsqrt sigmoid sign sin softmax sqrt square squeeze std sub sum t tanh to
    transpose tril triu type_as unsqueeze var view view_as zero_
""".split())
OPTIONAL_ERRORS = frozenset("ImportError ModuleNotFoundError AttributeError NotImplementedError Exception "
                            "BaseException".split())


@dataclass(frozen=True)
class Use:
    """A name of torch, where it stands; `optional` where the program itself is ready for its absence."""

    name: str
    path: str
    line: int
    optional: bool = False


@dataclass
class Scope:
    """What names mean in a function or module: a name of torch, TENSOR's instances, or None for anything else."""

    names: dict[str, str | None] = field(default_factory=dict)
    tensors: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)


class Reader(ast.NodeVisitor):
    """Collects `uses` of torch and `imports` of other modules, as (module, level, names), from one file."""

    def __init__(self, path: str):
        self.path = path
        self.uses: list[Use] = []
        self.imports: list[tuple[str, int, tuple[str, ...]]] = []
        self.scopes = [Scope()]
        self.optional = 0
        self.asked: set[str] = set()  # names the program looks for with hasattr() or getattr(..., default)

    def read(self, tree: ast.Module) -> None:
        self.bind(tree.body)
        self.visit(tree)
        self.uses = [Use(use.name, use.path, use.line, use.optional or self.is_asked(use.name)) for use in self.uses]

    def is_asked(self, name: str) -> bool:
        return any(name == asked or name.startswith(asked + ".") for asked in self.asked)

    # What names mean

    def bind(self, body: list[ast.stmt]) -> None:
        """Notes what the statements of this scope bind: in Python a name belongs to its whole scope."""
        scope = self.scopes[-1]
        assigned: dict[str, list[ast.expr | None]] = {}
        stores: collections.Counter[str] = collections.Counter()
        nodes = list(statements(body))
        for node in nodes:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                assigned.setdefault(node.name, []).append(None)
            elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                assigned.setdefault(node.targets[0].id, []).append(node.value)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                assigned.setdefault(node.target.id, []).append(node.value)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                assigned.setdefault(node.id, [])
                stores[node.id] += 1
            elif isinstance(node, ast.ExceptHandler) and node.name:
                assigned.setdefault(node.name, []).append(None)
        scope.own.update(assigned)
        for node in nodes:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self.bind_import(node)
        for name, values in assigned.items():
            if len(values) == 1 and stores[name] == 1 and isinstance(values[0], ast.Attribute):
                scope.names.setdefault(name, self.torch_name(values[0]))  # relu = torch.relu
        for _ in range(2):  # a tensor may be made from one that is assigned further down, in a loop
            for name, values in assigned.items():
                if values and len(values) == stores[name] and all(v is not None and self.is_tensor(v) for v in values):
                    scope.tensors.add(name)

    def bind_import(self, node: ast.Import | ast.ImportFrom) -> None:
        scope = self.scopes[-1]
        for alias in node.names:
            name = alias.asname or alias.name
            if isinstance(node, ast.Import):
                meant = alias.name if alias.asname else alias.name.partition(".")[0]
                name = name if alias.asname else meant
            else:
                meant = f"{node.module}.{alias.name}" if not node.level else ""
            scope.own.add(name)
            scope.names[name] = meant if meant == "torch" or meant.startswith("torch.") else None

    def torch_name(self, node: ast.AST) -> str | None:
        """torch.x.y for an expression that names it, whatever it is called here."""
        if isinstance(node, ast.Name):
            for scope in reversed(self.scopes):
                if node.id in scope.own or node.id in scope.names:
                    return scope.names.get(node.id)
            return None
        if isinstance(node, ast.Attribute):
            if (base := self.torch_name(node.value)) is not None:
                return f"{base}.{node.attr}"
            if self.is_tensor(node.value):
                return f"{TENSOR}.{node.attr}"
        return None

    def is_tensor(self, node: ast.AST) -> bool:
        """Whether an expression is a tensor beyond doubt."""
        if isinstance(node, ast.Name):
            for scope in reversed(self.scopes):
                if node.id in scope.own:
                    return node.id in scope.tensors
            return False
        if isinstance(node, ast.BinOp):
            return self.is_tensor(node.left) or (isinstance(node.left, ast.Constant) and self.is_tensor(node.right))
        if isinstance(node, ast.UnaryOp):
            return not isinstance(node.op, ast.Not) and self.is_tensor(node.operand)
        if not isinstance(node, ast.Call):
            return False
        name = (self.torch_name(node.func) or "").removeprefix("torch.")
        return name in MAKERS or name.removeprefix("Tensor.") in KEEPERS

    # What is used

    def use(self, name: str, node: ast.AST) -> None:
        self.uses.append(Use(name, self.path, getattr(node, "lineno", 0), self.optional > 0))

    def visit_Import(self, node):
        for alias in node.names:
            if alias.name.partition(".")[0] == "torch":
                self.use(alias.name, node)
            else:
                self.imports.append((alias.name, 0, ()))

    def visit_ImportFrom(self, node):
        if node.level or (node.module or "").partition(".")[0] != "torch":
            self.imports.append((node.module or "", node.level, tuple(alias.name for alias in node.names)))
            return
        for alias in node.names:
            self.use(node.module if alias.name == "*" else f"{node.module}.{alias.name}", node)

    def visit_Name(self, node):
        return

    def visit_Attribute(self, node):
        name = self.torch_name(node)
        if name is None:
            self.visit(node.value)
            return
        if isinstance(node.ctx, ast.Load):
            self.use(name, node)
        while isinstance(node, ast.Attribute):  # the tensors at the foot of a chain name things of their own
            node = node.value
        if not isinstance(node, ast.Name):
            self.visit(node)

    def visit_Call(self, node):
        if isinstance(node.func, ast.Name) and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
            asks = node.func.id == "hasattr" or (node.func.id == "getattr" and len(node.args) > 2)
            base = self.torch_name(node.args[0])
            if base is not None and node.func.id in ("hasattr", "getattr"):
                name = f"{base}.{node.args[1].value}"
                if asks:
                    self.asked.add(name)
                else:
                    self.use(name, node)
        self.generic_visit(node)

    # Where it is used

    def visit_Try(self, node):
        named = {getattr(part, "id", None) for handler in node.handlers for part in (
            ast.walk(handler.type) if handler.type is not None else [ast.Name("Exception")])}
        ready = bool(named & OPTIONAL_ERRORS)
        self.optional += ready
        for statement in node.body:
            self.visit(statement)
        self.optional -= ready
        for statement in [*node.handlers, *node.orelse, *node.finalbody]:
            self.visit(statement)

    def visit_If(self, node):
        """What a program does only for a GPU, or for type checkers, it does not do here."""
        test = self.torch_name(node.test.func) if isinstance(node.test, ast.Call) else None
        unreached = (test or "").endswith((".is_available", ".is_initialized")) or (
            isinstance(node.test, (ast.Name, ast.Attribute)) and ast.unparse(node.test).endswith("TYPE_CHECKING"))
        self.visit(node.test)
        self.optional += unreached
        for statement in node.body:
            self.visit(statement)
        self.optional -= unreached
        for statement in node.orelse:
            self.visit(statement)

    def visit_FunctionDef(self, node):
        for outer in [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults, node.returns]:
            if outer is not None:
                self.visit(outer)
        self.enter(node, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node):
        for default in [*node.args.defaults, *(value for value in node.args.kw_defaults if value is not None)]:
            self.visit(default)
        self.enter(node, [ast.Expr(node.body)])

    def enter(self, node, body: list[ast.stmt]) -> None:
        scope = Scope()
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        for argument in [*arguments, node.args.vararg, node.args.kwarg]:
            if argument is not None:
                scope.own.add(argument.arg)
                if argument.annotation is not None:
                    self.visit(argument.annotation)
        rebound = {child.id for child in statements(body)
                   if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)}
        scope.tensors = {argument.arg for argument in arguments if argument.annotation is not None
                         and argument.arg not in rebound and self.torch_name(argument.annotation) == TENSOR}
        self.scopes.append(scope)
        self.bind(body)
        for statement in body:
            self.visit(statement)
        self.scopes.pop()


def statements(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """The nodes of a scope, without those of the functions and classes inside it."""
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))


def read_names(source: bytes, path: str) -> Reader:
    """Reads one file. SyntaxError for what is no Python."""
    reader = Reader(path)
    reader.read(ast.parse(source, path))
    return reader
