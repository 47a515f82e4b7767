"""Trees of Python containers: take out the leaves, put others in.

Nodes are list, tuple (named ones too), dict, OrderedDict, defaultdict, deque, and what `register_pytree_node` adds;
everything else, None among it, is a leaf.
"""

import json
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

PyTree = Context = DumpableContext = Any
FlattenFn = ToDumpableContextFn = Callable[[Any], Any]
UnflattenFn = Callable[[Iterable[Any], Any], Any]
FromDumpableContextFn = Callable[[Any], Any]


class SequenceKey(NamedTuple):
    """Element `idx` of a list or tuple."""

    idx: int

    def __str__(self):
        return f"[{self.idx!r}]"

    def get(self, sequence):
        return sequence[self.idx]


class MappingKey(NamedTuple):
    """The value under `key` of a dict."""

    key: Any

    def __str__(self):
        return f"[{self.key!r}]"

    def get(self, mapping):
        return mapping[self.key]


class GetAttrKey(NamedTuple):
    """The attribute `name`."""

    name: str

    def __str__(self):
        return f".{self.name}"

    def get(self, obj):
        return getattr(obj, self.name)


class NodeDef(NamedTuple):
    """How a container is taken apart: flatten(value) -> (children, context), unflatten(children, context), and where
    its children are."""

    flatten_fn: Callable
    unflatten_fn: Callable
    flatten_with_keys_fn: Callable | None = None
    serialized_type_name: str | None = None
    to_dumpable_context: Callable | None = None
    from_dumpable_context: Callable | None = None


def _sequence_keys(value, context):
    return [SequenceKey(k) for k in range(len(value))]


def _mapping_keys(value, context):
    return [MappingKey(k) for k in value]


def is_namedtuple_class(cls):
    """Whether a class is a named tuple."""
    return (isinstance(cls, type) and issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple)
            and callable(getattr(cls, "_make", None)))


def is_namedtuple_instance(obj):
    """Whether an object is of a named tuple class."""
    return is_namedtuple_class(type(obj))


def is_namedtuple(obj):
    """Whether an object or a class is a named tuple."""
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


def is_structseq_class(cls):
    """Whether a class is one of C's named tuples, such as time.struct_time."""
    return (isinstance(cls, type) and cls.__base__ is tuple and isinstance(getattr(cls, "n_sequence_fields", None), int)
            and isinstance(getattr(cls, "n_fields", None), int))


def is_structseq_instance(obj):
    """Whether an object is of a class as of `is_structseq_class`."""
    return is_structseq_class(type(obj))


def is_structseq(obj):
    """Whether an object or a class is one of C's named tuples."""
    return is_structseq_class(obj if isinstance(obj, type) else type(obj))


def _named(values, cls):
    values = list(values)
    try:
        return cls._make(values)
    except TypeError:  # results of ops take their values in one argument
        return cls(values)


# Libraries register classes of their own that are taken apart as dictionaries are, by these names.

def _dict_flatten(d):
    return list(d.values()), list(d)


def _dict_flatten_with_keys(d):
    values, keys = _dict_flatten(d)
    return [(MappingKey(key), value) for key, value in zip(keys, values, strict=True)], keys


def _dict_unflatten(values, context):
    return dict(zip(context, values, strict=True))


# By class: how it is taken apart. Contexts hold what the children do not: keys, factories, lengths.
SUPPORTED_NODES: dict[Any, NodeDef] = {
    tuple: NodeDef(lambda v: (list(v), None), lambda c, _: tuple(c), _sequence_keys, "builtins.tuple"),
    list: NodeDef(lambda v: (list(v), None), lambda c, _: list(c), _sequence_keys, "builtins.list"),
    dict: NodeDef(_dict_flatten, _dict_unflatten, _mapping_keys, "builtins.dict"),
    OrderedDict: NodeDef(lambda v: (list(v.values()), list(v)),
                         lambda c, keys: OrderedDict(zip(keys, c, strict=True)), _mapping_keys,
                         "collections.OrderedDict"),
    defaultdict: NodeDef(lambda v: (list(v.values()), [v.default_factory, list(v)]),
                         lambda c, context: defaultdict(context[0], zip(context[1], c, strict=True)), _mapping_keys),
    deque: NodeDef(lambda v: (list(v), v.maxlen), lambda c, length: deque(c, maxlen=length), _sequence_keys,
                   "collections.deque"),
    "namedtuple": NodeDef(lambda v: (list(v), type(v)), _named,
                          lambda v, _: [GetAttrKey(name) for name in v._fields]),
}


