"""What compiled functions promise besides their numbers: guards, fallbacks, reasons, and results that stay."""

import pytest

import numbatorch as torch

nn, F = torch.nn, torch.nn.functional


def called(function, *args, times=4):
    for _ in range(times):
        result = function(*args)
    return result


def test_pure_functions_become_programs():
    weight = torch.randn(3, 4)

    @torch.compile
    def project(x, scale):
        return {"y": (x @ weight.T).relu() * scale, "n": len(x)}
    x = torch.randn(2, 4)
    expected = (x @ weight.T).relu() * 2
    found = called(project, x, 2.0)
    assert torch.equal(found["y"], expected) and found["n"] == 2 and project.programs[0].runs == 2
    assert "mm" in str(project.graph) or "matmul" in str(project.graph)
    assert "bytes in one arena" in project.memory() and project.kernels()


def test_another_shape_number_and_type_get_programs_of_their_own():
    @torch.compile
    def f(x, factor):
        return x * factor + 1
    for x, factor in ((torch.ones(3), 2.0), (torch.ones(5), 2.0), (torch.ones(3), 3.0), (torch.ones(3).double(), 2.0)):
        for _ in range(4):
            assert torch.equal(f(x, factor), x * factor + 1)
    assert len(f.programs) == 4
    assert torch.equal(f(torch.ones(3) * 7, 2.0), torch.ones(3) * 15) and len(f.programs) == 4


def test_what_the_function_sees_is_guarded():
    options = {"bias": 1.0}
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))

    @torch.compile
    @torch.no_grad()
    def f(x):
        return model(x) + options["bias"]
    x = torch.randn(2, 3)
    called(f, x)
    model.eval()
    assert torch.equal(called(f, x), model(x) + 1)
    options["bias"] = 5
    assert torch.equal(called(f, x), (model(x) + 5).detach())
    model[0].weight = nn.Parameter(torch.zeros(3, 3))
    assert torch.equal(called(f, x), (model[0].bias + 5).expand(2, 3))
    with torch.no_grad():
        model[0].weight.fill_(1)  # the same memory
        assert torch.equal(f(x), model(x) + 5)
    assert len(f.programs) == 4


def test_results_and_gradients_that_are_held_stay():
    weight = torch.ones(3, requires_grad=True)

    @torch.compile
    def f(x):
        weight.grad = None
        loss = (x * weight).sum()
        loss.backward()
        return loss.detach()
    held = []
    for k in range(8):
        held.append((f(torch.full((3,), float(k))), weight.grad))
    assert f.programs[0].runs > 3
    for k, (loss, grad) in enumerate(held):
        assert loss.item() == 3 * k and torch.equal(grad, torch.full((3,), float(k)))
    views = [f(torch.full((3,), 9.0)).numpy() for _ in range(1)]
    f(torch.zeros(3))
    assert views[0] == 27


def test_changes_in_place_of_arguments_and_globals():
    count = torch.zeros(1)

    @torch.compile
    def f(x):
        x.mul_(2)
        count.add_(1)
        return x[1:]
    x = torch.ones(3)
    version = x._version
    for _ in range(6):
        tail = f(x)
    assert torch.equal(x, torch.full((3,), 64.0)) and torch.equal(tail, x[1:]) and count.item() == 6
    assert f.programs[0].runs == 4 and x._version >= version + 6 and tail.data_ptr() == x[1:].data_ptr()


@pytest.mark.parametrize("what,reason", [
    ("item", "two calls differ"), ("number", "changes"), ("list", "changes"), ("numpy", "array or list"),
    ("random", "random numbers of Python"), ("iterator", "goes on with the iterator"),
    ("disabled", "kept from the compiler")])
