"""Measurement: the times of one piece of code, and how far they can be trusted."""

import contextlib
import dataclasses
import math
import statistics
from collections import defaultdict
from typing import Any

import numbatorch as torch

MOST_FIGURES = 4            # more are never trusted
FEWEST_SPREAD = 0.005       # smallest interquartile range, as a share of the median, that is believed
NOTABLE_SPREAD, LARGE_SPREAD = 0.1, 0.25  # shares of the median from where on a warning is given


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """What was measured, as texts, and on how many threads."""

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self):
        """The label (else the statement) and what follows it."""
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        if "\n" not in self.stmt:
            return self.stmt + (f": {self.sub_label}" if self.sub_label else "")
        return f"stmt:{f' ({self.sub_label})' if self.sub_label else ''}\n" + _indented(self.stmt, 2)

    def setup_str(self):
        """The preparation, as lines to print."""
        if not self.setup or self.setup == "pass":
            return ""
        return f"setup: {self.setup}" if "\n" not in self.setup else f"setup:\n{_indented(self.setup, 2)}"

    def summarize(self):
        """Title, description and preparation, a line each."""
        return "\n".join([self.title, *([self.description] if self.description else []),
                          *([self.setup_str()] if self.setup_str() else [])])


def _indented(text, width):
    return "\n".join(" " * width + line for line in text.splitlines())


class Measurement:
    """`raw_times`: seconds of `number_per_run` executions each. `times` are those of one execution."""

    def __init__(self, number_per_run, raw_times, task_spec, metadata=None):
        self.number_per_run, self.raw_times, self.task_spec = number_per_run, list(raw_times), task_spec
        self.metadata = metadata

    def __getattr__(self, name):
        if name != "task_spec" and hasattr(self.task_spec, name):  # label, sub_label, description, num_threads, ...
            return getattr(self.task_spec, name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @property
    def times(self):
        """Seconds of one execution, one for each run."""
        return [t / self.number_per_run for t in self.raw_times]

    def _some(self):
        if not self.raw_times:
            raise ValueError("Measurement: there are no times")
        return self.times

    @property
    def median(self):
        """The median time."""
        return statistics.median(self._some())

    @property
    def mean(self):
        """The mean time."""
        return statistics.fmean(self._some())

    def _quartiles(self):
        times = sorted(self._some())
        return [_quantile(times, q) for q in (0.25, 0.75)]

    @property
    def iqr(self):
        """The range of the middle half of the times."""
        low, high = self._quartiles()
        return high - low

    @property
    def significant_figures(self):
        """How many digits of the median mean something: those that a confidence interval of it does not reach.

        The standard error of a median of n normal values is 1.253 sigma / sqrt(n); sigma is iqr / 1.349.
        """
        times = self._some()
        sigma = max(self.iqr / 1.349, FEWEST_SPREAD * self.median / 1.349)
        interval = 1.645 * 1.253 * sigma / math.sqrt(len(times))  # 90 % to both sides
        if not interval:
            return MOST_FIGURES
        return max(1, min(MOST_FIGURES, math.ceil(math.log10(self.median / interval))))

    @property
    def has_warnings(self):
        """Whether the times scatter so much that something else disturbed them."""
        return not self.meets_confidence(LARGE_SPREAD)

    def meets_confidence(self, threshold=LARGE_SPREAD):
        """Whether the middle half of the times lies within a share of the median."""
        return self.iqr / self.median < threshold

    @property
    def title(self):
        """What was measured."""
        return self.task_spec.title

    @property
    def env(self):
        """Where it was measured, as the Timer was told."""
        return "Unspecified env" if self.task_spec.env is None else self.task_spec.env

    @property
    def as_row_name(self):
        """The name of its row in a comparison."""
        return self.task_spec.sub_label or self.task_spec.stmt or "[Unknown]"

    def __repr__(self):
        unit, scale = select_unit(self.median)
        figures = self.significant_figures
        lines = [f"{object.__repr__(self)}", self.task_spec.summarize()]
        several = len(self.raw_times) > 1

        def text(value):
            return f"{trim_sigfig(value / scale, max(figures, 3)):.2f}"
        if several:
            low, high = self._quartiles()
            lines += [f"  Median: {text(self.median)} {unit}",
                      f"  IQR:    {text(self.iqr)} {unit} ({text(low)} to {text(high)})"]
        else:
            lines.append(f"  {text(self.median)} {unit}")
        count = f"  {len(self.raw_times)} measurement{'s' * several}, {self.number_per_run} runs "
        threads = self.task_spec.num_threads
        lines.append(f"{count}{'per measurement' * several}, {threads} thread{'s' * (threads > 1)}")
        spread = self.iqr / self.median
        if spread >= NOTABLE_SPREAD:
            lines += [f"  WARNING: Interquartile range is {100 * spread:.1f}% of the median measurement.",
                      "           " + ("Something else disturbed it." if spread >= LARGE_SPREAD else
                                       "Something else may have disturbed it.")]
        return "\n".join(lines)

    @staticmethod
    def merge(measurements):
        """Measurements of the same task as one each, in a list."""
        groups: dict[Any, list[Measurement]] = defaultdict(list)
        for m in measurements:
            groups[m.task_spec].append(m)
        merged = []
        for spec, group in groups.items():
            number = group[0].number_per_run
            times = [t if m.number_per_run == number else t / m.number_per_run * number
                     for m in group for t in m.raw_times]
            merged.append(Measurement(number, times, spec))
        return merged


def _quantile(ordered, share):
    """By linear interpolation between sorted values."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def select_unit(t):
    """(unit, seconds in it) that suits a time: ("us", 1e-6)."""
    power = max(-3, min(0, math.floor(math.log10(t) / 3))) if t > 0 else -3
    return {-3: "ns", -2: "us", -1: "ms", 0: "s"}[power], 10.0 ** (3 * power)


def unit_to_english(u):
    """A unit's name: "us" as "microseconds"."""
    return {"ns": "nanoseconds", "us": "microseconds", "ms": "milliseconds", "s": "seconds"}[u]


def trim_sigfig(x, n):
    """A number rounded to n significant digits."""
    if x == 0:
        return 0.0
    scale = 10 ** (math.floor(math.log10(abs(x))) + 1 - n)
    return float(round(x / scale) * scale)


def ordered_unique(elements):
    """Elements without repetitions, in the order of their first."""
    return list(dict.fromkeys(elements))


@contextlib.contextmanager
def set_torch_threads(n):
    """Use n threads for kernels inside."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(n)
        yield
    finally:
        torch.set_num_threads(before)
