"""BatchedTensor: a tensor with a hidden leading dimension, and how calls on it are answered.

A call is answered by its rule (batch_rules.py), which calls ops once for the whole batch; a composite runs its body,
whose ops have rules; whatever is left is called element by element and stacked, which is slow and always right.
"""

from .. import interception
from ..autograd.modes import mode
from ..ops.declare import OPS
from ..recording import overwrite
from ..tensor import Tensor
from .wrapped import WrappedLayout, WrappedTensor, _new, map_tensors, running

RULES: dict = {}  # op name, or "kind:<kind>" -> rule(level, op, values) -> result on values with the batch dimension


class NeedsValues(RuntimeError):
    """A batched tensor was asked for its values."""


class BatchedLayout(WrappedLayout):
    """dtype and shape of one element of the batch."""

    __slots__ = ()
    has_values = False  # a number in each element is a tensor still: as an index it gathers

    def dispatch(self, op, inplace, values):
        return answer(self.level, op, inplace, values)

    def like(self, input, make):
        """zeros_like and the like: a batch of them, so that it can be written to."""
        return batched(make(input._value), self.level)

    def draw_like(self, input, make):
        """rand_like and the like: `make` asks for the level's kind of randomness itself."""
        return make(element(input, self.level, 0)._kept())

    def draw(self, draw, distribution, tensor, generator, arguments):
        """Fill a batched tensor in place."""
        if self.level.randomness == "same":
            one = element(tensor, self.level, 0)._kept().clone()
            tensor._value.copy_(draw(distribution, one, generator, *arguments).expand(tensor._value.shape))
            return tensor
        _check_random(self.level, distribution)
        draw(distribution, tensor._value, generator, *arguments)
        return tensor


def _check_random(level, name):
    if level.randomness == "error":
        raise RuntimeError("vmap: called random operation while in randomness error mode. Please either use the "
                           "'same' or 'different' randomness flags on vmap or perform the randomness operation "
                           f"out of vmap ({name})")


def draw_for_batch(draw, distribution, target, generator, arguments):
    """A new random tensor inside `vmap`: a batch of them where each element gets its own; None outside."""
    levels = running("vmap")
    if not levels:
        return None
    for level in levels:
        _check_random(level, distribution)
    own = [level for level in levels if level.randomness == "different"]
    whole_target = target.new_empty((*(level.size for level in own), *target.shape))
    result = draw(distribution, whole_target, generator, *arguments)
    for level in own:
        result = batched(result, level)
    return result


class BatchedTensor(WrappedTensor):
    """`_value` without its dimension 0, along which `vmap` runs."""

    def _refuse(self, *_args, **_kwargs):
        raise NeedsValues("vmap: It looks like you're calling .item() on a Tensor, or using it where Python needs its "
                          "value (if, int(), numpy()). Inside vmap a tensor stands for a whole batch: use torch.where "
                          "and other operations on tensors instead")

    item = tolist = numpy = __bool__ = __int__ = __float__ = __index__ = __complex__ = __array__ = _refuse

    def _kept(self):
        return batched(self._value._kept(), self.level)

    def detach(self):
        return batched(self._value.detach(), self.level)

    data = property(lambda self: self.detach())

    def new_empty(self, *size, **options):
        return batched(self._value.new_empty((self._value.shape[0], *sizes_of(size)), **options), self.level)

    def new_zeros(self, *size, **options):
        return batched(self._value.new_zeros((self._value.shape[0], *sizes_of(size)), **options), self.level)

    def new_ones(self, *size, **options):
        return batched(self._value.new_ones((self._value.shape[0], *sizes_of(size)), **options), self.level)

    def new_full(self, size, fill_value, **options):
        return batched(self._value.new_full((self._value.shape[0], *sizes_of(size)), fill_value, **options), self.level)

    def copy_(self, other, non_blocking=False):
        change(self, other)
        return self

    def __setitem__(self, index, value):
        for k in range(self._value.shape[0]):
            part = self._value.select(0, k)
            place, source = map_tensors(lambda t, k=k: element(t, self.level, k), (index, value))
            part[place] = source


def sizes_of(size):
    """The sizes of f(2, 3), f((2, 3)) and f([2, 3]), as one tuple."""
    size = (size,) if isinstance(size, int) else tuple(size)
    return tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size


def batched(value, level):
    """The BatchedTensor over a tensor with its batch along dimension 0."""
    made = _new(BatchedTensor)
    own = value._layout
    made._value = value
    made._layout = BatchedLayout(own.dtype, own.shape[1:], own.device, own.strides[1:], level)
    return made


def is_batched(value, level):
    """Whether a value is a tensor with a batch dimension of this level."""
    return isinstance(value, BatchedTensor) and value._layout.level is level


def whole(value, level, size):
    """The tensor with the batch along dimension 0; a tensor without one is expanded."""
    return value._value if is_batched(value, level) else value.unsqueeze(0).expand(size, *value.shape)


