"""`compile`: functions that are captured and then run as programs; and what programs say to a compiler.

A compiled function runs eagerly while its first calls are captured, at the level of launches on memory (capture.py):
views, gradients, optimizers and in-place changes are right because what ran is what is repeated. What cannot be
repeated runs eagerly, for reasons that `explain()` names.
"""


_STANCES = ("default", "force_eager", "eager_on_recompile", "fail_on_recompile", "eager_then_compile",
            "aot_eager_then_compile")
_MODES = ("default", "lite", "reduce-overhead", "max-autotune-no-cudagraphs", "max-autotune")
# "inductor" stands for the one compiler that there is; the eager ones give the function itself. The others of PyTorch's
# are taken for the sake of programs that name them.
_BACKENDS = ("inductor", "eager", "aot_eager", "aot_eager_decomp_partition", "cudagraphs", "openxla", "tvm", "onnxrt")
_backend = ["inductor"]


def compile(model=None, *, fullgraph=False, dynamic=None, backend=None, mode=None, options=None, disable=False,
            memory_limit=None):
    """A compiled form of a function or module; without one, a decorator.

    The first calls run eagerly and are captured, later ones run as one program: a whole training step, with backward
    and optimizer, or a forward pass, whose backward pass becomes a program, too. Guards see to it that nothing a
    program was captured from has changed. fullgraph: raise where a function cannot become a program, instead of running
    it eagerly or in parts. backend (None: the default, set_default_backend) "eager" and "aot_eager", and `disable`,
    give `model` itself. `mode`, a word of PyTorch's, other backends, functions among them, and `options` are accepted:
    there is one way to compile. On a GPU programs are CUDA graphs, in each mode.

    dynamic: sizes of arguments are parameters. None: once a size is another than before, the call is captured for all
    values of the sizes that differ; True: from the second call on, for all sizes. A size that was never seen then runs
    as a program at once, without a run of the function; each has parameters of its own, and of many those used last
    are kept. What is assumed about a size is a guard; a size used as a plain number (a range, a key) is a constant.
    False: other shapes are like other calls, captured twice and kept to a small number.

    memory_limit: bytes, or text such as "64MB" (10^6) or "1GiB" (2^30), that temporaries, results and gradients may
    take: what is made cheaply is made again instead of being kept, with the same bits, until they fit. Where they
    cannot, a call raises compiler.MemoryLimitError, with the table of what is needed, before it has changed anything.
    The first call is a program, too, unless it makes state (of an optimizer) or cannot be undone: such calls run
    eagerly, and take what eager code takes. A backward pass that runs outside of the function is not counted.

    The bits are those of eager code; only gradients of a parameter that several calls share may be added up in another
    order. A function that has effects in Python other than its result, gradients and tensors changed in place, or that
    uses values in Python, runs in parts: the statements that do as they are, those between them as programs; where its
    source cannot be divided it runs eagerly (`explain()` says why). Results cannot be differentiated twice.

    RuntimeError where both mode and options are given, and for an unknown mode or backend; TypeError for a model that
    cannot be called, options that are no dict, and a `dynamic` that is neither a bool nor None; ValueError for a
    memory_limit that is no size.
    """
    if mode is not None and options is not None:
        raise RuntimeError("compile: Either mode or options can be specified, but both can't be specified at the same "
                           "time.")
    if mode is not None and mode not in _MODES:
        raise RuntimeError(f"compile: Unrecognized mode={mode}, should be one of: {', '.join(_MODES)}")
    if options is not None and not isinstance(options, dict):
        raise TypeError(f"compile: options is a dict of settings, got {type(options).__name__}")
    if dynamic is not None and not isinstance(dynamic, bool):
        raise TypeError(f"compile: dynamic is True, False or None, got {dynamic!r}")
    backend = _backend[0] if backend is None else backend
    if isinstance(backend, str) and backend not in _BACKENDS:
        raise RuntimeError(f"compile: Invalid backend: {backend!r}, should be one of: {', '.join(_BACKENDS)}")
    if not isinstance(backend, str) and not callable(backend):
        raise TypeError(f"compile: backend is a name or a function, got {type(backend).__name__}")
    limit = None if memory_limit is None else size_of(memory_limit)
    if model is None:
        return lambda function: compile(function, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode,
                                        options=options, disable=disable, memory_limit=memory_limit)
    if not callable(model):
        raise TypeError(f"compile: expected a function or a module, got {type(model).__name__}")
    if disable or backend in ("eager", "aot_eager"):
        return model
    from .compiled import Compiled
    if isinstance(model, Compiled):
        return model
    if hasattr(model, "_parameters") and hasattr(model, "forward"):
        from .module import optimized
        return optimized(model, fullgraph, dynamic, limit)
    made = Compiled(model, fullgraph, dynamic, limit)
    _all.add(made)
    return made


class MemoryLimitError(RuntimeError):
    """A program does not fit the memory that `compile` was given for it."""


_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
          "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}


