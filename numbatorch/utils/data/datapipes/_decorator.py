"""Decorators of data pipes: registration as a method, determinism, and checks of types."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any, Union, get_args, get_origin, get_type_hints

from numbatorch.utils.data.datapipes.datapipe import IterDataPipe, MapDataPipe


class functional_datapipe:
    """Decorator: `pipe.name(...)` makes the decorated class with `pipe` as its first argument.

    TypeError for classes that are no data pipes; Exception for a name that is taken.
    """

    def __init__(self, name: str, enable_df_api_tracing: bool = False):
        self.name, self.enable_df_api_tracing = name, enable_df_api_tracing

    def __call__(self, cls: type) -> type:
        for kind in (IterDataPipe, MapDataPipe):
            if isinstance(cls, type) and issubclass(cls, kind):
                kind.register_datapipe_as_function(self.name, cls, self.enable_df_api_tracing)
                return cls
        raise TypeError(f"functional_datapipe: `{self.name}` can only decorate subclasses of IterDataPipe and "
                        f"MapDataPipe, got {cls!r}")


_determinism = [False]


class guaranteed_datapipes_determinism:
    """Context manager: inside, making a pipe that is marked as non-deterministic is a TypeError."""

    def __init__(self) -> None:
        self.before = _determinism[0]
        _determinism[0] = True

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: Any) -> None:
        _determinism[0] = self.before


class non_deterministic:
    """Decorator of an IterDataPipe whose order changes from run to run; or, given a function of the arguments of
    `__init__`, of one that does when that says True."""

    cls: type | None = None

    def __init__(self, arg: type | Callable[..., bool]):
        if isinstance(arg, type):
            if not issubclass(arg, IterDataPipe):
                raise TypeError(f"Only `IterDataPipe` can be decorated with `non_deterministic`, but {arg.__name__} is "
                                "found")
            self.cls = arg
        elif not callable(arg):
            raise TypeError(f"{arg} can not be decorated by non_deterministic")
        self.deterministic_fn = arg

    def __call__(self, *args: Any, **options: Any) -> Any:
        if self.cls is not None:  # the decorated class is called
            if _determinism[0]:
                raise _refused(self.cls.__name__)
            return self.cls(*args, **options)
        if not (len(args) == 1 and isinstance(args[0], type) and issubclass(args[0], IterDataPipe)):
            found = getattr(args[0], "__name__", args[0]) if args else "nothing"
            raise TypeError(f"Only `IterDataPipe` can be decorated, but {found} is found")
        self.cls = args[0]
        return self._checked

    def _checked(self, *args: Any, **options: Any) -> Any:
        varies = self.deterministic_fn(*args, **options)
        if not isinstance(varies, bool):
            raise TypeError(f"deterministic_fn of `non_deterministic` decorator is required to return a boolean value, "
                            f"but {type(varies)} is found")
        if _determinism[0] and varies:
            raise _refused(self.cls.__name__)  # type: ignore[union-attr]
        return self.cls(*args, **options)  # type: ignore[misc]


def _refused(name: str) -> TypeError:
    return TypeError(f"{name} is non-deterministic, but you set 'guaranteed_datapipes_determinism'. You can turn off "
                     "determinism for this DataPipe if that is acceptable for your application")


def _classes(hint: Any) -> tuple[type, ...] | None:
    """The classes that a hint allows, None where it is none that isinstance can answer."""
    if get_origin(hint) in (Union, types.UnionType):
        parts = [_classes(part) for part in get_args(hint)]
        return None if None in parts else tuple(kind for part in parts for kind in part or ())
    if hint is None:
        return (type(None),)
    kind = get_origin(hint) or hint
    return (kind,) if isinstance(kind, type) else None


def _element(hint: Any) -> Any:
    """What a pipe says that it yields: int for IterDataPipe[int] or a subclass of that; None where it does not say."""
    if get_args(hint):
        return get_args(hint)[0]
    for base in getattr(get_origin(hint) or hint, "__orig_bases__", ()):
        if get_args(base) and isinstance(get_origin(base), type) and issubclass(get_origin(base), IterDataPipe):
            return get_args(base)[0]
    return None


def argument_validation(f: Callable) -> Callable:
    """Decorator of a function with parameters annotated as data pipes: TypeError for arguments that are none, or that
    yield something else than `IterDataPipe[kind]` says."""
    signature, hints = inspect.signature(f), get_type_hints(f)

    @functools.wraps(f)
    def wrapper(*args: Any, **options: Any) -> Any:
        for name, value in signature.bind(*args, **options).arguments.items():
            hint = hints.get(name)
            kind = get_origin(hint) or hint
            if not (isinstance(kind, type) and issubclass(kind, (IterDataPipe, MapDataPipe))):
                continue
            if not isinstance(value, kind):
                raise TypeError(f"Expected argument '{name}' as a {kind.__name__}, but found {type(value)}")
            wanted, given = _classes(_element(hint)), _classes(_element(type(value)))
            if wanted and given and _element(hint) is not None and _element(type(value)) is not None:
                if not all(issubclass(g, wanted) for g in given):
                    raise TypeError(f"Expected type of argument '{name}' as a subtype of hint {_element(hint)}, but "
                                    f"found {_element(type(value))}")
        return f(*args, **options)
    return wrapper


_validation = [True]


class runtime_validation_disabled:
    """Context manager: inside, `runtime_validation` checks nothing."""

    def __init__(self) -> None:
        self.before = _validation[0]
        _validation[0] = False

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: Any) -> None:
        _validation[0] = self.before


def runtime_validation(f: Callable) -> Callable:
    """Decorator of a pipe's `__iter__`: RuntimeError for a sample that is not of the type that the pipe says it yields.

    TypeError for other functions.
    """
    if f.__name__ != "__iter__":
        raise TypeError(f"Can not decorate function {f.__name__} with 'runtime_validation'")

    @functools.wraps(f)
    def wrapper(self: Any) -> Iterator:
        element = _element(type(self))
        wanted = None if element is None else _classes(element)
        for sample in f(self):
            if _validation[0] and wanted is not None and not isinstance(sample, wanted):
                raise RuntimeError(f"Expected an instance as subtype of {element}, but found {sample}({type(sample)})")
            yield sample
    return wrapper
