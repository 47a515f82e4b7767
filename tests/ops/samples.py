"""Small calls of the ops of the table, made from the names of their parameters: a new op brings none of its own.

A call is tried with operands of several shapes on the CPU; what it takes is its sample. What names do not say is in
device_calls.py.
"""

import inspect
import warnings

import numpy as np

import numbatorch as torch
from numbatorch.errors import NoValuesError
from numbatorch.interception import arguments
from numbatorch.ops import OPS

SHAPES = {"wide": (3, 5), "matrix": (4, 4), "images": (2, 4, 6, 6), "planes": (2, 3, 8), "volumes": (1, 2, 4, 4, 4),
          "flat": (5,), "scalar": ()}
SKIPPED = {  # what has no sample, and why
    **dict.fromkeys("_sample _forget _move".split(), "moves between devices"),
    **dict.fromkeys("is_tensor fftfreq rfftfreq empty_permuted tril_indices triu_indices".split(), "no operand"),
    "resize_as_sparse_": "of sparse tensors", "sparse_resize_": "of sparse tensors", "sparse_mask": "of sparse tensors",
    "sparse_resize_and_clear_": "of sparse tensors", "sspaddmm": "of sparse tensors", "spmm": "of sparse tensors",
    "smm": "of sparse tensors", "hspmm": "of sparse tensors", "native_norm": "of sparse tensors",
    "_fft_r2c": "half of the result is not written", "_fft_c2r": "half of the input is not read",
    **dict.fromkeys("""ccol_indices ccol_indices_copy col_indices col_indices_copy crow_indices_copy indices
                    indices_copy is_coalesced row_indices row_indices_copy values_copy""".split(), "of sparse tensors"),
    **dict.fromkeys("scaled_mm scaled_grouped_mm".split(), "of 8-bit floats, tested in tests/ops/test_narrow.py"),
    **dict.fromkeys("fractional_max_pool2d_with_indices fractional_max_pool3d_with_indices".split(), "random windows"),
    "upsample": "another name of interpolate", "max_pool2d_with_indices_backward": "the gradient of max_pool2d",
    "_pin_memory": "of the CPU alone", "_scatter_reduce": "its names are of another op",
}
RANDOM = set("""bernoulli binomial cauchy_ dropout alpha_dropout feature_dropout feature_alpha_dropout exponential_
    geometric_ gumbel_softmax log_normal_ multinomial native_dropout normal_ poisson random_ rrelu uniform_ dropout1d
    dropout2d dropout3d _lobpcg bernoulli_ dirichlet standard_gamma _standard_gamma _sample_dirichlet lobpcg svd_lowrank
    pca_lowrank rrelu_with_noise dropout_ scale_kept empty_like rand_like randn_like randint_like
    multi_head_attention_forward fractional_max_pool2d
    fractional_max_pool3d new_empty new_empty_strided normal_like uniform_like _nonzero
    random_like""".split())  # only shapes and dtypes can be compared


def tensor(shape, dtype="float32", seed=0, high=None):
    """Values of (0.1, 0.9), small integers, or bools, that are the same in every run."""
    rng, own = np.random.default_rng(seed), getattr(torch, dtype)
    if own.is_complex:
        values = rng.uniform(0.1, 0.9, shape) + 1j * rng.uniform(0.1, 0.9, shape)
    elif own.is_floating_point:
        values = rng.uniform(0.1, 0.9, shape)
    else:
        values = rng.integers(0, high or (2 if dtype == "bool" else 4), shape)
    return torch.tensor(np.asarray(values)).to(own)


def _window(shape):
    return {"kernel_size": 2, "output_size": 2, "upscale_factor": 2, "downscale_factor": 2, "norm_type": 2.0}


