"""The source of functions in parts: whichever lines stay, the function does the same."""

import itertools

import numbatorch as torch
from numbatorch.compiler import splitting

log: list = []


def branches(x, y=2, *rest, flag=True, **named):
    """A function with one of each."""
    total = w = 0
    for k in range(4):
        z = x * k
        total = total + z
        if total > 50:
            break
        elif total > 5:
            log.append(total)
            w = abs(3 * k)
        else:
            w += abs(-4)
            if k == 7:
                continue
        total += w
    while total > 90:
        total -= abs(-30)
    else:
        named = {**named, "e": abs(total)}
    with torch.no_grad():
        q = total * y
        log.append(q)
        r = [a * q for a in rest]
    try:
        last = r[0] * 2
        only = abs(last)
    except IndexError as error:
        last = only = str(error)
    finally:
        log.append("finally")
    if flag:
        return q + sum(r), last, only, sorted(named.items())
    del q
    return r, w, last, named


def test_whatever_lines_stay():
    source = splitting.read(branches)
    first, last = branches.__code__.co_firstlineno, source.tree.end_lineno
    assert first + 9 in source.changing()
    calls = [((3,), {}), ((3, 4, 5, 6), {}), ((30, 4, 5), {"flag": False}), ((0,), {"flag": False, "k": 1})]
    expected = []
    for args, kwargs in calls:
        log.clear()
        expected.append((branches(*args, **kwargs), [*log]))
    made = []

    def make(key, part):
        made.append(key)
        return part
    pairs = [{k} for k in range(first, last + 1)] + [set(p) for p in itertools.combinations(
        range(first + 2, last + 1, 3), 2)] + [set()]
    for lines in pairs:
        run = source.split(lines, make)
        assert run.__defaults__ == (2,) and run.__code__.co_filename == __file__
        for (args, kwargs), (result, noted) in zip(calls, expected, strict=True):
            log.clear()
            assert run(*args, **kwargs) == result and log == noted, lines
    assert len(set(made)) > 30


def nested():
    return [(lambda x: x)(k) for k in range(3)]


def suspended():
    yield 1


def test_what_cannot_be_divided():
    shared = 0

    def counting():
        nonlocal shared
        shared = shared + 1
        y = abs(-shared)
        return y
    assert splitting.read(nested) is splitting.read(suspended) is splitting.read(len) is None
    scope: dict = {}
    exec("def f(x):\n    return x + 1", scope)
    assert splitting.read(scope["f"]) is None
    kept = []
    run = splitting.read(counting).split(set(), lambda key, part: kept.append(key) or part)
    assert run() == 1 and run() == 2 and shared == 2 and len(kept) == 1 and kept[0][0] + 1 == kept[0][1]
