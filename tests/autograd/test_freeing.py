"""What a backward pass saved is let go at once: by the pass itself or with the graph, never by the cycle collector."""

import gc
import weakref

import pytest

import numbatorch as torch
from numbatorch import nn


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def blocks_of(*tensors):
    return [weakref.ref(t._storage) for t in tensors]


STEPS = {
    "cat": lambda x: torch.cat([x * 2, x * 3]),
    "stack": lambda x: torch.stack([x * 2, x * 3]),
    "index": lambda x: (x * 2)[torch.tensor([0, 2])],
    "attention": lambda x: nn.functional.scaled_dot_product_attention(x * 2, x * 3, x * 4, is_causal=True),
    "batch_norm": lambda x: nn.functional.batch_norm(x * 2, None, None, training=True),
    "lstm": lambda x: torch.lstm((x * 2).unsqueeze(0), (torch.zeros(1, 1, 4), torch.zeros(1, 1, 4)),
                                [torch.ones(16, 4), torch.ones(16, 4)], False, 1, 0.0, True, False, True)[0],
}


@pytest.mark.parametrize("name", STEPS)
def test_graphs_die_without_the_collector(name, no_collector):
    x = torch.ones(4, 4, requires_grad=True)
    between = x * 1
    result = STEPS[name](between)
    kept = blocks_of(between, result)
    result.sum().backward()
    del between, result
    assert [k() for k in kept] == [None, None]


@pytest.mark.parametrize("join", [torch.cat, torch.stack])
def test_joined_tensors_are_not_saved(join, no_collector):
    x = torch.ones(4, requires_grad=True)
    parts = [x * 2, x * 3]
    kept = blocks_of(*parts)
    result = join(parts)
    del parts
    assert [k() for k in kept] == [None, None]
    result.sum().backward()
    assert x.grad.tolist() == [5.0] * 4


def test_index_changed_after_the_call_is_found():
    x, index = torch.ones(4, requires_grad=True), torch.tensor([0, 1])
    chosen = x[index]
    index += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        chosen.sum().backward()


def test_hooks_of_saved_tensors_see_the_items_of_lists():
    seen = []
    x, index = torch.ones(4, requires_grad=True), torch.tensor([0, 1])
    with torch.autograd.graph.saved_tensors_hooks(lambda t: seen.append(t.dtype) or t, lambda t: t):
        chosen = x[index]
    chosen.sum().backward()
    assert seen == [torch.int64]
    assert x.grad.tolist() == [1.0, 1.0, 0.0, 0.0]
