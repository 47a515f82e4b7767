"""How `compile` is called, what it says about guards that fail, and the tools of compiled functions and modules."""

import os
import random
import re
import subprocess
import sys
import time

import pytest

import numbatorch as torch
from numbatorch.lowering import cache

nn, F = torch.nn, torch.nn.functional


class Box:
    """What a function holds."""

    def __init__(self):
        self.model, self.scale = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5)), 2.0


def exchange(box):
    box.model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))


def parameter(box):
    box.model[0].weight = nn.Parameter(torch.ones(3, 4))


GUARDS = {
    "shape": (lambda box: (torch.ones(2, 5, 4),), r"argument 0 has shape \[2, 5, 4\], and had \[2, 4\]"),
    "strides": (lambda box: (torch.ones(4, 2).t(),), r"argument 0 has strides \[1, 2\], and had \[4, 1\]"),
    "dtype": (lambda box: (torch.ones(2, 4).double(),), "argument 0 has dtype .*float64, and had .*float32"),
    "requires_grad": (lambda box: (torch.ones(2, 4, requires_grad=True),), "argument 0 has requires_grad=True"),
    "class": (lambda box: (nn.Parameter(torch.ones(2, 4), False),), "argument 0 is a Parameter, and was a Tensor"),
    "training flag": (lambda box: box.model.eval(), "box.model.training is False, and was True"),
    "a submodule's flag": (lambda box: box.model[1].eval(), "box.model.1.training is False, and was True"),
    "module": (exchange, "box.model is another Sequential, and was another Sequential"),
    "parameter": (parameter, "box.model.0.weight is another Parameter"),
    "number": (lambda box: setattr(box, "scale", 3.0), "box.scale is 3.0, and was 2.0"),
    "number as argument": (lambda box: (torch.ones(2, 4), 7), "the arguments other than tensors differ"),
    "grad mode": (lambda box: torch.set_grad_enabled(True), "the grad mode is True, and was False"),
    "default dtype": (lambda box: torch.set_default_dtype(torch.float64), "the default dtype is .*float64, and was"),
}


@pytest.mark.parametrize("what", GUARDS)
def test_a_guard_that_fails_is_named(what):
    """Under the stance that raises there, which says the same as explain() and the warning of too many captures."""
    box, (change, words) = Box(), GUARDS[what]

    def step(x, factor=1):
        y = box.model[0](x) if x.dtype is torch.float32 else x
        return box.model[1](y) * box.scale * factor
    run, arguments = torch.compile(step, dynamic=False), (torch.ones(2, 4),)
    dtype = torch.get_default_dtype()
    try:
        torch.set_grad_enabled(False)
        for _ in range(3):
            run(*arguments)
        changed = change(box)
        arguments = changed if type(changed) is tuple else arguments
        with torch.compiler.set_stance("fail_on_recompile"), pytest.raises(RuntimeError, match=words):
            run(*arguments)
    finally:
        torch.set_grad_enabled(True)
        torch.set_default_dtype(dtype)


def test_too_many_captures_warn_with_the_guard():
    numbers = {"k": 0}

    def step(x):
        return x * numbers["k"]
    run = torch.compile(step)
    with pytest.warns(UserWarning, match=r"captured 8 times.*numbers\['k'\] is 8, and was 0"):
        for k in range(9):
            numbers["k"] = k
            for _ in range(3):
                assert torch.equal(run(torch.ones(3)), torch.full((3,), float(k)))


def test_wrong_words_are_refused():
    def f(x):
        return x
    for error, words, options in (
            (RuntimeError, "Invalid backend: 'fast', should be one of: inductor", {"backend": "fast"}),
            (TypeError, "backend is a name or a function, got int", {"backend": 3}),
            (RuntimeError, "Unrecognized mode=quick, should be one of: default", {"mode": "quick"}),
            (RuntimeError, "Either mode or options", {"mode": "default", "options": {}}),
            (TypeError, "options is a dict of settings, got list", {"options": []}),
            (TypeError, "dynamic is True, False or None, got 'yes'", {"dynamic": "yes"}),
            (ValueError, "memory_limit is a number of bytes or text", {"memory_limit": "lots"})):
        with pytest.raises(error, match=words):
            torch.compile(f, **options)
        with pytest.raises(error, match=words):  # as a decorator, where it is written
            torch.compile(**options)
    with pytest.raises(TypeError, match="expected a function or a module, got int"):
        torch.compile(3)


def test_decorators_with_and_without_arguments():
    @torch.compile
    def plain(x):
        return x + 1

    @torch.compile(mode="reduce-overhead", dynamic=True)
    def worded(x):
        return x + 2

    @torch.compiler.nested_compile_region
    def region(x):
        return x + 3

    @torch.compiler.nested_compile_region(max_reuse_entries=2)
    def another(x):
        return x + 4

    @torch.compiler.disable(reason="a test")
    def never(x):
        return x + 5
    for k, function in enumerate((plain, worded, region, another, never), 1):
        for _ in range(3):
            assert torch.equal(function(torch.ones(2)), torch.full((2,), 1.0 + k))
    assert plain.programs and worded.programs and plain.__name__ == "plain"


