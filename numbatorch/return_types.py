"""The types of results with several parts: `isinstance(x.max(0), torch.return_types.max)`."""

from typing import Any

from .ops.declare import OPS
from .results import _types, named_results, result_type

# Of ops whose results are named in their bodies.
_FIELDS = {"median": ("values", "indices"), "nanmedian": ("values", "indices"), "mode": ("values", "indices"),
           "kthvalue": ("values", "indices"), "aminmax": ("min", "max"), "histogram": ("hist", "bin_edges"),
           "histogramdd": ("hist", "bin_edges"), "svd": ("U", "S", "V"), "linalg_svd": ("U", "S", "Vh"),
           "linalg_ldl_factor": ("LD", "pivots")}


def __getattr__(name: str) -> Any:
    """The type of an op's results. AttributeError for ops that give a tensor, or a plain tuple."""
    if name in _FIELDS:
        return named_results(name, _FIELDS[name])
    for key in (name, f"{name}_dim", f"linalg.{name.removeprefix('linalg_')}", f"_{name}", f"_{name}_dim"):
        op = OPS.get(key)
        if op is not None:
            result_type(op)
            found = _types.get((op.name, op.outputs))
            if found is not None:
                return found
    raise AttributeError(f"module 'torch.return_types' has no attribute {name!r}: no op of that name gives several "
                         "named results")
