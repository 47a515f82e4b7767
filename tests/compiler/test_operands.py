"""Copies that products and convolutions make of narrow operands: part of the steps around them, with the same bits."""

import pytest

import numbatorch as torch
from numbatorch.compiler.graph import Place
from numbatorch.compiler.passes import operands

nn, F = torch.nn, torch.nn.functional
half = torch.float16  # no CPU multiplies it as it is


def compiled(function, *args):
    """The compiled function, whose results are the function's own bit for bit."""
    run = torch.compile(function)
    for _ in range(3):
        found, expected = run(*args), function(*args)
    assert run.programs, run.explain()
    flat = (found, expected) if isinstance(found, tuple) else ((found,), (expected,))
    assert all(a.dtype is b.dtype and torch.equal(a, b) for a, b in zip(*flat, strict=True))
    return run


def dtypes(run, name):
    """Names of the dtypes of the operands of the steps of one name, step by step."""
    return [[v.layout.dtype.name for v in s.values if isinstance(v, Place)] for s in run.graph.steps if s.name == name]


def test_what_stands_between_products_reads_and_writes_what_they_multiply():
    x, first, second = (torch.randn(*s).to(half) for s in ((9, 12), (12, 20), (20, 7)))
    run = compiled(lambda x: (x @ first).tanh() @ second, x)
    assert [s.name for s in run.graph.steps] == ["mm", "fused_copied_tanh", "mm", "copied"]
    assert dtypes(run, "fused_copied_tanh") == [["float32", "float32"]]
    assert [v[0] for v in dtypes(run, "mm")] == ["float16", "float32"]  # the first makes its copies itself


def test_an_operand_that_is_kept_is_copied_by_the_product():
    x, first, second = (torch.randn(*s).to(half) for s in ((9, 12), (12, 20), (20, 7)))

    def f(x):
        hidden = (x @ first).tanh()
        return hidden @ second, hidden
    assert dtypes(compiled(f, x), "mm")[1][0] == "float16"


def test_neighbours_share_a_copy_until_its_operand_changes():
    x, y = (torch.randn(8, 8).to(half) for _ in range(2))

    def same(x, y):
        z = x.exp()
        return z @ y, z @ x
    run = compiled(same, x, y)
    places = [v for s in run.graph.steps if s.name == "mm" for v in s.values if v.layout.dtype.name == "float32"]
    assert len({v.buffer for v in places if v.reads}) == 1 and len([v for v in places if v.reads]) == 2

    def changed(x, y):
        z = x.exp()
        first = z @ y
        z.mul_(0.5)
        return first, z @ y
    compiled(changed, x, y)


def test_later_products_copy_what_was_made_long_before():
    x, y = (torch.randn(8, 8).to(half) for _ in range(2))

    def f(x, y):
        z, total = x.exp(), y
        for _ in range(operands.NEAR + 1):
            total = total.softmax(-1).cumsum(0)
        return total @ z
    run = compiled(f, x, y)
    assert dtypes(run, "mm")[0][:2] == ["float32", "float16"]  # `total` and z


def test_no_more_memory_than_with_copies_inside(monkeypatch):
    layers = nn.Sequential(*(m for _ in range(3) for m in (nn.Linear(64, 64), nn.ReLU()))).to(half)
    x = torch.randn(256, 64).to(half)

    def f(x):
        with torch.no_grad():
            return layers(x)
    apart = compiled(f, x)
    monkeypatch.setattr(operands, "_copies", lambda step: ({}, {}))
    inside = compiled(f, x)
    assert apart.programs[0].plan.nbytes <= inside.programs[0].plan.nbytes


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_training_steps_in_halves_are_the_same(threads, dtype):
    def make():
        torch.manual_seed(3)
        model = nn.Sequential(nn.Conv2d(2, 6, 3, bias=False), nn.BatchNorm2d(6), nn.SiLU(), nn.Conv2d(6, 4, 3, 2),
                              nn.Flatten(), nn.Linear(16, 12), nn.GELU(), nn.LayerNorm(12), nn.Linear(12, 5))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

        def step(x, y):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=dtype):
                loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss.detach()
        return step
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x, y = torch.randn(6, 2, 7, 7), torch.randint(5, (6,))
        step, run = make(), torch.compile(make())
        assert [step(x, y).item() for _ in range(5)] == [run(x, y).item() for _ in range(5)]
        assert run.programs, run.explain()
        assert any("copied" in s.name for s in run.graph.steps)
    finally:
        torch.set_num_threads(before)


def test_attention_in_halves_from_transposed_operands():
    query, key, value = (torch.randn(2, 9, 3, 8).to(half) for _ in range(3))
    mask = torch.rand(9, 9) > 0.8

    def f(query, key, value):
        scores = torch.einsum("bihd,bjhd->bhij", query * 0.3, key)
        return torch.einsum("bhij,bjhd->bihd", scores.masked_fill(mask, -1e4).softmax(-1), value)
    compiled(f, query, key, value)


def test_sizes_that_are_followed_keep_their_copies():
    weight = torch.randn(6, 6).to(half)
    run = torch.compile(lambda x: (x @ weight).relu() @ weight, dynamic=True)
    for n in (3, 5, 9, 4):
        x = torch.randn(n, 6).to(half)
        assert torch.equal(run(x), (x @ weight).relu() @ weight)


def test_views_of_the_same_elements_are_one_shape():
    x, y = torch.randn(4, 6), torch.randn(24)
    assert len(compiled(lambda x, y: (x.exp().view(24) * y).view(2, 12).tanh(), x, y).graph.steps) == 1
    assert len(compiled(lambda x, y: (x.exp().mT.reshape(24) * y), x, y).graph.steps) > 1


def test_a_matrix_is_turned_over_by_a_step_of_its_own():
    x = torch.randn(40, 50)
    names = [s.name for s in compiled(lambda x: x.mT.contiguous().exp(), x).graph.steps]
    assert len(names) == 2