def test_what_is_not_supported_runs_eagerly_and_says_why(what, reason):
    import random
    state, items = {"count": 0, "losses": []}, iter([torch.full((2,), float(k)) for k in range(20)])
    keep = torch.compiler.disable(lambda x: x + 1)

    def f(x):
        if what == "item":
            return x * x.sum().item()
        if what == "number":
            state["count"] += 1
        if what == "list":
            state["losses"].append(x.sum())
        if what == "numpy":
            return torch.tensor((x * 2).numpy())
        if what == "random":
            return x * random.random()
        if what == "iterator":
            return x + next(items)
        return keep(x)
    run = torch.compile(f)
    rng = random.getstate()
    for k in range(9):
        if what == "random":
            random.setstate(rng)
            random.seed(k)
        x = torch.full((2,), 1.0 + k)
        got = run(x)
        if what == "item":
            assert torch.equal(got, x * x.sum())
        if what == "iterator":
            assert torch.equal(got, x + k)
        if what == "numpy":
            assert torch.equal(got, x * 2)
    assert not run.programs and reason in run.explain(), run.explain()
    if what == "number":
        assert state["count"] == 9
    if what == "list":
        assert [t.item() for t in state["losses"]] == [2.0 * (1 + k) for k in range(9)]


def test_branches_on_values_are_checked():
    calls = []

    @torch.compile
    def f(x):
        if (x > 0).all():
            return x * 2
        return x - 1
    up, down = torch.ones(3), -torch.ones(3)
    assert torch.equal(called(f, up), up * 2) and f.programs[0].runs == 2
    assert torch.equal(called(f, down), down - 1)
    assert torch.equal(f(up), up * 2)
    assert "led elsewhere" in f.explain() and not calls


