"""The op table: every op of numbatorch is declared here, in one file per family."""

from .declare import OPS, namespace

FAMILIES = ("pointwise", "activation", "reduce", "rowwise", "contraction", "conv")


def load():
    """Declare every op."""
    import importlib
    for family in FAMILIES:
        importlib.import_module(f".{family}", __name__)


__all__ = ["FAMILIES", "OPS", "load", "namespace"]
