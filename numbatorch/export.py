"""Whole-program export, which is not there: what programs ask of it says so."""


def _missing(name, what):
    def function(*args, **kwargs):
        raise NotImplementedError(f"export.{name}: {what} is not supported; save a module's state_dict() with "
                                  "numbatorch.save, and its class in code")
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"NotImplementedError: {what} is not supported."
    return function


export = _missing("export", "capturing a module as a graph")
save = _missing("save", "writing an exported program")
load = _missing("load", "reading an exported program")
Dim = _missing("Dim", "naming sizes that vary")


class ExportedProgram:
    """NotImplementedError: a captured module, which there is none of; annotations and isinstance() may name it."""

    def __init__(self, *args, **kwargs):
        raise NotImplementedError("export.ExportedProgram: capturing a module as a graph is not supported; save its "
                                  "state_dict() with numbatorch.save, and its class in code")
