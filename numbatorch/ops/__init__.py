"""The op table: every op of numbatorch is declared here, in one file per family."""

from .declare import OPS, namespace

FAMILIES = ("pointwise", "pointwise_forms", "activation", "reduce", "reduce_forms", "rowwise", "norm", "loss",
            "contraction", "conv", "view", "placing", "splitting", "index", "gathering", "scattering", "rearrange",
            "sets", "join", "pad", "pool", "scan", "sort", "linalg", "linalg_forms", "fft", "spectral", "random",
            "resize", "image", "attention", "bag", "ctc", "distance", "bessel", "special", "gamma",
            "factor", "counting", "native", "integer")


def load():
    """Declare every op."""
    import importlib
    for family in FAMILIES:
        importlib.import_module(f".{family}", __name__)


__all__ = ["FAMILIES", "OPS", "load", "namespace"]
