"""Printed graphs are Python that runs by itself and gives the same bits as the program."""

import ctypes
import inspect

import pytest

import numbatorch as torch
from numbatorch.compiler import printed, writing
from numbatorch.expr import tree
from tests.compiler.small_models import lenet, perceptron, recurrent, step_of, transformer

nn, F = torch.nn, torch.nn.functional


def run_as_text(run, arguments, path):
    """Write the graph to a file, run that on copies of state, then the program: state and results are the same."""
    program, graph = run.programs[0], run.graph
    path.write_text(str(graph))
    scope: dict = {}
    exec(compile(path.read_text(), str(path), "exec"), scope)
    function = next(f for f in scope.values() if inspect.isfunction(f) and f.__code__.co_filename == str(path) and not
                    hasattr(f, "__wrapped__"))
    state, random, runs = graph.state(), torch.get_rng_state(), program.runs
    copies = {name: bytes_.clone() for name, bytes_ in state.items()}
    inputs = {b.label: arguments[b.storage] for b in graph.buffers if b.kind == "input"}
    wanted = inspect.signature(function).parameters
    made = function(**{name: t for name, t in {**copies, **inputs}.items() if name in wanted})
    drawn = torch.get_rng_state()
    torch.set_rng_state(random)
    run(*arguments)
    assert run.programs[0] is program and program.runs == runs + 1
    assert torch.equal(drawn, torch.get_rng_state())
    for name, now in state.items():
        assert torch.equal(now, copies[name]), name
    results = [o for b in graph.buffers if b.kind == "result" for o in [program.owner(b).storage]]
    made = made if isinstance(made, tuple) else (made,) if made is not None else ()
    assert len(made) == len(results)
    for a, b in zip(made, results, strict=True):
        assert ctypes.string_at(a._storage.ptr, a._storage.nbytes) == ctypes.string_at(b.ptr, a._storage.nbytes)
    return path.read_text()


@pytest.mark.parametrize("make", [perceptron, lenet, transformer, recurrent])
def test_whole_steps(make, tmp_path):
    torch.manual_seed(0)
    model, batch = make()
    run, _ = step_of(model, "Adam")
    for _ in range(4):
        run(*batch)
    text = run_as_text(run, batch, tmp_path / "graph.py")
    assert "op." in text and "small_models.py:" in text


def test_inference_of_convolutions_with_what_follows_them(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2),
                          nn.ReLU(), nn.Linear(7, 16), nn.GELU()).eval()
    run, x = torch.compile(model), torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        for _ in range(3):
            run(x)
        assert any(s.parts for s in run.graph.steps)
        run_as_text(run.compiled, (x,), tmp_path / "graph.py")


def test_products_with_what_follows_them_and_narrow_dtypes(tmp_path):
    layer, x = nn.Linear(512, 2048), torch.randn(600, 512)
    for function in (lambda x: layer(x).relu(), lambda x: F.linear(x.half(), layer.weight.half()).relu() + 1):
        run = torch.compile(function)
        with torch.no_grad():
            for _ in range(3):
                run(x)
            run_as_text(run, (x,), tmp_path / "graph.py")


def test_ops_of_all_kinds(tmp_path):
    def many(x, i):
        return (x.cumsum(0).sort(1)[0][i], x.index_add(0, i, x[:3]), torch.cat([x, x.sin()], 1), x.topk(3), x.std(),
                x.double().sum(), torch.randperm(9), x.argmax(1), F.scaled_dot_product_attention(*[x[None]] * 3),
                torch.tensor([1.0, float("inf"), float("nan")]), x.to(torch.bfloat16).softmax(0), torch.rand(5),
                torch.where(x > 0, x, float("inf")), (x + 1j).abs(), x.t().exp(), torch.randn(40).double(), x.pow(3),
                x[:, ::2].clone(), torch.ones(3), (x > 1) & (x < 2), x.to(torch.int32) // 3, 1 / torch.full((4,), 3))
    run, arguments = torch.compile(many), (torch.randn(8, 16), torch.tensor([0, 2, 1]))
    for _ in range(3):
        run(*arguments)
    run_as_text(run, arguments, tmp_path / "graph.py")


def test_checks_and_options(tmp_path):
    weight = nn.Parameter(torch.ones(4))
    optimizer = torch.optim.SGD([weight], lr=0.25)

    def step(x):
        optimizer.zero_grad()
        loss = (weight * x).sum()
        loss.backward()
        if x.sum() > 0:
            optimizer.step()
        return loss.detach()
    run = torch.compile(step)
    for _ in range(4):
        run(torch.ones(4))
    optimizer.param_groups[0]["lr"] = 0.125
    text = run_as_text(run, (torch.ones(4),), tmp_path / "graph.py")
    assert "option0=0.125" in text and "check((read0 != 0), True)" in text
    scope: dict = {}
    exec(text, scope)
    with pytest.raises(RuntimeError, match="a value leads elsewhere"):
        scope["step"](**{"s0": weight.detach().clone(), **{b.label: -torch.ones(4) for b in run.graph.buffers
                                                           if b.kind == "input"}})


@pytest.mark.parametrize("name", ["given", "lambda", "exp", "a\nb = 1", "größe", "1st"])
def test_functions_of_any_name(name, tmp_path):
    def function(x):
        return x.exp().sum() + x
    function.__name__ = name
    run = torch.compile(function)
    for _ in range(4):
        run(torch.ones(4))
    run_as_text(run, (torch.ones(4),), tmp_path / "graph.py")


def test_formulas_read_back_are_the_same_trees():
    x, n = tree.arg("x"), tree.arg("exp")  # which is also the name of a function
    shared = (x * 2 + n).__abs__() ** 2
    roots = (shared / (1 - shared), tree.Expr("where", shared < 3, ~(x & 1), tree.Expr("cast", n, "int64")),
             tree.Expr("pow", tree.as_expr(2.0), tree.as_expr(3)), -x, tree.Expr("eq", x, tree.as_expr(True)),
             tree.Expr("row_sum", x) / tree.Expr("row_length"), tree.Expr("floordiv", tree.as_expr(1), x),
             tree.Expr("lt", tree.as_expr(3), x), tree.as_expr(float("inf")))
    lines, values = writing._formulas(roots, {"x": "x", "exp": "exp_"})
    scope = {**vars(printed), "x": x, "exp_": n}
    exec("\n".join(lines), scope)
    assert all(tree.as_expr(eval(text, scope)) is root for text, root in zip(values, roots, strict=True))


def test_memory_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="of 64 bytes, and the tensor given has 16"):
        printed.given(torch.ones(4), "float32", (4, 4))
    with pytest.raises(AttributeError, match="there is no op nothing"):
        _ = printed.op.nothing