def test_an_exception_leaves_parameters_as_they_were():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(model.parameters())

    @torch.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss
    x, y = torch.randn(5, 3), torch.tensor([0, 1, 2, 3, 0])
    called(step, x, y, times=6)
    assert step.programs, step.explain()
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises((IndexError, RuntimeError)):
        step(x, torch.tensor([0, 1, 2, 9, 0]))
    for a, b in zip(before, model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert step(x, y).requires_grad
    with pytest.raises(RuntimeError, match="second time"):
        step(x, y).backward()


def test_fullgraph_raises_where_there_is_no_program():
    @torch.compile(fullgraph=True)
    def f(x):
        return x * x.sum().item()
    with pytest.raises(RuntimeError, match="cannot run as one program"):
        for k in range(9):
            f(torch.full((2,), float(k)))


def test_modules_and_methods():
    model = nn.Linear(3, 2)
    compiled = torch.compile(model)
    assert list(compiled.state_dict()) == ["_orig_mod.weight", "_orig_mod.bias"] and compiled.in_features == 3
    x = torch.randn(4, 3)
    with torch.no_grad():
        assert torch.equal(called(compiled, x), model(x))
    assert "2 runs" in compiled.explain()
    compiled(x).sum().backward()
    assert model.weight.grad is not None

    class Doubler:
        @torch.compile
        def double(self, x):
            return x * 2
    assert torch.equal(called(Doubler().double, x), x * 2)


def test_random_numbers_go_on_where_eager_code_would():
    @torch.compile
    def f(n):
        return torch.randn(4) + n
    torch.manual_seed(3)
    found = [f(torch.zeros(1)) for _ in range(5)]
    found.append(torch.rand(2))
    torch.manual_seed(3)
    expected = [torch.randn(4) for _ in range(5)]
    expected.append(torch.rand(2))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    torch.manual_seed(3)  # a new state of the generator
    assert torch.equal(f(torch.zeros(1)), expected[0]) and f.programs[0].runs == 4


def test_stances_and_reset():
    @torch.compile
    def f(x):
        return x + 1
    called(f, torch.zeros(2))
    runs = f.programs[0].runs
    with torch.compiler.set_stance("force_eager"):
        f(torch.zeros(2))
    assert f.programs[0].runs == runs
    torch.compiler.reset()
    assert not f.programs


def test_objects_among_the_arguments_are_guarded():
    class Scaler:
        def __init__(self):
            self.factor = 2.0

        @torch.compile
        def scale(self, x):
            return x * self.factor
    scaler, x = Scaler(), torch.ones(3)
    assert torch.equal(called(scaler.scale, x), x * 2)
    scaler.factor = 3.0
    assert torch.equal(called(scaler.scale, x), x * 3)


def test_a_check_that_fails_after_draws_draws_again():
    def f(x):
        y = F.dropout(x, 0.5)
        z = torch.randn(3)
        if (y + z > 100).any():
            return y + 1
        return y + z
    found, expected = [], []
    for run, values in ((torch.compile(f), found), (f, expected)):
        torch.manual_seed(5)
        for k in range(9):
            values.append(run(torch.full((3,), 1000.0 if k in (6, 8) else 1.0)))
        values.append(torch.rand(2))
        if values is found:
            assert run.programs and "led elsewhere" in run.explain(), run.explain()
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_printing_and_files_are_not_dropped(capsys):
    @torch.compile
    def f(x):
        print("called")
        return x + 1
    called(f, torch.zeros(2), times=5)
    assert capsys.readouterr().out == "called\n" * 5 and "the function prints" in f.explain()


def test_tensors_that_are_not_plain_run_eagerly():
    @torch.compile
    def f(x):
        return x * 2
    x = torch.eye(3).to_sparse()
    assert torch.equal(called(f, x).to_dense(), torch.eye(3) * 2) and "no plain tensor" in f.explain()
    assert torch.equal(torch.func.vmap(f)(torch.ones(2, 3)), torch.full((2, 3), 2.0))
    assert torch.equal(torch.func.grad(lambda x: f(x).sum())(torch.ones(3)), torch.full((3,), 2.0))


def test_copies_of_compiled_modules():
    import copy
    model = torch.compile(nn.Linear(3, 2))
    x = torch.randn(4, 3)
    with torch.no_grad():
        called(model, x)
        twin = copy.deepcopy(model)
        twin.weight.zero_()
        assert torch.equal(called(twin, x), twin.bias.expand(4, 2)) and not torch.equal(model(x), twin(x))


def test_schedulers_scalers_and_closures_stay_right():
    def trained(compiled, kind):
        torch.manual_seed(0)
        model = nn.Linear(3, 1)
        optimizer = (torch.optim.LBFGS(model.parameters(), max_iter=2) if kind == "closure" else
                     torch.optim.SGD(model.parameters(), lr=0.1))
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2) if kind == "scheduler" else None
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0) if kind == "scaler" else None

        def step(x):
            def loss_of():
                optimizer.zero_grad()
                loss = model(x).square().mean()
                (scaler.scale(loss) if scaler else loss).backward()
                return loss
            if kind == "closure":
                return optimizer.step(loss_of)
            loss = loss_of()
            if scaler:
                scaler.step(optimizer)
                scaler.update()
            else:
                optimizer.step()
            if scheduler:
                scheduler.step()
            return loss.detach()
        run = torch.compile(step) if compiled else step
        return [run(torch.full((2, 3), 1.0 + k)).detach().clone() for k in range(9)] + list(model.parameters())
    for kind in ("scheduler", "scaler", "closure"):
        for a, b in zip(trained(False, kind), trained(True, kind), strict=True):
            assert torch.equal(a, b), kind


def test_module_compile_and_compiled_inside_compiled():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    x = torch.randn(2, 3)
    expected = model(x)
    model.compile()
    assert torch.equal(called(model, x), expected)
    assert model.forward.function.programs[0].runs == 2, model.forward.function.explain()
    inner = torch.compile(nn.Linear(4, 2))

    @torch.compile
    @torch.no_grad()
    def f(x):
        return inner(model(x))
    assert torch.equal(called(f, x), inner._orig_mod(expected)) and f.programs[0].runs == 2, f.explain()


