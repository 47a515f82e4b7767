"""The profilers: what is seen, how it nests, sums, tables, traces, schedules. No test looks at how long a call took."""

import gzip
import json

import pytest

import numbatorch as torch
from numbatorch.autograd import profiler as autograd_profiler
from numbatorch.profiler import (
    ExecutionTraceObserver,
    ProfilerAction,
    ProfilerActivity,
    limits,
    machine_limits,
    profile,
    record_function,
    schedule,
    supported_activities,
    tensorboard_trace_handler,
)


def work(n=3):
    x = torch.ones(n, 4, requires_grad=True)
    w = torch.ones(4, 5, requires_grad=True)
    return (x @ w).relu().sum()


def by_name(events):
    return {e.key: e for e in events.key_averages()}


def test_ops_and_nodes_nest():
    with profile(record_shapes=True, with_flops=True) as prof:
        with record_function("forward"):
            y = work()
        y.backward()
    events = prof.events()
    names = {e.name: e for e in events}
    assert names["aten::matmul"].cpu_parent.name == "forward" and names["forward"].is_user_annotation
    assert names["aten::matmul"].input_shapes == [[3, 4], [4, 5]]
    mm = [e for e in events if e.name == "aten::mm"]
    assert [e.flops for e in mm] == [2 * 3 * 4 * 5] * 3
    assert mm[0].bytes_moved == 4 * (12 + 20 + 15)
    assert [e.cpu_parent.name for e in mm] == ["aten::matmul", "MmBackward0", "MmBackward0"]
    assert names["ReluBackward0"].flops == 15 and names["ReluBackward0"].cpu_parent is None
    for e in events:
        assert e.time_range.start <= e.time_range.end and e.self_cpu_time_total >= 0
        assert all(e.time_range.start <= c.time_range.start and c.time_range.end <= e.time_range.end
                   for c in e.cpu_children)


def test_internal_ops_are_part_of_their_node():
    def names():
        with profile() as prof:
            (torch.ones(3, requires_grad=True).softmax(0) ** 2).sum().backward()
        return [e.name for e in prof.events()]
    assert names() == names()


def test_nothing_is_seen_outside_and_other_modes_stay():
    with profile() as prof:
        pass
    work()
    assert prof.events() == [] and prof.key_averages().table() == ""
    with profile(record_shapes=True) as prof, torch.autocast("cpu", dtype=torch.bfloat16):
        y = torch.nn.functional.linear(torch.ones(2, 2), torch.ones(2, 2))
    assert y.dtype is torch.bfloat16 and by_name(prof.events())["aten::linear"].count == 1


def test_sums_and_tables():
    with profile(record_shapes=True, with_flops=True, profile_memory=True, with_stack=True) as prof:
        for n in (2, 3):
            work(n).backward()
    sums = by_name(prof.events())
    assert sums["aten::mm"].count == 6 and sums["aten::mm"].flops == 3 * 2 * 4 * 5 * (2 + 3)
    assert sums["aten::mm"].cpu_memory_usage > 0
    shaped = [e for e in prof.key_averages(group_by_input_shape=True) if e.key == "aten::matmul"]
    assert sorted(e.input_shapes for e in shaped) == ["[[2, 4], [4, 5]]", "[[3, 4], [4, 5]]"]
    text = prof.key_averages(group_by_stack_n=1).table(sort_by="self_cpu_time_total", row_limit=4, header="Title")
    for part in ("Title", "Self CPU %", "# of Calls", "Total MFLOPs", "GB/s", "Of limit", "CPU Mem", "test_profiler"):
        assert part in text
    assert len(text.splitlines()) == 2 + 3 + 4 + 2
    table = prof.events().table(top_level_events_only=True, time_unit="ms")
    assert "aten::matmul" in table and "aten::mm " not in table
    with pytest.raises(AttributeError, match="no 'speed' to sort by"):
        prof.key_averages().table(sort_by="speed")
    with pytest.raises(ValueError, match="time_unit"):
        prof.key_averages().table(time_unit="h")
    total = prof.key_averages().total_average()
    assert total.key == "Total" and total.count == len(prof.events())


def test_modules_have_rows():
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
    with profile(with_modules=True) as prof:
        net(torch.ones(1, 2))
    names = {e.name: e for e in prof.events()}
    assert names["aten::linear"].cpu_parent.name == "nn.Module: Linear"
    assert names["nn.Module: Linear"].cpu_parent.name == "nn.Module: Sequential"
    net(torch.ones(1, 2))


def test_traces_and_stacks(tmp_path):
    with profile(record_shapes=True, with_stack=True, profile_memory=True) as prof:
        work().backward()
    prof.add_metadata_json("answer", "[42]")
    prof.export_chrome_trace(str(tmp_path / "trace.json.gz"))
    with gzip.open(tmp_path / "trace.json.gz", "rt") as file:
        trace = json.load(file)
    assert trace["answer"] == [42] and trace["trace_id"] == prof.get_trace_id()
    first = next(e for e in trace["traceEvents"] if e["name"] == "aten::matmul")
    assert first["ph"] == "X" and first["args"]["Input Dims"] == [[3, 4], [4, 5]]
    prof.export_stacks(str(tmp_path / "stacks"))
    lines = (tmp_path / "stacks").read_text().splitlines()
    assert any(";aten::mm" in line and "test_profiler.py" in line for line in lines)
    prof.export_memory_timeline(str(tmp_path / "memory.json"))
    times, used = json.loads((tmp_path / "memory.json").read_text())
    assert len(times) == len(used) > 0
    with profile() as prof:
        work()
    with pytest.raises(RuntimeError, match="with_stack=True"):
        prof.export_stacks(str(tmp_path / "stacks"))


