"""The C library of the GPU, in the emulator, against Python's own functions."""

import math

import numpy as np
import pytest

from numbatorch.cuda.compile import compile_kernel
from numbatorch.cuda.emulator.arena import Arena
from numbatorch.cuda.emulator.schedule import Program

BOUNDS = {  # function: (largest error in units of the last place, range of each argument)
    "sin": (2, (-10, 10)), "cos": (2, (-10, 10)), "tan": (4, (-10, 10)), "atan": (2, (-9, 9)), "asin": (4, (-1, 1)),
    "acos": (4, (-1, 1)), "sinh": (4, (-30, 30)), "cosh": (3, (-30, 30)), "asinh": (4, (-1e3, 1e3)),
    "acosh": (4, (1, 1e3)), "atanh": (4, (-1, 1)), "atan2": (4, (-5, 5)), "hypot": (2, (-1e3, 1e3)),
    "pow": (2, (0, 50)), "fmod": (0, (-1e5, 1e5)), "nextafter": (0, (-3, 3))}
SPECIAL = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 0.5, -2.0, 3.0, 1e300, -1e-300, 5e-324, 1e22, 2.0**70]


def run(name, *arguments, dtype="float64"):
    names = "ab"[: len(arguments)]
    text = (f"def library({', '.join(names)}, out, n):\n    i = grid()\n    if i < n:\n        out[i] = "
            f"library_{name}_{dtype}({', '.join(f'{letter}[i]' for letter in names)})\n")
    arena, places = Arena(1 << 20), []
    for array in (*arguments, np.zeros_like(arguments[0])):
        places.append(arena.allocate(array.nbytes))
        arena.window(places[-1], array.nbytes)[:] = array.view("u1")
    kernel = compile_kernel("library", text, (f"{dtype}*",) * (len(arguments) + 1) + ("int64",))

    def place(constant):
        address = arena.allocate(constant.size)
        arena.window(address, constant.size)[:] = np.frombuffer(constant.data, "u1")
        return address
    Program(kernel.ptx(), "library", place).launch(arena, (-(-arguments[0].size // 256), 1, 1), (256, 1, 1), [
        *places, arguments[0].size])
    return arena.window(places[-1], arguments[0].nbytes).view(dtype).copy()


def exact(name, *arguments):
    """What C's function gives, which is within a unit of the truth."""
    function = {"nextafter": math.nextafter, "asin": math.asin}.get(name) or getattr(math, name)
    try:
        return function(*arguments)
    except ValueError:
        if name == "pow" and arguments[0] == 0:
            return math.copysign(math.inf, arguments[0]) if is_odd(arguments[1]) else math.inf
        return math.copysign(math.inf, arguments[0]) if name == "atanh" and abs(arguments[0]) == 1 else math.nan
    except OverflowError:
        return math.copysign(math.inf, arguments[0] if name == "sinh" or name == "pow" and is_odd(arguments[1]) else 1)


def is_odd(value):
    return math.isfinite(value) and math.fmod(value, 2) in (1, -1)


@pytest.mark.parametrize("name", BOUNDS)
def test_functions_are_within_their_bounds(name):
    bound, (low, high) = BOUNDS[name]
    count = 2 if name in ("atan2", "hypot", "pow", "fmod", "nextafter") else 1
    generator = np.random.default_rng(0)
    given = [np.concatenate([generator.uniform(low, high, 400), generator.uniform(low, high, 100) * 1e-3 + max(low, 0)])
             for _ in range(count)]
    if name in ("sin", "cos", "tan"):
        given[0][:200] = generator.uniform(-1, 1, 200) * 2.0 ** generator.integers(10, 1000, 200)
        given[0][200:203] = [math.pi, 11 * math.pi / 2, 1e5 + 1]
    found = run(name, *given)
    expected = np.array([exact(name, *map(float, a)) for a in zip(*given, strict=True)])
    with np.errstate(invalid="ignore"):
        error = np.abs(found - expected) / np.maximum(np.spacing(np.abs(expected)), 5e-324)
    assert np.nanmax(np.where(found == expected, 0, error)) <= bound


@pytest.mark.parametrize("name", BOUNDS)
def test_special_arguments_give_what_c_gives(name):
    count = 2 if name in ("atan2", "hypot", "pow", "fmod", "nextafter") else 1
    grid = np.array(np.meshgrid(*[SPECIAL] * count)).reshape(count, -1)
    found = run(name, *(np.ascontiguousarray(row) for row in grid))
    for value, *arguments in zip(found, *grid, strict=True):
        want = exact(name, *map(float, arguments))
        near = abs(value - want) <= 1e-14 * abs(want) if math.isfinite(want) else value == want
        assert near or value == want or (math.isnan(value) and math.isnan(want)), (arguments, value, want)
        if want == 0 and not math.isnan(value):
            assert math.copysign(1, value) == math.copysign(1, want), (arguments, value, want)


def test_the_float64_nearest_to_a_multiple_of_half_pi_keeps_all_bits():
    """Muller, Elementary Functions, section 11.2: its cosine, -4.6871659242546276e-19, which not every libm has."""
    x = np.array([6381956970095103 * 2.0**797])
    assert run("cos", x)[0] == -4.6871659242546276e-19 and run("sin", x)[0] == 1.0


def test_float32_remainders_and_neighbours():
    generator = np.random.default_rng(1)
    a, b = generator.normal(0, 100, (2, 300)).astype("f")
    assert np.array_equal(run("fmod", a, b, dtype="float32"), np.fmod(a, b))
    assert np.array_equal(run("nextafter", a, b, dtype="float32"), np.nextafter(a, b))
