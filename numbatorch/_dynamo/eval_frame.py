"""Where PyTorch keeps the class of compiled modules, which programs ask for before they unwrap one."""


def __getattr__(name):
    if name == "OptimizedModule":
        from ..compiler.module import OptimizedModule
        return OptimizedModule
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["OptimizedModule"]  # noqa: F822