def test_schedule():
    plan = schedule(wait=1, warmup=1, active=2, repeat=2, skip_first=1)
    n, w, r, s = (ProfilerAction[a] for a in ("NONE", "WARMUP", "RECORD", "RECORD_AND_SAVE"))
    assert [plan(k) for k in range(11)] == [n, n, w, r, s, n, w, r, s, n, n]
    assert schedule(wait=1, warmup=1, active=1, skip_first_wait=1)(0) is w
    with pytest.raises(ValueError, match="active=0"):
        schedule(wait=1, warmup=1, active=0)
    with pytest.warns(UserWarning, match="warmup"):
        schedule(wait=0, warmup=0, active=1)


def test_steps_follow_the_schedule(tmp_path):
    ready = []
    with profile(schedule=schedule(wait=1, warmup=1, active=2), activities=[ProfilerActivity.CPU],
                 on_trace_ready=lambda p: ready.append([e.name for e in p.events()])) as prof:
        for k in range(9):
            for _ in range(k):
                torch.ones(2).exp()
            prof.step()
    assert [names.count("aten::exp") for names in ready] == [2 + 3, 6 + 7]
    assert [n for n in ready[0] if n.startswith("Profiler")] == ["ProfilerStep#2", "ProfilerStep#3"]
    with profile(on_trace_ready=tensorboard_trace_handler(str(tmp_path / "log"), "me", use_gzip=True)):
        work()
    (written,) = (tmp_path / "log").iterdir()
    assert written.name.startswith("me.") and written.name.endswith(".pt.trace.json.gz")


def test_collection_can_pause():
    with profile() as prof:
        torch.ones(2).exp()
        prof.toggle_collection_dynamic(False, [ProfilerActivity.CPU])
        torch.ones(2).sin()
        prof.toggle_collection_dynamic(True, [ProfilerActivity.CPU])
        torch.ones(2).cos()
    names = {e.name for e in prof.events()}
    assert {"aten::exp", "aten::cos"} <= names and "aten::sin" not in names


def test_autograd_profiler():
    with autograd_profiler.profile(record_shapes=True) as prof:
        with pytest.raises(RuntimeError, match="already enabled"):
            autograd_profiler.profile().__enter__()
        with autograd_profiler.record_function("mine"):
            work().backward()
    assert by_name(prof.function_events)["mine"].count == 1
    assert "mine" in prof.table() and prof.self_cpu_time_total > 0
    with autograd_profiler.profile(enabled=False) as prof:
        work()
    with pytest.raises(RuntimeError, match="didn't finish"):
        prof.key_averages()
    with pytest.raises(RuntimeError, match="only the host's time can be told, not that of cuda"):
        autograd_profiler.profile(use_cuda=True)
    with autograd_profiler.emit_nvtx():
        work()
    with pytest.raises(NotImplementedError, match="nvprof"):
        autograd_profiler.load_nvprof("file")


def test_record_function_decorates():
    @record_function("decorated")
    def f(x):
        return x.exp()
    f(torch.ones(1))
    with profile() as prof:
        f(torch.ones(1))
    assert by_name(prof.events())["decorated"].count == 1


def test_errors_end_what_they_leave():
    with profile() as prof:
        with pytest.raises(RuntimeError):
            torch.ones(2, 3) @ torch.ones(2, 3)
        torch.ones(2).exp()
    names = {e.name: e for e in prof.events()}
    assert names["aten::exp"].cpu_parent is None


def test_execution_trace(tmp_path):
    observer = ExecutionTraceObserver().register_callback(str(tmp_path / "trace.json"))
    with profile(execution_trace_observer=observer):
        work()
    assert observer.is_registered and not observer.is_running
    nodes = json.loads((tmp_path / "trace.json").read_text())["nodes"]
    by = {n["name"]: n for n in nodes}
    assert by["aten::mm"]["ctrl_deps"] == by["aten::matmul"]["id"]
    assert by["aten::mm"]["inputs"]["shapes"] == [[3, 4], [4, 5]] and by["aten::mm"]["outputs"]["shapes"] == [[3, 5]]


def test_limits_are_positive():
    assert supported_activities() == {ProfilerActivity.CPU}
    assert min(machine_limits()) > 0


def test_limits_are_measured_with_numbers_of_their_own(monkeypatch):
    for name, value in (("ELEMENTS", 64), ("SIDE", 8), ("REPEATS", 1)):
        monkeypatch.setattr(limits, name, value)
    before = torch.get_rng_state()
    limits._measured.__wrapped__(1, torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), before)