def test_tools_of_a_compiled_module():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.graph = nn.Linear(4, 3), "a name of its own"

        def forward(self, x):
            return self.first(x).relu()
    model, x = torch.compile(Model()), torch.ones(2, 4)
    early = model.memory(x)
    for _ in range(3):
        model(x)
    assert model.graph == "a name of its own" and "linear" in str(model.compiled.graph)
    assert model.kernels() and "GB/s" in model.profile(x) and model.memory(x).split("\n")[-1] == early.split("\n")[-1]
    assert "Model: 1 program" in model.explain() and "# Model.first.weight" in str(model.compiled.graph)
    model.reset()
    assert "0 programs" in model.explain()
    x.requires_grad_()
    for _ in range(3):
        model(x).sum().backward()
    assert any("relu_backward" in name for name in model.kernels())
    own = Model()
    own.compile()
    for _ in range(3):
        own(x)
    assert "1 program" in own.forward.explain()


def test_lines_of_a_profile_are_the_users():
    """Forward, backward and update steps each name the line of the program that they come from."""
    layer = nn.Linear(8, 8)
    optimizer = torch.optim.AdamW(layer.parameters())

    def step(x):
        optimizer.zero_grad()
        loss = layer(x).tanh().sum()
        loss.backward()
        optimizer.step()
        return loss.detach()
    run, x = torch.compile(step), torch.randn(4, 8)
    for _ in range(4):
        run(x)
    table, first = run.profile(x), step.__code__.co_firstlineno
    for line in (first + 2, first + 3, first + 4):
        assert f"{__file__}:{line})" in table
    assert all(word in table.splitlines()[0] for word in ("us", "GB/s", "GFLOP/s", "limit"))


@pytest.mark.parametrize(("word", "found"), [
    ("capture", "# step is captured again: numbers['k'] is 1, and was 0"),
    ("fuse", "# step, elementwise: 3 steps became 2"), ("plan", "bytes in one arena"), ("kernel", "# kernel ")])
def test_each_word_of_debug_prints(word, found, tmp_path):
    text = """
import numbatorch as torch
numbers = {"k": 0}
def step(x):
    return (x.exp() + numbers["k"]).cumsum(0)
run = torch.compile(step)
for number in (0, 0, 0, 1):
    numbers["k"] = number
    run(torch.ones(8))
"""
    made = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, env={
        **os.environ, "NUMBATORCH_DEBUG": word, "NUMBATORCH_CACHE_DIR": str(tmp_path)})
    assert found in made.stderr


def test_kernels_within_functions_of_python_are_told_and_words_of_debug_documented():
    layer = nn.Sequential(nn.Conv1d(8, 8, 3), nn.Flatten(), nn.Linear(8 * 14, 3))
    run = torch.compile(lambda x: layer(x).half().sort()[0])
    with torch.no_grad():
        for _ in range(3):
            run(torch.randn(2, 8, 16))
    found = run.kernels()
    assert any("sort" in name for name in found) and len(found) > 3 and all(found.values())
    from numbatorch.cli import build_parser
    text = build_parser().format_help()
    assert all(word in text for word in ("NUMBATORCH_DEBUG", "capture", "fuse", "plan", "kernel"))


LOG, COUNT, BOX = [], {"n": 0}, {}


def _prints(x):
    print(end="")
    return x + 1


def _grows(x):
    LOG.append(1)
    return x + 1


def _counts(x):
    COUNT["n"] += 1
    return x * COUNT["n"]


def _keeps(x):
    BOX["x"] = x * 2
    return x


FALLBACKS = {
    "output": (_prints, "the function prints"),
    "log": (_grows, "the call changes LOG"),
    "count": (_counts, r"the call changes COUNT\['n'\] from 0 to 1"),
    "kept tensor": (_keeps, r"the call changes BOX|keeps tensors"),
    "value": (lambda x: x * x.sum().item(), "a value that Python uses is 9.0, and was 6.0"),
    "array": (lambda x: x * float(x.numpy()[0]), "looks at values as an array"),
    "list": (lambda x: x * sum(x.tolist()), "looks at values as an array or list"),
    "draw of Python": (lambda x: x * random.random(), "draws random numbers of Python"),
    "clock": (lambda x: x * time.time(), "calls time.time"),
    "seed": (lambda x: (torch.manual_seed(0), x)[1], "sets a generator's state"),
    "disabled": (torch.compiler.disable(lambda x: x + 1), "kept from the compiler"),
}


@pytest.mark.parametrize("what", FALLBACKS)
def test_each_kind_of_fallback_is_explained_with_its_line(what):
    function, words = FALLBACKS[what]

    def calls(x):
        return function(x)
    run = torch.compile(calls if what == "disabled" else function)
    for k in range(5):
        run(torch.arange(3.0) + 1 + k)
    reason = next(line for line in run.explain().splitlines() if re.search(words, line))
    assert not run.programs and f"{__file__}:" in reason


def test_what_is_in_the_cache_goes_to_another(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBATORCH_CACHE_DIR", str(tmp_path / "one"))
    assert torch.compiler.save_cache_artifacts() is None
    for k in range(3):
        cache.write(cache.key("entry", k), bytes([k]) * (100 + k))
    data, info = torch.compiler.save_cache_artifacts()
    assert len(info.artifacts) == 3
    monkeypatch.setenv("NUMBATORCH_CACHE_DIR", str(tmp_path / "two"))
    assert cache.read(cache.key("entry", 1)) is None
    for wrong in (b"", b"something else", data[:-1], data[:-1] + b"x"):  # the last is damaged, and machine code
        assert torch.compiler.load_cache_artifacts(wrong) is None
    assert cache.read(cache.key("entry", 1)) is None
    assert torch.compiler.load_cache_artifacts(data) == info
    assert cache.read(cache.key("entry", 1)) == bytes([1]) * 101
    with pytest.raises(TypeError, match="expected bytes, got str"):
        torch.compiler.load_cache_artifacts("x")