def by_name(op, kind, dtype):
    """{parameter: value} of a call in one regime."""
    shape = SHAPES[kind]
    rank = len(shape)
    x = tensor(shape, dtype)
    one = {"float32": 0.5, "float64": 0.5, "bfloat16": 0.5, "complex64": 0.5}.get(dtype, 1)
    index = tensor(shape, "int64", 3, max(1, min(shape, default=1)))
    channels = shape[1] if rank > 1 else 1
    named = {
        **dict.fromkeys("input A x tensor input1 x1 anchor a data y logits obj elements abs real".split(), x),
        **dict.fromkeys("other end tensor1 tensor2 batch1 batch2 mat1 mat2 mat B b x2 input2 positive negative src "
                        "vec2 vec1 vec imag angle exponent q test_elements values source gate output key".split(),
                        tensor(shape, dtype, 1)),
        "target": tensor(shape, dtype, 2), "query": x, "value": one, "key": tensor(shape, dtype, 4),
        "mask": tensor(shape, "bool", 5), "condition": tensor(shape, "bool", 5), "weight": tensor(shape, dtype, 6),
        "index": index, "indices": index, "dim": -1, "dim0": 0, "dim1": -1, "axis0": 0, "axis1": -1, "n": 2, "k": 1,
        "dims": tuple(range(rank)), "p": 1, "min": one, "max": one, "start": 0, "length": 1, "size": shape, "ord": 2.0,
        "stride": torch.empty(shape).stride(), "shape": (-1,), "sizes": (1, shape[-1] if shape else 1), "chunks": 2,
        "num_groups": 1, "groups": 1, "normalized_shape": shape[-1:], "pad": (1, 2), "shifts": 1, "lambd": 0.5,
        "repeats": (2,) * max(rank, 1), "split_sizes": (1, max(0, shape[-1] - 1)) if shape else (), "split_size": 2,
        "bins": 4, "source_": 0, "destination": -1, "dimension": -1, "step": 1, "fill_value": one, "threshold": 0.5,
        "boundaries": tensor((5,), dtype, 7).sort()[0] if dtype != "complex64" else None, "nan": 0.5, "posinf": 1.0,
        "neginf": -1.0, "scale": 10.0, "beta": 1.0, "delta": 1.0, "num_samples": 2, "maxnorm": 1.0, "train": False,
        "var": tensor(shape, dtype, 8), "n_fft": 4, "dtype": torch.float64, "factor": one, "min_val": -1.0,
        "max_val": 0.5, "blocksize": (2, 2), "tau": tensor(shape[-1:], dtype, 9), "training": False, "reduce": "sum",
        "matrices": [x, x], "tensors": [x, tensor(shape, dtype, 1)], "the_template": tensor((2, 2), dtype),
        "sorted_sequence": None, "combine": "sum", "q_": 0.5, "atol": 0.0, "rtol": 0.0, "groups_": 1,
        **_window(shape)}
    if op.name in ("movedim", "moveaxis"):
        named.update(source=0, destination=-1)
    if op.name in ("quantile", "nanquantile"):
        named.update(q=0.5)
    if dtype in ("float32", "float64", "bfloat16", "int64"):
        named["sorted_sequence"] = tensor((5,), dtype, 7).sort()[0]
    if op.name.startswith(("conv", "linear", "prelu")) and rank > 1:
        taps = (3, channels, *(2,) * (rank - 2)) if "transpose" not in op.name else (channels, 3, *(2,) * (rank - 2))
        named["weight"] = tensor(taps if op.name.startswith("conv") else (3, shape[-1]) if op.name.startswith("linear")
                                 else (channels,), dtype, 6)
    if op.name.startswith(("embedding",)):
        named.update(input=index, weight=tensor((4, 3), dtype), offsets=None)
    return named


def calls(op):
    """[(label, positional, keywords)] of an op: samples that its own body takes on the CPU."""
    found = []
    for kind in SHAPES:
        values = _values(op, by_name(op, kind, "float32"))
        if values is None:
            return []
        if run(op, *values)[0]:
            found.append((f"{kind} float32", *values))
            break
    if op.kind in ("composite", "view"):
        return found
    for kind in ([found[0][0].split()[0]] if found else SHAPES):
        values = _values(op, by_name(op, kind, "int64"))
        if values is not None and run(op, *values)[0]:
            found.append((f"{kind} int64", *values))
            break
    return found


def _values(op, named):
    """(positional, keywords) of an op's required parameters, or None where one has no value."""
    values = []
    for p in op.parameters:
        if p.kind is inspect.Parameter.VAR_KEYWORD:
            values.append({})
        elif p.default is not inspect.Parameter.empty:
            values.append(p.default)
        elif named.get(p.name) is None:
            return None
        else:
            values.append(named[p.name])
    return arguments(op, values)


def run(op, positional, keywords):
    """(whether the call succeeds, its result or the error)."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return True, op.call(*positional, **keywords)
        except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError, OverflowError, AttributeError,
                AssertionError, NoValuesError, KeyError, StopIteration) as error:
            return False, error


def each(value, function):
    """A value with the tensors in it, and in its containers, replaced."""
    if isinstance(value, torch.Tensor):
        return function(value)
    if isinstance(value, (list, tuple)):
        items = [each(v, function) for v in value]
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    return {k: each(v, function) for k, v in value.items()} if isinstance(value, dict) else value


def flat(value):
    """The leaves of a result."""
    if isinstance(value, (list, tuple)):
        return [leaf for v in value for leaf in flat(v)]
    return [value]


TABLE = {op.name: op for op in dict.fromkeys(OPS.values())}
