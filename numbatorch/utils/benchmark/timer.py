"""Timer: run a statement often enough to say how long it takes."""

import enum
import textwrap
import timeit
from typing import Any

from .measurement import Measurement, TaskSpec, set_torch_threads

timer = timeit.default_timer


class Language(enum.Enum):
    """Languages of statements."""

    PYTHON = 0
    CPP = 1


class Timer:
    """Times `stmt` after `setup`, both Python text, with the names in `globals`.

    label, sub_label, description: what, on what, and which way, for `Compare`. env: where. num_threads: for kernels,
    1 unless given. NotImplementedError for language "c++".
    """

    def __init__(self, stmt="pass", setup="pass", global_setup="", timer=timer, globals=None, label=None,
                 sub_label=None, description=None, env=None, num_threads=1, language=Language.PYTHON):
        if not isinstance(stmt, str):
            raise ValueError(f"Timer: only strings are supported for stmt, got {type(stmt).__name__}")
        if language not in (Language.PYTHON, "py", "python"):
            raise NotImplementedError(f"Timer: statements are Python, got language={language!r}: there is no C++ API")
        if global_setup:
            raise ValueError("Timer: global_setup is C++ only; put it into setup")
        stmt, setup = (textwrap.dedent(s).strip() for s in (stmt, setup))
        self._globals: dict[str, Any] = dict(globals or {})
        self._globals.setdefault("torch", __import__("numbatorch"))
        self._timer = timeit.Timer(stmt, setup, timer, self._globals)
        self._task_spec = TaskSpec(stmt=stmt, setup=setup, label=label, sub_label=sub_label, description=description,
                                   env=env, num_threads=num_threads)

    def _timeit(self, number):
        return max(self._timer.timeit(number), 1e-9)  # a clock of coarse steps may say 0

    def _measurement(self, number, times):
        return Measurement(number, times, self._task_spec)

    def timeit(self, number=1000000):
        """`number` executions, timed as one run, after a hundredth of that to warm up."""
        with set_torch_threads(self._task_spec.num_threads):
            self._timeit(max(number // 100, 2))
            return self._measurement(number, [self._timeit(number)])

    def repeat(self, repeat=-1, number=-1):
        """NotImplementedError: use `blocked_autorange`."""
        raise NotImplementedError("Timer.repeat: use blocked_autorange(), which chooses the number of runs itself")

    def autorange(self, callback=None):
        """NotImplementedError: use `blocked_autorange`."""
        raise NotImplementedError("Timer.autorange: use blocked_autorange(), which takes several runs")

    def _block_size(self, min_run_time):
        """Executions that take long enough together for reading the clock to cost less than 0.01 % of them."""
        overhead = sorted(self._overhead() for _ in range(5))[2]
        number = 1
        while True:
            taken = self._timeit(number)
            if overhead / taken <= 1e-4 and taken >= min_run_time / 1000 or taken > min_run_time or (
                    number >= 10**9):
                return number
            number *= 10

    def _overhead(self):
        return max(self._timer.timeit(0), 0.0)

    def blocked_autorange(self, callback=None, min_run_time=0.2):
        """Runs of a size chosen so that the clock does not matter, until `min_run_time` seconds have been measured.

        callback(number, seconds) is called after each.
        """
        with set_torch_threads(self._task_spec.num_threads):
            number, times = self._block_size(min_run_time), []
            while sum(times) < min_run_time:
                times.append(self._timeit(number))
                if callback is not None:
                    callback(number, times[-1])
            return self._measurement(number, times)

    def adaptive_autorange(self, threshold=0.1, *, min_run_time=0.01, max_run_time=10.0, callback=None):
        """Runs until the middle half of the times lies within `threshold` of the median, or `max_run_time` is over."""
        with set_torch_threads(self._task_spec.num_threads):
            number, times = self._block_size(0.05), []
            while sum(times) < max_run_time:
                times.append(self._timeit(number))
                if callback is not None:
                    callback(number, times[-1])
                if len(times) > 3 and sum(times) > min_run_time and self._measurement(number, times).meets_confidence(
                        threshold):
                    break
            return self._measurement(number, times)

    def collect_callgrind(self, number=100, *, repeats=None, collect_baseline=True, retain_out_file=False):
        """NotImplementedError: Valgrind counts instructions of compiled programs, kernels here are made as they run."""
        raise NotImplementedError("Timer.collect_callgrind: Valgrind cannot follow kernels that are compiled as the "
                                  "program runs; use blocked_autorange()")
