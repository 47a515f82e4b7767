"""utils.benchmark: what is measured and how it is shown; clocks here are made up, no test depends on the machine."""

import pytest

import numbatorch as torch
from numbatorch.utils.benchmark import (
    Compare,
    FuzzedParameter,
    FuzzedTensor,
    Fuzzer,
    Measurement,
    ParameterAlias,
    TaskSpec,
    Timer,
    select_unit,
    trim_sigfig,
)


class Clock:
    """Reading it takes no time; statements say how long they take."""

    now = 0.0

    def __call__(self):
        return self.now

    def take(self, seconds):
        self.now += seconds


def timed(seconds):
    clock = Clock()
    return Timer(f"clock.take({seconds})", globals={"clock": clock}, timer=clock)


def measured(times, number=1, **spec):
    return Measurement(number, times, TaskSpec(stmt="f()", setup="pass", **spec))


def test_timer_counts_runs():
    counts = []
    m = Timer("counts.append(torch.get_num_threads())", globals={"counts": counts}, num_threads=1).timeit(200)
    assert len(counts) == 200 + 2 and set(counts) == {1} and m.number_per_run == 200
    m = timed(0.5).timeit(4)
    assert m.raw_times == [2.0] and m.median == 0.5


def test_autoranges_stop():
    called = []
    m = timed(0.0625).blocked_autorange(lambda n, t: called.append((n, t)), min_run_time=0.25)
    assert m.raw_times == [0.0625] * 4 and called == [(1, 0.0625)] * 4
    assert len(timed(0.125).adaptive_autorange().raw_times) == 4
    m = Timer("x = torch.ones(2) + 1").blocked_autorange(min_run_time=0.01)
    assert m.median > 0


def test_statistics():
    m = measured([2.0, 4.0, 6.0, 8.0, 10.0], number=2)
    assert m.times == [1, 2, 3, 4, 5] and m.median == 3 and m.mean == 3 and m.iqr == 2
    assert m.has_warnings and not m.meets_confidence(0.5) and m.meets_confidence(0.7)
    assert measured([1.0] * 100).significant_figures > measured([1.0, 1.5, 2.0]).significant_figures == 1
    assert "WARNING" in repr(m) and "Median: 3.00 s" in repr(m) and "5 measurements, 2 runs per measurement" in repr(m)
    assert "1 measurement, 1 runs" in repr(measured([1e-6])) and "1.00 us" in repr(measured([1e-6]))
    (merged,) = Measurement.merge([measured([1.0]), measured([4.0], number=2)])
    assert merged.raw_times == [1.0, 2.0]
    with pytest.raises(ValueError, match="no times"):
        measured([]).median  # noqa: B018


def test_labels():
    m = measured([1.0], label="add", sub_label="small", description="mine")
    assert m.title == "add: small" and m.as_row_name == "small" and m.description == "mine" and m.num_threads == 1
    assert measured([1.0]).title == "f()" and measured([1.0]).env == "Unspecified env"


def test_units():
    assert select_unit(2e-6)[0] == "us" and select_unit(0.5)[0] == "ms" and select_unit(20)[0] == "s"
    assert trim_sigfig(1234.5, 2) == 1200 and trim_sigfig(0.0, 2) == 0


def test_compare():
    results = [measured([t * 1e-6], label="add", sub_label=row, description=column, num_threads=threads)
               for t, row, column, threads in ((1, "small", "a", 1), (3, "small", "b", 1), (20, "large", "a", 2))]
    table = Compare(results)
    lines = str(table).splitlines()
    assert "add" in lines[0] and lines[1].split() == ["|", "a", "|", "b"]
    assert [line.split() for line in lines if "small" in line] == [["small", "|", "1.0", "|", "3.0"]]
    assert lines.index(next(x for x in lines if x.startswith("1 thread: "))) < lines.index(
        next(x for x in lines if x.startswith("2 threads: ")))
    assert "Times are in microseconds (us)." in lines
    table.trim_significant_figures()
    table.highlight_warnings()
    table.colorize(rowwise=True)
    assert "\033[91m" in str(table)
    with pytest.raises(ValueError, match="Expected an instance of `Measurement`"):
        table.extend_results([3])


def test_refusals():
    for call in (lambda: Timer(language="c++"), lambda: Timer().repeat(), lambda: Timer().collect_callgrind()):
        with pytest.raises(NotImplementedError, match="Timer"):
            call()
    with pytest.raises(ValueError, match="only strings"):
        Timer(len)


def test_fuzzer():
    fuzzer = Fuzzer(
        [FuzzedParameter("n", 2, 8, "loguniform"), FuzzedParameter("p", 0.0, 1.0, "uniform"),
         FuzzedParameter("m", distribution={3: 0.5, 4: 0.5}),
         FuzzedParameter("k", distribution={ParameterAlias("m"): 1.0})],
        [FuzzedTensor("x", ("n", "m"), steps=(1, 2), probability_contiguous=0.3, max_elements=24),
         FuzzedTensor("i", ("m",), dtype=torch.int64)],
        constraints=[lambda n, **_: n != 5], seed=0)
    drawn = list(fuzzer.take(20))
    again = list(fuzzer.take(20))
    assert [d[2] for d in drawn] == [d[2] for d in again]
    for tensors, properties, params in drawn:
        assert tensors["x"].shape == (params["n"], params["m"]) and params["n"] != 5 and params["k"] == params["m"]
        assert properties["x"]["numel"] <= 24 and tensors["i"].dtype is torch.int64
    assert 0 < fuzzer.rejection_rate < 1
    with pytest.raises(RuntimeError, match="rejected"):
        list(Fuzzer([FuzzedParameter("n", 1, 2, "uniform")], [], [lambda n: False]).take(1))
    with pytest.raises(ValueError, match="sum to 0.5"):
        FuzzedParameter("n", distribution={1: 0.5})
