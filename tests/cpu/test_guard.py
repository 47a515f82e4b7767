"""Guards that look at Python's objects from machine code."""

import threading
from collections import OrderedDict

import numpy as np
import pytest

from numbatorch.cpu import guard as guards
from numbatorch.cpu.guard import Guard


@pytest.mark.parametrize("tags", [True, False])
def test_every_kind_of_row_sees_a_change_and_its_end(tags, monkeypatch):
    if not tags:  # as from CPython 3.13 on
        monkeypatch.setattr(guards, "has_tags", lambda: False)

    def function():
        return None

    whole, partly, order, items = {"a": 1, "b": "x"}, {"a": 1}, OrderedDict(a=1, b=2), [1, 2]
    guard = Guard()
    guard.item(partly, "a", partly["a"], False)  # before rows that a word tells
    guard.whole(whole, list(whole.items()), {"b"})
    guard.whole(order, list(order.items()), ())
    seen = guard.order(order), guard.field(function, "__code__", function.__code__)
    guard.list(items, items)
    own = guard.finish()
    assert own.look() < 0 and own.look() < 0

    def changed(change, back, watched=True):
        change()
        assert (own.look() >= 0) is watched and (own.look() >= 0) is watched
        back()
        assert own.look() < 0 and own.look() < 0

    changed(lambda: whole.update(a=2), lambda: whole.update(a=1))
    changed(lambda: whole.update(b="y"), lambda: None, False)  # any value will do
    changed(lambda: whole.update(c=3), lambda: whole.pop("c"))
    changed(lambda: partly.update(a=7), lambda: partly.update(a=1))
    changed(lambda: partly.update(b=7), lambda: None, False)  # a key that it does not look at
    changed(lambda: items.append(3), items.pop)
    if seen[1]:
        own_code, other = function.__code__, (lambda: 1).__code__
        changed(lambda: setattr(function, "__code__", other), lambda: setattr(function, "__code__", own_code))
    if seen[0]:
        order.move_to_end("a")
        assert own.look() >= 0


def test_a_guard_without_words_and_one_without_rows():
    empty = Guard().finish()
    assert empty.look() < 0
    held = {"lr": 0.25}
    place = np.zeros(1)
    guard = Guard()
    guard.float(held, "lr", place.ctypes.data)
    assert guard.finish().look() < 0 and place[0] == 0.25
    held["lr"] = 1
    assert guard.look() >= 0


def test_a_guard_for_a_thread_holds_in_that_thread():
    guard = Guard()
    guard.thread(guards.this_thread())
    own, found = guard.finish(), []
    for _ in range(2):  # the second has the first one's memory, perhaps, but another number
        thread = threading.Thread(target=lambda: found.append(own.look()))
        thread.start()
        thread.join()
    assert own.look() < 0 and found == [0, 0]
