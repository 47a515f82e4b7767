"""The table of a profile."""

from .profiler_util import FunctionEvent, format_memory, format_time

_UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0}


def write(events, sort_by, row_limit, source_width, name_width, shapes_width, header, top_level_only, time_unit):
    """The text of `EventList.table`. AttributeError where events do not have what they are to be sorted by."""
    if not events:
        return ""
    if time_unit is not None and time_unit not in _UNITS:
        raise ValueError(f"table: time_unit should be one of {list(_UNITS)}, got {time_unit!r}")
    rows = list(events)
    if sort_by is not None:
        if not hasattr(rows[0], sort_by):
            raise AttributeError(f"table: events have no {sort_by!r} to sort by; there are cpu_time, cpu_time_total, "
                                 "self_cpu_time_total, cpu_memory_usage, self_cpu_memory_usage, count, flops, "
                                 "bytes_moved")
        rows.sort(key=lambda e: getattr(e, sort_by) or 0, reverse=True)
    if top_level_only:
        rows = [e for e in rows if not isinstance(e, FunctionEvent) or e.cpu_parent is None]
    if row_limit >= 0:
        rows = rows[:row_limit]
    own = events.self_cpu_time_total
    columns = _columns(rows, own, events, time_unit, source_width, name_width, shapes_width)
    widths = [max(len(title), *(len(cell) for cell in cells), 0) if cells else len(title) for title, cells in columns]
    rule = "  ".join("-" * w for w in widths)
    lines = [rule, "  ".join(title.rjust(w) for (title, _), w in zip(columns, widths, strict=True)), rule]
    for k in range(len(rows)):
        lines.append("  ".join(cells[k].rjust(w) for (_, cells), w in zip(columns, widths, strict=True)))
    lines.append(rule)
    if header is not None:
        lines = ["=" * len(rule), header, *lines]
    return "\n".join([*lines, f"Self CPU time total: {_time(own, time_unit)}", ""])


def _columns(rows, own, events, time_unit, source_width, name_width, shapes_width):
    def column(title, value):
        return title, [value(e) for e in rows]

    def share(value):
        return f"{100 * value / own:.2f}%" if own else "NaN"
    result = [
        column("Name", lambda e: _short(e.key, name_width)),
        column("Self CPU %", lambda e: share(e.self_cpu_time_total)),
        column("Self CPU", lambda e: _time(e.self_cpu_time_total, time_unit)),
        column("CPU total %", lambda e: share(e.cpu_time_total)),
        column("CPU total", lambda e: _time(e.cpu_time_total, time_unit)),
        column("CPU time avg", lambda e: _time(e.cpu_time, time_unit)),
    ]
    if events._profile_memory:
        result += [column("CPU Mem", lambda e: format_memory(e.cpu_memory_usage)),
                   column("Self CPU Mem", lambda e: format_memory(e.self_cpu_memory_usage))]
    result.append(column("# of Calls", lambda e: str(e.count)))
    if any(e.input_shapes for e in rows):
        result.append(column("Input Shapes", lambda e: _short(str(e.input_shapes), shapes_width)))
    if any(e.stack for e in rows):
        result.append(column("Source Location", lambda e: _tail(e.stack[0], source_width) if e.stack else ""))
    if events._with_flops:
        result += _rates(rows, column)
    return result


def _rates(rows, column):
    """How fast calls moved bytes and computed, and which share of the machine's limits that is."""
    from ..profiler.limits import machine_limits
    limits = machine_limits()

    def rate(amount, event):  # of time in the call itself, which is where its bytes and operations are counted
        return amount / event.self_cpu_time_total / 1e3 if amount and event.self_cpu_time_total > 0 else 0.0

    def text(value):
        return f"{value:.2f}" if value else "--"

    def reached(event):
        moved = rate(event.bytes_moved, event) / limits.bandwidth
        computed = rate(event.flops, event) / limits.compute
        return f"{100 * max(moved, computed):.0f}%" if moved or computed else "--"
    return [column("Total MFLOPs", lambda e: f"{e.flops / 1e6:.3f}" if e.flops else "--"),
            column("GFLOP/s", lambda e: text(rate(e.flops, e))),
            column("MB moved", lambda e: text(e.bytes_moved / 1e6)),
            column("GB/s", lambda e: text(rate(e.bytes_moved, e))),
            column("Of limit", reached)]


def _time(us, unit):
    return format_time(us) if unit is None else f"{us / _UNITS[unit]:.3f}{unit}"


def _short(text, width):
    return text if width is None or len(text) <= width else text[:max(width - 3, 0)] + "..."


def _tail(text, width):
    return text if width is None or len(text) <= width else "..." + text[len(text) - width + 3:]