def test_numbers_that_are_only_returned():
    def build(compiled):
        torch.manual_seed(0)
        model = nn.Linear(3, 1)
        optimizer = torch.optim.Adam(model.parameters())

        def step(x):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss.item(), {"largest": x.max().item(), "grad": model.weight.grad.sum().item()}
        return (torch.compile(step) if compiled else step), [torch.randn(4, 3) for _ in range(9)]
    (run, xs), (eager, _) = build(True), build(False)
    for x in xs:
        assert run(x) == eager(x)
    assert run.programs[0].runs == 6, run.explain()

    @torch.compile
    def f(x):
        value = x.sum().item()
        if value > 10:
            return 0.0
        return value
    for k in range(6):
        assert f(torch.full((3,), float(k))) == (0.0 if k > 3 else 3.0 * k)
    assert not f.programs

    @torch.compile
    def g(x):
        return x.sum().item().is_integer()
    assert [g(torch.full((2,), v)) for v in (1.0, 1.0, 1.0, 0.2, 1.0)] == [True, True, True, False, True]


def test_many_shapes_in_turn():
    @torch.compile
    def f(x):
        return (x * 2).sum()
    for _turn in range(3):
        for n in range(1, 7):
            assert f(torch.ones(n)).item() == 2 * n
    assert len(f.programs) == 6 and sum(p.runs for p in f.programs) > 12, f.explain()
    import gc
    import weakref
    big = torch.ones(9)
    alive = weakref.ref(big)
    f(big)
    del big
    gc.collect()
    assert alive() is None


def test_numbers_of_any_dtype():
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        @torch.compile
        def f(x):
            return x.sum().to(dtype).item()  # noqa: B023
        found = [f(torch.full((3,), 1.0 + k)) for k in range(5)]
        assert found == [3.0, 6.0, 9.0, 12.0, 15.0] and {type(v) for v in found} == {float} and f.programs


def test_numbers_that_the_library_reads_for_the_function():
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale(torch.ones(1))

    @torch.compile
    def f(x):
        return x * 2, [scaler.get_scale()]
    for _ in range(4):
        y, (scale,) = f(torch.ones(2))
        assert type(scale) is float and scale == 4.0 and torch.equal(y, torch.full((2,), 2.0))


def test_counts_that_are_only_returned():
    @torch.compile
    def f(x, y):
        return 3, (x.argmax(1) == y).sum().item(), {"n": x.shape[0], "first": y[0].item()}
    rng = torch.Generator().manual_seed(0)
    for k in range(8):
        x, y = torch.randn(6, 4, generator=rng), torch.arange(k, k + 6) % 4
        found = f(x, y)
        assert found == (3, int((x.argmax(1) == y).sum()), {"n": 6, "first": k % 4})
        assert {type(v) for v in (*found[:2], *found[2].values())} == {int}
    assert f.programs[0].runs == 6, f.explain()

    @torch.compile
    def g(x):
        return x.sum().item().bit_length()
    assert [g(torch.tensor([v])) for v in (1, 1, 1, 9, 300)] == [1, 1, 1, 4, 9]


def test_shapes_dtypes_and_numbers_of_an_optimizer_are_results():
    layer = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)

    def step(x):
        optimizer.zero_grad()
        loss = layer(x).square().mean()
        loss.backward()
        optimizer.step()
        group = optimizer.param_groups[0]
        return {"loss": loss.detach(), "lr": group["lr"], "decayed": -group["lr"] * 2, "of": (x.shape, x.dtype)}
    for dynamic in (None, False):
        run = torch.compile(step, dynamic=dynamic)
        for k in range(12):
            optimizer.param_groups[0]["lr"] = 0.5 / (k + 1)
            rows = 4 if k < 6 else k if dynamic is None else 5
            found = run(torch.randn(rows, 3))
            assert found["lr"] == 0.5 / (k + 1) and found["decayed"] == -1 / (k + 1) and type(found["lr"]) is float
            assert found["of"] == (torch.Size([rows, 3]), torch.float32) and type(found["of"][0]) is torch.Size
            assert [type(n) for n in found["of"][0]] == [int, int]
        assert sum(p.runs for p in run.programs) >= 7, run.explain()
