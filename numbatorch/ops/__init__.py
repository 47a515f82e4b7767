"""The op table: every op of numbatorch is declared here, in one file per family."""

from .declare import OPS, namespace

FAMILIES = (
    "pointwise", "comparison", "elementary", "pointwise_forms", "activation",
    "reduce", "reduce_forms", "rowwise", "norm", "loss", "cross_entropy", "linear_loss", "scan", "sort", "sets",
    "counting", "view", "parts", "placing", "moving", "splitting", "index", "gathering", "scattering", "rearrange",
    "join", "pad", "contraction", "grouped", "correlation", "conv", "pool", "resize", "image", "attention", "recurrent",
    "bag", "ctc", "distance", "native", "native_layers", "fake_quantize",
    "linalg", "linalg_forms", "factor", "indefinite", "block_eigen", "fft", "spectral", "sparse", "compressed",
    "bessel", "special", "gamma", "integer", "segment", "random", "variates", "internal", "steps",
)


def load():
    """Declare every op."""
    import importlib
    for family in FAMILIES:
        importlib.import_module(f".{family}", __name__)


def __getattr__(name):
    """`aten`, imported when first named, `load_library`, and namespaces of ops that programs define."""
    import importlib
    if name == "aten":
        return importlib.import_module(".aten", __name__)
    if name == "load_library":
        return importlib.import_module("numbatorch.custom_ops").load_library
    if not name.startswith("__"):
        found = importlib.import_module("numbatorch.custom_ops").namespace(name)
        if found is not None:
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["FAMILIES", "OPS", "load", "namespace"]