def element(value, level, k):
    """Element `k` of a batch; a tensor without one is itself."""
    return value._value.select(0, k) if is_batched(value, level) else value


def size_of(level, values):
    """How many elements the batch has."""
    for t in interception.tensors_of(values):
        if is_batched(t, level):
            return t._value.shape[0]
    raise AssertionError("no operand is batched")


def wrap(result, level):
    """A rule's result, batched."""
    return map_tensors(lambda t: batched(t, level), result)


def change(target, source):
    """Write a result into a batched tensor in place."""
    level = target.level
    if isinstance(source, Tensor):
        value = source._value if is_batched(source, level) else source
        own = target._layout.ndim
        extra = own - source.ndim
        if is_batched(source, level) and extra > 0:
            value = value.reshape(value.shape[0], *(1,) * extra, *value.shape[1:])
        overwrite(target._value, value.expand(target._value.shape), mode.enabled)
    else:
        target._value.fill_(source)


def answer(level, op, inplace, values):
    """The result of a call with batched operands."""
    if op.kind == "random" and level.randomness != "different":
        return _random(level, op, values)
    if inplace:
        return _in_place(level, op, values)
    rule = RULES.get(op.name) or RULES.get(f"kind:{op.kind}")
    if rule is not None:
        result = rule(level, op, values)
        if result is not NotImplemented:
            return wrap(result, level)
    if op.kind == "composite":
        try:
            return _body(op, values)
        except (NeedsValues, NotImplementedError):
            pass  # the body wants values, or writes into something that has no batch: one element at a time
    return one_by_one(level, op, False, values)


def _body(op, values):
    positional, keywords = interception.arguments(op, values)
    return op.body(*positional, **keywords)


def one_by_one(level, op, inplace, values):
    """Call the op for each element of the batch, and stack what comes."""
    size = size_of(level, values)
    results = [interception.call(op, inplace, [map_tensors(lambda t, k=k: element(t, level, k), v) for v in values])
               for k in range(size)]
    if not results:
        raise RuntimeError(f"vmap: {op.name}() has no batching rule, so it cannot be mapped over an empty batch")
    return _stacked(results, level)


def _stacked(results, level):
    first = results[0]
    if isinstance(first, Tensor):
        return batched(OPS["stack"].call(results, 0), level)
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)([_stacked([r[k] for r in results], level) for k in range(len(first))])
    if isinstance(first, (list, tuple)):
        return type(first)([_stacked([r[k] for r in results], level) for k in range(len(first))])
    if any(r != first for r in results):
        raise RuntimeError(f"vmap: elements of the batch give different Python values ({first!r}, ...)")
    return first


def _in_place(level, op, values):
    target = values[0]
    if not is_batched(target, level):
        raise RuntimeError(
            f"vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in "
            f"extra_args that has more elements than `self`: {op.name}_() would write a batch of "
            f"{size_of(level, values)} into one tensor. Use the out-of-place form {op.name}().")
    if op.kind == "elementwise":
        physical = elementwise_operands(level, op, values)
        if physical[0].ndim == target._value.ndim:
            interception.call(op, True, physical)
            return target
    change(target, interception.call(op, False, values))
    return target


def _random(level, op, values):
    _check_random(level, op.name)
    # "same": one draw serves every element, so it is made for the shapes of one.
    shape = next(t for t in values if isinstance(t, Tensor))
    if op.name in ("normal_like", "uniform_like"):
        plain = element(shape, level, 0)._kept()
        return interception.call(op, False, [plain, *values[1:]])
    if op.name == "bernoulli" and values[1] is not None:
        plain = element(shape, level, 0)._kept()
        return interception.call(op, False, [plain, *values[1:]])
    raise RuntimeError(f"vmap: {op.name}() on batched chances cannot be the same for all; use randomness='different'")


def elementwise_operands(level, op, values):
    """The values of an elementwise call with batches in front and ranks aligned."""
    tensors = [t for t in values if isinstance(t, Tensor)]
    rank = max(t._layout.ndim for t in tensors)
    dimensioned = [t._layout.dtype for t in tensors if t._layout.ndim]
    aligned = []
    for v in values:
        if is_batched(v, level):
            physical, missing = v._value, rank - v._layout.ndim
            if missing:
                if not v._layout.ndim and dimensioned and all(
                        v._layout.dtype.category <= d.category for d in dimensioned):
                    physical = _as_scalar(physical, dimensioned)
                physical = physical.reshape(physical.shape[0], *(1,) * missing, *physical.shape[1:])
            v = physical
        aligned.append(v)
    return aligned


def _as_scalar(physical, dimensioned):
    """A batch of 0-dim tensors does not take part in promotion, as a 0-dim tensor does not."""
    from ..dtypes import promote_types
    target = dimensioned[0]
    for d in dimensioned[1:]:
        target = promote_types(target, d)
    return physical if physical.dtype is target else physical.to(target)