def size_of(memory_limit):
    """Bytes of a number of them, or of text: a number and B, KB, MB, GB, TB or KiB and so on. ValueError for others."""
    if isinstance(memory_limit, str):
        text = memory_limit.strip()
        number = text.rstrip("BIKMGTbikmgt ")
        unit = text[len(number):].strip().upper()
        if unit in _UNITS and number.replace(".", "", 1).isdecimal():
            return int(float(number) * _UNITS[unit])
    elif isinstance(memory_limit, int) and not isinstance(memory_limit, bool) and memory_limit >= 0:
        return memory_limit
    raise ValueError(f"compile: memory_limit is a number of bytes or text such as '64MB' or '1GiB', got "
                     f"{memory_limit!r}")


def _unchanged(fn):
    """The function itself: there is no compiler that would treat it differently."""
    return fn


allow_in_graph = assume_constant_result = _unchanged


def nested_compile_region(fn=None, **options):
    """The function itself, or a decorator that gives it: what repeats is one kernel each anyway."""
    return _unchanged if fn is None else fn


def disable(fn=None, recursive=True, *, reason=None):
    """Keep the compiler from a function: what calls it runs eagerly; without one, a decorator."""
    if fn is None:
        return lambda function: disable(function, recursive, reason=reason)
    import functools

    @functools.wraps(fn)
    def eager(*args, **kwargs):
        from . import watch
        for own in watch.here():
            own.observer.refuse(f"calls {getattr(fn, '__name__', fn)}, which is kept from the compiler")
        return fn(*args, **kwargs)
    return eager


def is_compiling():
    """Whether this thread's call is being captured."""
    import sys
    watch = sys.modules.get(f"{__name__}.watch")
    return bool(watch is not None and watch.here())


is_dynamo_compiling = is_exporting = is_compiling


def set_default_backend(backend):
    """What `compile` takes where it is given no backend; None: "inductor", the only one that compiles.

    TypeError for what is no name and cannot be called.
    """
    if backend is not None and not isinstance(backend, str) and not callable(backend):
        raise TypeError(f"set_default_backend: expected a name, a function or None, got {type(backend).__name__}")
    _backend[0] = "inductor" if backend is None else backend


def get_default_backend():
    """What `compile` takes where it is given no backend."""
    return _backend[0]


def substitute_in_graph(original_fn, *, can_constant_fold_through=False, skip_signature_check=False):
    """A decorator for a form of `original_fn` that a compiler could look into. Captures see what runs, so `original_fn`
    itself is run; the decorated function stays as it is. TypeError for what cannot be called."""
    if not callable(original_fn):
        raise TypeError(f"substitute_in_graph expects a function but got {type(original_fn).__name__}")

    def decorator(traceable_fn):
        if not callable(traceable_fn):
            raise TypeError(f"@substitute_in_graph(...) expects a function but got {type(traceable_fn).__name__}")
        return traceable_fn
    return decorator


def wrap_numpy(fn):
    """A function of NumPy arrays as one of tensors: it is given arrays for tensors, and arrays of its result come back
    as tensors, in tuples, lists and dicts, too."""
    import functools

    import numpy as np

    import numbatorch

    def mapped(value, kind, change):
        if isinstance(value, kind):
            return change(value)
        if isinstance(value, dict):
            return {k: mapped(v, kind, change) for k, v in value.items()}
        if type(value) in (tuple, list):
            return type(value)([mapped(v, kind, change) for v in value])
        return value

    @functools.wraps(fn)
    def wrapped(*args, **kwargs):
        args, kwargs = mapped((args, kwargs), numbatorch.Tensor, lambda t: t.numpy())
        return mapped(fn(*args, **kwargs), (np.ndarray, np.generic), numbatorch.as_tensor)
    return wrapped


def list_backends(exclude_tags=("debug", "experimental")):
    """Names of the compilers that `compile` can use besides its own: none."""
    return []


def reset():
    """Forget all programs: functions are captured anew."""
    for made in list(_all):
        made.reset()


def save_cache_artifacts():
    """(bytes, what is in them) of kernels and of decisions about programs, to be loaded on machines like this one; None
    where the cache is empty."""
    from .artifacts import save
    return save()


def load_cache_artifacts(serialized_artifacts):
    """Put what `save_cache_artifacts` gave into the cache, so that nothing of it is compiled; what was loaded, or None
    for other bytes. They are machine code: load only what you trust. TypeError for what is no bytes."""
    from .artifacts import load
    return load(serialized_artifacts)


def cudagraph_mark_step_begin():
    """Say that a step of training begins, for graphs of GPU work, of which there are none."""


class set_stance:
    """How compiled functions act, from now on, inside `with`, or, as a decorator, inside calls of a function.

    "force_eager" runs them as they are; "eager_on_recompile" runs what no program fits as it is; "fail_on_recompile"
    raises RuntimeError there. The other words are "default": a call is captured while it runs eagerly.
    RuntimeError for other words than those of PyTorch.
    """

    def __init__(self, stance="default", *, skip_guard_eval_unsafe=False, force_backend=None):
        if stance not in _STANCES:
            raise RuntimeError(f"set_stance: invalid stance {stance!r}, expected one of {', '.join(_STANCES)}")
        from .compiled import stance as state
        self._state, self._before, self._name = state, state.name, stance
        state.name = stance

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._state.name = self._before

    def __call__(self, function):
        import functools
        self._state.name = self._before  # until the function is called

        @functools.wraps(function)
        def inside(*args, **kwargs):
            with set_stance(self._name):
                return function(*args, **kwargs)
        return inside


def _references():
    import weakref
    return weakref.WeakSet()


_all = _references()
