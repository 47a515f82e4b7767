"""The bases of data pipes: streams (IterDataPipe) and samples by index (MapDataPipe), and how steps become methods.

    @functional_datapipe("scale")
    class Scaler(IterDataPipe):
        def __init__(self, source, by): self.source, self.by = source, by
        def __iter__(self): return (x * self.by for x in self.source)

    pipe.scale(2)                        # Scaler(pipe, 2)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from numbatorch.utils.data.dataset import Dataset, IterableDataset

Sample = TypeVar("Sample", covariant=True)


class _Steps:
    """Functions that are found as methods of every pipe of a kind, and how pipes are printed and pickled."""

    functions: dict[str, Callable]
    getstate_hook: Callable | None = None
    reduce_ex_hook: Callable | None = None
    str_hook: Callable | None = None
    repr_hook: Callable | None = None

    @classmethod
    def register_function(cls, function_name: str, function: Callable) -> None:
        """Let `pipe.function_name(...)` call function(pipe, ...)."""
        cls.functions[function_name] = function

    @classmethod
    def register_datapipe_as_function(cls, function_name: str, cls_to_register: type,
                                      enable_df_api_tracing: bool = False) -> None:
        """Let `pipe.function_name(...)` make cls_to_register(pipe, ...). Exception where the name is taken."""
        if function_name in cls.functions:
            raise Exception(f"Unable to add DataPipe function name {function_name} as it is already taken by "
                            f"{cls.functions[function_name]}")

        def make(source: Any, *args: Any, **options: Any) -> Any:
            return cls_to_register(source, *args, **options)

        functools.update_wrapper(make, cls_to_register, updated=())
        make.__name__ = function_name
        cls.functions[function_name] = make

    def __getattr__(self, name: str) -> Any:
        function = type(self).functions.get(name)
        if function is None:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}': it is neither set nor "
                                 f"registered with functional_datapipe")
        return functools.partial(function, self)

    @classmethod
    def set_getstate_hook(cls, hook_fn: Callable | None) -> None:
        """Let hook_fn(pipe) give what is pickled of a pipe. RuntimeError where another one is set."""
        if cls.getstate_hook is not None and hook_fn is not None:
            raise RuntimeError("Attempt to override existing getstate_hook")
        cls.getstate_hook = hook_fn

    @classmethod
    def set_reduce_ex_hook(cls, hook_fn: Callable | None) -> None:
        """Let hook_fn(pipe) give the reduction of a pipe; NotImplementedError leaves it to pickle."""
        if cls.reduce_ex_hook is not None and hook_fn is not None:
            raise RuntimeError("Attempt to override existing reduce_ex_hook")
        cls.reduce_ex_hook = hook_fn

    def __getstate__(self) -> Any:
        hook = type(self).getstate_hook
        return self.__dict__ if hook is None else hook(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        hook = type(self).reduce_ex_hook
        if hook is not None:
            try:
                return hook(self)
            except NotImplementedError:
                pass  # the hook leaves this pipe to pickle
        return super().__reduce_ex__(protocol)

    def __str__(self) -> str:
        hook = type(self).str_hook
        return type(self).__qualname__ if hook is None else hook(self)

    def __repr__(self) -> str:
        hook = type(self).repr_hook
        return type(self).__qualname__ if hook is None else hook(self)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *type(self).functions]


class _Iteration:
    """An iterator of a pipe: the latest one, or an error."""

    def __init__(self, pipe: Any, iterator: Iterator, number: int):
        self._pipe, self._iterator, self._number = pipe, iterator, number

    def __iter__(self) -> _Iteration:
        return self

    def __next__(self) -> Any:
        if self._pipe._iterations != self._number:
            raise RuntimeError(f"This iterator has been invalidated because another iterator has been created from the "
                               f"same IterDataPipe: {self._pipe!r}; a pipe has one iterator at a time, make another "
                               "pipe for a second one")
        sample = next(self._iterator)
        self._pipe._number_of_samples_yielded += 1
        return sample

    def __getattr__(self, name: str) -> Any:
        return getattr(self._iterator, name)


class IterDataPipe(_Steps, IterableDataset[Sample]):
    """A stream: subclasses define `__iter__`. Every new iterator calls `reset` and ends the one before."""

    functions: dict[str, Callable] = {}
    _iterations = 0
    _number_of_samples_yielded = 0

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__iter__" in cls.__dict__:
            cls.__iter__ = _guarded(cls.__dict__["__iter__"])  # type: ignore[method-assign]

    def __iter__(self) -> Iterator[Sample]:
        raise NotImplementedError(f"{type(self).__name__}.__iter__ is not written: subclasses of IterDataPipe define "
                                  "it")

    def reset(self) -> None:
        """Called before every iteration: subclasses that keep something of the last one clear it here."""


def _guarded(function: Callable) -> Callable:
    @functools.wraps(function)
    def __iter__(self: Any) -> Any:
        if type(self).__iter__ is not __iter__:  # super().__iter__(): the subclass's guards already
            return function(self)
        self._iterations += 1
        self._number_of_samples_yielded = 0
        self.reset()
        return _Iteration(self, iter(function(self)), self._iterations)
    return __iter__


class DFIterDataPipe(IterDataPipe):
    """A stream of data frames."""

    def _is_dfpipe(self) -> bool:
        return True


class MapDataPipe(_Steps, Dataset[Sample]):
    """Samples by index: subclasses define `__getitem__` and `__len__`."""

    functions: dict[str, Callable] = {}

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}.__len__ is not written: subclasses of MapDataPipe define it")


class DataChunk(list):
    """A batch of samples: a list that prints what it holds; `raw_iterator` gives them as they are."""

    def __init__(self, items: Any):
        items = list(items)
        super().__init__(items)
        self.items = items

    def as_str(self, indent: str = "") -> str:
        """The items in brackets, after `indent`."""
        return indent + "[" + ", ".join(str(item) for item in self) + "]"

    def __iter__(self) -> Iterator:
        yield from super().__iter__()

    def raw_iterator(self) -> Iterator:
        """The items."""
        yield from self.items