def register_pytree_node(cls, flatten_fn, unflatten_fn, *, serialized_type_name=None, to_dumpable_context=None,
                         from_dumpable_context=None, flatten_with_keys_fn=None):
    """Let values of a class be nodes: flatten_fn(value) -> (children, context), unflatten_fn(children, context).

    flatten_with_keys_fn(value) -> ([(key, child), ...], context) names places. ValueError where it is one already.
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    if (to_dumpable_context is None) != (from_dumpable_context is None):
        raise ValueError(f"Both to_dumpable_context and from_dumpable_context for {cls} must be None or registered.")
    keys = None
    if flatten_with_keys_fn is not None:
        def keys(value, context):
            return [key for key, _ in flatten_with_keys_fn(value)[0]]
    SUPPORTED_NODES[cls] = NodeDef(flatten_fn, unflatten_fn, keys, serialized_type_name, to_dumpable_context,
                                   from_dumpable_context)


def _kind(value):
    """The key of a value among the nodes; None for a leaf."""
    cls = type(value)
    if cls in SUPPORTED_NODES:
        return cls
    return "namedtuple" if is_namedtuple_class(cls) else None


_get_node_type = _kind  # the name by which packages take trees apart themselves


def tree_is_leaf(tree, is_leaf=None):
    """Whether something is a leaf: no container, or one that `is_leaf` is true of."""
    return (is_leaf is not None and is_leaf(tree)) or _kind(tree) is None


@dataclass(frozen=True, eq=True)
class TreeSpec:
    """The structure of a tree without its leaves; a leaf has `type` None."""

    type: Any
    context: Any
    _children: tuple

    def children(self):
        """The structures below."""
        return list(self._children)

    children_specs = property(children)

    def child(self, index):
        """The structure of one child."""
        return self._children[index]

    def is_leaf(self):
        """Whether this is the structure of a leaf."""
        return self.type is None

    num_children = property(lambda self: len(self._children))
    num_nodes = property(lambda self: 1 + sum(c.num_nodes for c in self._children))
    num_leaves = property(lambda self: 1 if self.is_leaf() else sum(c.num_leaves for c in self._children))

    def __hash__(self):
        return hash((self.type, str(self.context), self._children))

    def unflatten(self, leaves):
        """The tree with these leaves. ValueError for another number of them."""
        leaves = list(leaves)
        if len(leaves) != self.num_leaves:
            raise ValueError(f"treespec.unflatten(leaves): `leaves` has length {len(leaves)} but the spec refers to a "
                             f"pytree that holds {self.num_leaves} items ({self}).")
        return self._built(iter(leaves))

    def _built(self, leaves):
        if self.is_leaf():
            return next(leaves)
        return SUPPORTED_NODES[self.type].unflatten_fn([c._built(leaves) for c in self._children], self.context)

    def flatten_up_to(self, tree):
        """The parts of another tree that stand where this one has leaves. ValueError where it has another structure."""
        if self.is_leaf():
            return [tree]
        if _kind(tree) != self.type:
            raise ValueError(f"Node type mismatch; expected {self.type!r}, but got {type(tree)!r}.")
        node = SUPPORTED_NODES[self.type]
        children, context = node.flatten_fn(tree)
        if len(children) != len(self._children):
            raise ValueError(f"Node arity mismatch; expected {len(self._children)}, but got {len(children)}.")
        if self.type in (dict, OrderedDict, defaultdict):  # by key: the order may be another
            keys = self.context[1] if self.type is defaultdict else self.context
            if set(keys) != set(tree):
                raise ValueError(f"Node keys mismatch; expected {keys}, but got {list(tree)}.")
            children = [tree[k] for k in keys]
        elif context != self.context:
            raise ValueError(f"Node context mismatch for {self.type!r}; expected {self.context!r}, got {context!r}.")
        return [part for spec, child in zip(self._children, children, strict=True)
                for part in spec.flatten_up_to(child)]

    def __str__(self):
        if self.is_leaf():
            return "*"
        name = self.type if isinstance(self.type, str) else self.type.__name__
        return f"TreeSpec({name}, {self.context}, [{', '.join(str(c) for c in self._children)}])"

    __repr__ = __str__


PyTreeSpec = TreeSpec


def LeafSpec():
    """The structure of a leaf."""
    return TreeSpec(None, None, ())


def _walk(tree, is_leaf, path, leaves):
    if tree_is_leaf(tree, is_leaf):
        leaves.append((path, tree))
        return LeafSpec()
    kind = _kind(tree)
    node = SUPPORTED_NODES[kind]
    children, context = node.flatten_fn(tree)
    children = list(children)
    keys = node.flatten_with_keys_fn(tree, context) if node.flatten_with_keys_fn else _sequence_keys(children, None)
    return TreeSpec(kind, context, tuple(_walk(c, is_leaf, (*path, k), leaves)
                                         for k, c in zip(keys, children, strict=True)))


def tree_flatten_with_path(tree, is_leaf=None):
    """([(path, leaf), ...], structure)."""
    leaves: list = []
    spec = _walk(tree, is_leaf, (), leaves)
    return leaves, spec


def tree_flatten(tree, is_leaf=None):
    """(leaves, structure): `tree_unflatten` puts them together again."""
    leaves, spec = tree_flatten_with_path(tree, is_leaf)
    return [leaf for _, leaf in leaves], spec


def tree_unflatten(leaves, treespec):
    """The tree of a structure with these leaves. TypeError or ValueError where they do not fit."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(f"tree_unflatten(leaves, treespec): Expected `treespec` to be instance of PyTreeSpec but got "
                        f"item of type {type(treespec)}.")
    return treespec.unflatten(leaves)


