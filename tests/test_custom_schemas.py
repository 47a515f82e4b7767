"""Ops defined by schemas: Library, define, impl, infer_schema, and their rules for vmap."""

from collections.abc import Sequence
from typing import Optional

import pytest

import numbatorch as torch
from numbatorch import library


@pytest.fixture
def lib():
    made = library.Library("schemas", "DEF")
    yield made
    made._destroy()


def test_a_library_defines_and_implements(lib):
    assert lib.define("scaled(Tensor x, float by=2.0, *, int[] dims=[]) -> Tensor") == "scaled"
    with pytest.raises(NotImplementedError, match="schemas::scaled"):
        torch.ops.schemas.scaled(torch.ones(2))

    @library.impl(lib, "scaled", "CPU")
    def scaled(x, by=2.0, *, dims=()):
        assert not x.requires_grad
        return x * by
    x = torch.ones(2, requires_grad=True)
    assert torch.ops.schemas.scaled(x).tolist() == [2, 2] and torch.ops.schemas.scaled.default(x, by=3.0)[0] == 3
    lib.impl("scaled", lambda x, by=2.0, *, dims=(): x + by, "CompositeImplicitAutograd")
    torch.ops.schemas.scaled(x).sum().backward()
    assert x.grad.tolist() == [1, 1]
    lib.impl("scaled", lambda x: x, "CUDA")
    with pytest.raises(ValueError, match="unknown dispatch key"):
        lib.impl("scaled", lambda x: x, "Nowhere")
    with pytest.raises(TypeError, match="callable"):
        lib.impl("scaled", 3)
    with pytest.raises(TypeError):
        torch.ops.schemas.scaled(x, other=1)


def test_namespaces_are_held_once(lib):
    with pytest.raises(RuntimeError, match="only a single library"):
        library.Library("schemas", "DEF")
    part = library.Library("schemas", "FRAGMENT")
    part.define("one(Tensor x) -> Tensor")
    with pytest.raises(RuntimeError, match="already"):
        part.define("one(Tensor x) -> Tensor")
    part._destroy()
    with pytest.raises(RuntimeError, match="kind IMPL"):
        library.Library("schemas", "IMPL").define("one(Tensor x) -> Tensor")
    with pytest.raises(ValueError, match="Unsupported kind"):
        library.Library("schemas", "OTHER")
    with pytest.raises(NotImplementedError, match="fallback"):
        lib.fallback(print)


def test_functions_define_too(lib):
    library.define("schemas::twice", "(Tensor x) -> Tensor")
    lib._made.append("schemas::twice")
    library.impl("schemas::twice", "default", lambda x: x * 2)

    def double(ctx, grad):
        return grad * 2
    library.register_autograd("schemas::twice", double)
    x = torch.ones(2, requires_grad=True)
    torch.ops.schemas.twice(x).sum().backward()
    assert x.grad.tolist() == [2, 2]
    for schema in ("twice", "f(x) -> Tensor", "f(Tensor 3) -> Tensor"):
        with pytest.raises(ValueError, match="define: expected"):
            library.define("schemas::bad", schema)
    with pytest.raises(ValueError, match="namespace::name"):
        library.define("bad", "(Tensor x) -> Tensor")


def test_a_rule_for_vmap(lib):
    lib.define("total(Tensor x) -> Tensor")
    lib.impl("total", lambda x: torch.from_numpy(x.numpy().sum(keepdims=True)), "CPU")

    @library.register_vmap("schemas::total")
    def total(info, in_dims, x):
        return x.movedim(in_dims[0], 0).sum(1, keepdim=True), 0
    assert torch.vmap(torch.ops.schemas.total, 1)(torch.tensor([[1.0, 2], [3, 4]])).tolist() == [[4], [6]]
    with pytest.raises(RuntimeError, match="has no gradient"):
        torch.ops.schemas.total(torch.ones(2, requires_grad=True)).sum().backward()


def test_schemas_are_read_from_annotations():
    def f(x: torch.Tensor, k: int = 3, *, by: float | None = None, more: Sequence[int] = (), name: str = "a"):
        ...

    def g(x: torch.Tensor, out: Optional[torch.Tensor]) -> tuple[torch.Tensor, int]:  # noqa: UP045
        ...
    assert library.infer_schema(f, mutates_args=()) == (
        '(Tensor x, SymInt k=3, *, float? by=None, SymInt[] more=(), str name="a") -> ()')
    assert library.infer_schema(g, mutates_args=["out"], op_name="g") == (
        "g(Tensor x, Tensor(a1!)? out) -> (Tensor, SymInt)")
    for wrong, message in ((lambda x: x, "must have a type annotation"),):
        with pytest.raises(ValueError, match=message):
            library.infer_schema(wrong, mutates_args=())

    def h(x: dict) -> None:
        ...
    with pytest.raises(ValueError, match="unsupported type"):
        library.infer_schema(h, mutates_args=())
