"""Data pipes: steps as methods, one iterator at a time, determinism, checks of types."""

import pickle
from collections.abc import Iterator

import pytest

from numbatorch.utils import data


class Source(data.IterDataPipe[int]):
    def __init__(self, items):
        self.items, self.resets = items, 0

    def __iter__(self) -> Iterator[int]:
        yield from self.items

    def reset(self):
        self.resets += 1


@data.functional_datapipe("scale_by")
class Scaler(data.IterDataPipe):
    """Every sample times a number."""

    def __init__(self, source, by=2):
        self.source, self.by = source, by

    def __iter__(self):
        for sample in self.source:
            yield sample * self.by


class Texts(data.IterDataPipe[str]):
    def __iter__(self):
        yield "a"


@data.functional_datapipe("reversed_map")
class Reversed(data.MapDataPipe):
    def __init__(self, source):
        self.source = source

    def __getitem__(self, index):
        return self.source[len(self.source) - 1 - index]

    def __len__(self):
        return len(self.source)


@pytest.fixture(autouse=True)
def forget_steps():
    kinds = (data.IterDataPipe, data.MapDataPipe)
    before = [dict(kind.functions) for kind in kinds]
    yield
    for kind, functions in zip(kinds, before, strict=True):
        kind.functions.clear()
        kind.functions.update(functions)


def test_steps_are_methods():
    pipe = Source([1, 2]).scale_by().scale_by(by=10)
    assert list(pipe) == [20, 40] == list(pipe) and isinstance(pipe, Scaler) and repr(pipe) == "Scaler"
    assert "scale_by" in dir(pipe) and pipe.scale_by.func.__doc__ == "Every sample times a number."
    assert list(data.DataLoader(pipe, batch_size=None)) == [20, 40]
    assert list(pickle.loads(pickle.dumps(pipe))) == [20, 40]
    mapped = Reversed([1, 2, 3])
    assert mapped.reversed_map()[0] == 1 and len(mapped.reversed_map()) == 3
    with pytest.raises(AttributeError, match="neither set nor registered"):
        pipe.unheard_of()
    with pytest.raises(Exception, match="already taken"):
        data.functional_datapipe("scale_by")(Source)
    with pytest.raises(TypeError, match="can only decorate"):
        data.functional_datapipe("scale_by")(int)


def test_a_new_iterator_ends_the_one_before():
    pipe = Source([1, 2, 3])
    first = iter(pipe)
    assert next(first) == 1 and pipe._number_of_samples_yielded == 1
    second = iter(pipe)
    assert next(second) == 1 and pipe.resets == 2
    with pytest.raises(RuntimeError, match="invalidated"):
        next(first)
    assert list(second) == [2, 3]


def test_an_iteration_may_call_that_of_its_base():
    class Longer(Source):
        def __iter__(self):
            yield from super().__iter__()
            yield 0

    assert list(Longer([1])) == [1, 0]


def test_hooks():
    try:
        data.IterDataPipe.set_getstate_hook(lambda pipe: {"items": (7,), "resets": 0})
        with pytest.raises(RuntimeError, match="existing getstate_hook"):
            data.IterDataPipe.set_getstate_hook(lambda pipe: {})
        assert list(pickle.loads(pickle.dumps(Source([1])))) == [7]
    finally:
        data.IterDataPipe.set_getstate_hook(None)
    try:
        data.IterDataPipe.set_reduce_ex_hook(lambda pipe: (Source, ([9],)))
        assert list(pickle.loads(pickle.dumps(Source([1])))) == [9]
    finally:
        data.IterDataPipe.set_reduce_ex_hook(None)


def test_determinism():
    shuffled = data.non_deterministic(Source)
    maybe = data.non_deterministic(lambda items: len(items) > 1)(Source)
    assert list(shuffled([1])) == [1] and list(maybe([1, 2])) == [1, 2]
    with data.guaranteed_datapipes_determinism():
        assert list(maybe([1])) == [1]
        for make in (shuffled, maybe):
            with pytest.raises(TypeError, match="non-deterministic"):
                make([1, 2])
    assert list(shuffled([1])) == [1]
    with pytest.raises(TypeError, match="Only `IterDataPipe`"):
        data.non_deterministic(int)


def test_arguments_are_checked():
    @data.argument_validation
    def total(pipe: data.IterDataPipe[int], start: int = 0):
        return sum(pipe) + start

    assert total(Source([1, 2]), start=3) == 6
    with pytest.raises(TypeError, match="Expected argument 'pipe'"):
        total([1])
    with pytest.raises(TypeError, match="subtype of hint"):
        total(Texts())


def test_samples_are_checked():
    class Checked(data.IterDataPipe[int | None]):
        @data.runtime_validation
        def __iter__(self):
            yield from (1, None, "x")

    iterator = iter(Checked())
    assert next(iterator) == 1 and next(iterator) is None
    with pytest.raises(RuntimeError, match="Expected an instance"):
        next(iterator)
    with data.runtime_validation_disabled():
        assert list(Checked()) == [1, None, "x"]
    with pytest.raises(TypeError, match="Can not decorate"):
        data.runtime_validation(len)


def test_chunks():
    chunk = data.DataChunk([1, [2]])
    assert chunk == [1, [2]] and chunk.as_str(" ") == " [1, [2]]" and list(chunk.raw_iterator()) == [1, [2]]


def test_unwritten_methods():
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(data.IterDataPipe())
    with pytest.raises(NotImplementedError, match="__len__"):
        len(data.MapDataPipe())
    with pytest.raises(NotImplementedError, match="__getitem__"):
        data.MapDataPipe()[0]
    assert data.DFIterDataPipe()._is_dfpipe()