def tree_iter(tree, is_leaf=None):
    """The leaves, one after the other."""
    return iter(tree_leaves(tree, is_leaf))


def tree_leaves(tree, is_leaf=None):
    """The leaves."""
    return tree_flatten(tree, is_leaf)[0]


def tree_leaves_with_path(tree, is_leaf=None):
    """[(path, leaf), ...]."""
    return tree_flatten_with_path(tree, is_leaf)[0]


def tree_structure(tree, is_leaf=None):
    """The structure."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func, tree, *rests, is_leaf=None):
    """A tree of func(leaf, ...) of the leaves of one tree and what stands at their places in others."""
    leaves, spec = tree_flatten(tree, is_leaf)
    columns = [leaves, *(spec.flatten_up_to(r) for r in rests)]
    return spec.unflatten(map(func, *columns))


def tree_map_with_path(func, tree, *rests, is_leaf=None):
    """A tree of func(path, leaf, ...)."""
    leaves, spec = tree_flatten_with_path(tree, is_leaf)
    columns = [[p for p, _ in leaves], [v for _, v in leaves], *(spec.flatten_up_to(r) for r in rests)]
    return spec.unflatten(map(func, *columns))


def tree_map_(func, tree, *rests, is_leaf=None):
    """Call func(leaf, ...) for each leaf; the tree itself."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def _chosen(which):
    if isinstance(which, (type, tuple, types.UnionType)):
        return lambda value: isinstance(value, which)
    if callable(which):
        return which
    raise TypeError(f"Argument must be a type, a tuple of types, or a callable, got {which!r}")


def tree_map_only(type_or_types_or_pred, /, func, tree, is_leaf=None):
    """tree_map for leaves of some types, or those a predicate holds for; others stay."""
    chosen = _chosen(type_or_types_or_pred)
    return tree_map(lambda leaf: func(leaf) if chosen(leaf) else leaf, tree, is_leaf=is_leaf)


def tree_map_only_(type_or_types_or_pred, /, func, tree, is_leaf=None):
    """tree_map_ for leaves of some types."""
    tree_map_only(type_or_types_or_pred, func, tree, is_leaf=is_leaf)
    return tree


def tree_all(pred, tree, is_leaf=None):
    """Whether a predicate holds for all leaves."""
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred, tree, is_leaf=None):
    """Whether a predicate holds for a leaf."""
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(type_or_types, /, pred, tree, is_leaf=None):
    """Whether a predicate holds for all leaves of some types."""
    return all(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


def tree_any_only(type_or_types, /, pred, tree, is_leaf=None):
    """Whether a predicate holds for a leaf of some types."""
    return any(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


def keystr(kp):
    """A path as Python would write it: ['layers'][0]."""
    return "".join(str(k) for k in kp)


def key_get(obj, kp):
    """What stands at a path."""
    for k in kp:
        obj = k.get(obj)
    return obj


def treespec_dumps(treespec, protocol=None):
    """A structure as JSON. NotImplementedError for classes without a `serialized_type_name`."""
    if protocol not in (None, 1):
        raise ValueError(f"Unknown protocol {protocol}. Available protocols: [1]")
    return json.dumps([1, _to_json(treespec)])


def _to_json(spec):
    if spec.is_leaf():
        return {"type": None, "context": None, "children_spec": []}
    node = SUPPORTED_NODES[spec.type]
    if node.serialized_type_name is None:
        raise NotImplementedError(f"treespec_dumps: no serialized_type_name is registered for {spec.type!r}; see "
                                  "register_pytree_node")
    context = spec.context if node.to_dumpable_context is None else node.to_dumpable_context(spec.context)
    return {"type": node.serialized_type_name, "context": json.dumps(context),
            "children_spec": [_to_json(c) for c in spec.children()]}


def treespec_loads(serialized):
    """The structure of a text that `treespec_dumps` wrote."""
    protocol, content = json.loads(serialized)
    if protocol != 1:
        raise ValueError(f"Unknown protocol {protocol}. Available protocols: [1]")
    return _from_json(content)


def _from_json(content):
    if content["type"] is None:
        return LeafSpec()
    kind = next((k for k, n in SUPPORTED_NODES.items() if n.serialized_type_name == content["type"]), None)
    if kind is None:
        raise NotImplementedError(f"Deserializing {content['type']} in pytree is not registered.")
    context = json.loads(content["context"])
    node = SUPPORTED_NODES[kind]
    if node.from_dumpable_context is not None:
        context = node.from_dumpable_context(context)
    return TreeSpec(kind, context, tuple(_from_json(c) for c in content["children_spec"]))


def treespec_pprint(treespec):
    """A structure as a tree of stars."""
    return repr(treespec.unflatten(["*"] * treespec.num_leaves)).replace("'*'", "*")
