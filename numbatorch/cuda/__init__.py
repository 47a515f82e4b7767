"""The GPU, as programs ask for it: this build has CPU kernels only, and says so."""


def is_available():
    """Whether GPU kernels can run: not in this build."""
    return False


def device_count():
    """How many GPUs can be used: none in this build."""
    return 0


def is_initialized():
    """Whether a GPU is in use."""
    return False


def manual_seed(seed):
    """Seeds of GPU generators; without a GPU there is nothing to seed."""


manual_seed_all = manual_seed


def synchronize(device=None):
    """Wait for the GPU. RuntimeError: there is none."""
    raise RuntimeError("cuda: no GPU kernels are available in this build of numbatorch")


def empty_cache():
    """Free cached GPU memory: there is none."""


def __getattr__(name):
    if name == "amp":
        import importlib
        return importlib.import_module(".amp", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
