"""Checkpoints that keep the results of chosen operations: the second run takes these and computes the others.

A policy is asked about each operation, the outermost first: `linear`, and where that is not to be kept `addmm`, which
is the kernel behind it. Where an operation made of others is kept, the results of all its kernels are.
"""

import contextlib
import enum

from numbatorch import Tensor, interception
from numbatorch.calls import replayed
from numbatorch.ops import aten


class CheckpointPolicy(enum.Enum):
    """What a policy answers. MUST and PREFER are the same here; on the CPU offloaded results are simply kept."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


_KEEPS = frozenset(CheckpointPolicy) - {CheckpointPolicy.MUST_RECOMPUTE, CheckpointPolicy.PREFER_RECOMPUTE}


class SelectiveCheckpointContext:
    """What a policy is told of the call: whether it is of the second run; in the first, the result of a kernel."""

    def __init__(self, *, is_recompute, op_output=None):
        self.is_recompute, self.op_output = is_recompute, op_output


def operator_of(op, values):
    """The operator that policies know an op by, such as `ops.aten.mm.default`."""
    name = op.name
    if name == "linear_rows":
        name = "mm" if values[2] is None else "addmm"
    return aten._Operator({"conv_forward": "convolution"}.get(name, name), op.call).default


# Questions about a tensor and what shares its memory cost nothing: policies are not asked.
SAC_IGNORED_OPS = {aten._Operator(name, getattr(Tensor, name, None) or aten.detach_copy).default for name in (
    "detach", "size", "stride", "dim", "numel", "is_contiguous", "storage_offset")}

_CHEAP = ("view", "random")  # shared memory, and draws that later draws follow: always done again


class _Contexts:
    """The kept results of one checkpoint, and the modes of its two runs."""

    def __init__(self, policy, allow_mutation):
        self.policy, self.allow_mutation = policy, allow_mutation
        self.kept: dict = {}
        self.taken: dict = {}
        self.inside = 0  # how many operations that are kept whole the present one is part of

    @contextlib.contextmanager
    def first(self):
        with interception.mode(self._keep) as self.mode:
            yield

    @contextlib.contextmanager
    def second(self):
        self.taken, self.inside = {}, 0
        with interception.mode(self._take) as self.mode:
            yield

    def _wanted(self, op, values, is_recompute, output=None):
        if self.inside:
            return True
        operator = operator_of(op, values)
        if operator in SAC_IGNORED_OPS:
            return False
        positional, keywords = interception.arguments(op, values)
        context = SelectiveCheckpointContext(is_recompute=is_recompute, op_output=output)
        answer = self.policy(context, operator, *positional, **keywords)
        if isinstance(answer, bool):
            return answer
        if not isinstance(answer, CheckpointPolicy):
            raise TypeError(f"the policy of a selective checkpoint returned {answer!r} for {operator}; expected a "
                            "CheckpointPolicy or bool")
        return answer in _KEEPS

    def _whole(self, op, inplace, values):
        self.inside += 1
        try:
            return interception.call_inside(self.mode, op, inplace, values)
        finally:
            self.inside -= 1

    def _keep(self, op, inplace, values):
        if op.kind == "composite":
            return self._whole(op, inplace, values) if self._wanted(op, values, False) else NotImplemented
        if inplace or op.kind in _CHEAP:
            if not self.inside:
                self._wanted(op, values, False)
            return NotImplemented
        result = interception.call(op, inplace, values)
        if self._wanted(op, values, False, result):
            self.kept.setdefault(op, []).append((_apart(result), [t._storage.version for t in _several(result)]))
        return result

    def _take(self, op, inplace, values):
        if op.kind == "composite":
            return self._whole(op, inplace, values) if self._wanted(op, values, True) else NotImplemented
        if inplace or op.kind in _CHEAP or not self._wanted(op, values, True):
            return NotImplemented
        position = self.taken[op] = self.taken.get(op, -1) + 1
        entries = self.kept.get(op, ())
        if position >= len(entries):
            raise RuntimeError(f"selective checkpoint: the policy wants result {position} of {op.name} in the second "
                               f"run, but {len(entries)} were kept in the first; a policy must answer the same in both")
        result, versions = entries[position]
        for tensor, version in zip(_several(result), versions, strict=True):
            if tensor._storage.version != version and not self.allow_mutation:
                raise RuntimeError(
                    f"Tensor cached during selective activation checkpoint has been mutated: a result of {op.name}, "
                    f"{list(tensor.shape)}, was changed in place. Do not keep it, clone it before the change, or pass "
                    "allow_cache_entry_mutation=True if the change is repeated harmlessly.")
        return replayed(op, tuple(values), _apart(result))


def _several(result):
    return result if isinstance(result, tuple) else (result,)


def _apart(result):
    """A result without its history; a named tuple stays one."""
    if not isinstance(result, tuple):
        return result.detach()
    parts = tuple(t.detach() for t in result)
    return type(result)(parts) if hasattr(result, "_fields") else parts


def create_selective_checkpoint_contexts(policy_fn_or_list, allow_cache_entry_mutation=False):
    """Contexts for `checkpoint(..., context_fn=)`: results are kept where the policy says so.

        policy = functools.partial(create_selective_checkpoint_contexts, [torch.ops.aten.mm.default])
        checkpoint(function, input, use_reentrant=False, context_fn=policy)

    policy_fn_or_list: the operators whose results are kept, or a function (context, operator, *args, **kwargs) that
    gives a CheckpointPolicy. allow_cache_entry_mutation: do not look for in-place changes of what was kept. TypeError
    for anything else.
    """
    if isinstance(policy_fn_or_list, list):
        for operator in policy_fn_or_list:
            if not isinstance(operator, aten._Operator):
                raise TypeError(f"create_selective_checkpoint_contexts: expected operators such as "
                                f"torch.ops.aten.mm.default, got {operator!r} ({type(operator).__name__})")
        chosen = frozenset(policy_fn_or_list)

        def policy(context, operator, *args, **kwargs):
            return CheckpointPolicy.MUST_SAVE if operator in chosen else CheckpointPolicy.PREFER_RECOMPUTE
    elif callable(policy_fn_or_list):
        policy = policy_fn_or_list
    else:
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    contexts = _Contexts(policy, allow_cache_entry_mutation)
    return contexts.first(), _Reusable(contexts.second)


class _Reusable:
    """A context manager that can be entered again: a retained graph runs the function a third time."""

    def __init__(self, make):
        self.make, self.open = make, []

    def __enter__(self):
        self.open.append(self.make())
        return self.open[-1].__enter__()

    def __exit__(self, *error):
        return self.open.pop().__exit__(*error)
