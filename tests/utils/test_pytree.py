"""utils._pytree: leaves out of containers, and back."""

from collections import OrderedDict, defaultdict, deque, namedtuple

import pytest

import numbatorch as torch
from numbatorch.utils import _pytree as pytree

Point = namedtuple("Point", "a b")
TREE = {"x": [1, (2, 3)], "y": Point(4, None), "z": deque([5], maxlen=2), "o": OrderedDict(k=6)}


def test_leaves_and_back():
    leaves, spec = pytree.tree_flatten(TREE)
    assert leaves == [1, 2, 3, 4, None, 5, 6]
    again = pytree.tree_unflatten(leaves, spec)
    assert again == TREE and type(again["y"]) is Point and again["z"].maxlen == 2
    assert (spec.num_leaves, spec.num_nodes, spec.num_children) == (7, 13, 4)
    assert spec == pytree.tree_structure(TREE) and hash(spec) == hash(pytree.tree_structure(TREE))
    assert spec != pytree.tree_structure([1]) and pytree.tree_structure(3) == pytree.LeafSpec()
    made = pytree.tree_map(lambda v: v, defaultdict(list, a=1))
    assert made.default_factory is list
    with pytest.raises(ValueError, match="has length 1 but the spec refers to a pytree that holds 7"):
        pytree.tree_unflatten([1], spec)
    with pytest.raises(TypeError, match="PyTreeSpec"):
        pytree.tree_unflatten([1], 3)


def test_results_of_ops_are_trees():
    result = torch.sort(torch.tensor([2.0, 1.0]))
    doubled = pytree.tree_map(lambda t: t * 2, result)
    assert type(doubled) is type(result) and doubled.values.tolist() == [2, 4]


def test_maps():
    assert pytree.tree_map(lambda a, b: a + b, [1, {"k": 2}], [3, {"k": 4}]) == [4, {"k": 6}]
    assert pytree.tree_map(lambda a, b: (a, b), {"p": 1, "q": 2}, {"q": 3, "p": [4]}) == {"p": (1, [4]), "q": (2, 3)}
    assert pytree.tree_map_only(int, lambda v: -v, [1, "a"]) == [-1, "a"]
    assert pytree.tree_map_only(lambda v: v == 1, lambda v: 7, [1, 2]) == [7, 2]
    assert pytree.tree_map(len, [[1, 2], [3]], is_leaf=lambda v: isinstance(v, list) and len(v) < 3 and v != [
        [1, 2], [3]]) == [2, 1]
    assert pytree.tree_all(bool, [1, 2]) and not pytree.tree_any(bool, [0]) and pytree.tree_any_only(int, bool, [1])
    for other, text in (([1], "arity mismatch; expected 2, but got 1"), ((1, 2), "type mismatch")):
        with pytest.raises(ValueError, match=text):
            pytree.tree_map(max, [1, 2], other)
    with pytest.raises(ValueError, match="keys mismatch"):
        pytree.tree_map(max, {"a": 1}, {"b": 1})


def test_paths():
    paths = [pytree.keystr(path) for path, _ in pytree.tree_leaves_with_path(TREE)]
    assert paths == ["['x'][0]", "['x'][1][0]", "['x'][1][1]", "['y'].a", "['y'].b", "['z'][0]", "['o']['k']"]
    for path, leaf in pytree.tree_leaves_with_path(TREE):
        assert pytree.key_get(TREE, path) is leaf
    assert pytree.tree_map_with_path(lambda path, v: len(path), [1, [2]]) == [1, [2]]


def test_registered_classes():
    class Pair:
        def __init__(self, first, second):
            self.first, self.second = first, second
    pytree.register_pytree_node(Pair, lambda p: ([p.first, p.second], None), lambda c, _: Pair(*c))
    doubled = pytree.tree_map(lambda v: v * 2, [Pair(1, [2])])[0]
    assert (doubled.first, doubled.second) == (2, [4])
    with pytest.raises(ValueError, match="already registered"):
        pytree.register_pytree_node(Pair, None, None)
    with pytest.raises(NotImplementedError, match="serialized_type_name"):
        pytree.treespec_dumps(pytree.tree_structure(Pair(1, 2)))
    del pytree.SUPPORTED_NODES[Pair]


def test_structures_as_text():
    spec = pytree.tree_structure({"x": [1, (2, 3)]})
    assert pytree.treespec_loads(pytree.treespec_dumps(spec)) == spec
    assert pytree.treespec_pprint(spec) == "{'x': [*, (*, *)]}"
    assert str(pytree.tree_structure([1, (2,)])) == "TreeSpec(list, None, [*, TreeSpec(tuple, None, [*])])"
