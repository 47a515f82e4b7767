"""Compare: measurements as a table, a column for each description."""

from collections import defaultdict

from .measurement import Measurement, ordered_unique, select_unit, trim_sigfig, unit_to_english

_BEST, _GOOD, _BAD, _OFF = "\033[92m\033[1m", "\033[92m", "\033[91m", "\033[0m"


class Compare:
    """A table for each label: rows by sub_label (or statement), number of threads and env, columns by description."""

    def __init__(self, results):
        self._results: list[Measurement] = []
        self.extend_results(results)
        self._trim, self._colorize, self._warn = False, False, False

    def extend_results(self, results):
        """Add measurements. ValueError for anything else."""
        results = list(results)
        for r in results:
            if not isinstance(r, Measurement):
                raise ValueError(f"Expected an instance of `Measurement`, got {type(r)} instead.")
        self._results.extend(results)

    def trim_significant_figures(self):
        """Show no more digits than mean something."""
        self._trim = True

    def colorize(self, rowwise=False):
        """Mark quick and slow entries with colours, of a column or of a row."""
        self._colorize = "row" if rowwise else "column"

    def highlight_warnings(self):
        """Mark times that scatter."""
        self._warn = True

    def print(self):
        """Print the tables."""
        print(str(self))

    def __str__(self):
        groups = defaultdict(list)
        for m in Measurement.merge(self._results):
            groups[m.label].append(m)
        return "\n".join(self._table(label, group) for label, group in groups.items())

    def _table(self, label, measurements):
        unit, scale = select_unit(min(m.median for m in measurements))
        columns = ordered_unique(m.description for m in measurements)
        rows = ordered_unique((m.num_threads, m.task_spec.env, m.as_row_name) for m in measurements)
        rows.sort(key=lambda r: r[0])
        cells = {((m.num_threads, m.task_spec.env, m.as_row_name), m.description): m for m in measurements}
        texts, width = {}, [max(len(str(c or "")), 5) for c in columns]
        for (row, column), m in cells.items():
            texts[row, column] = self._text(m, scale)
            k = columns.index(column)
            width[k] = max(width[k], len(texts[row, column]))
        show_env = len({r[1] for r in rows}) > 1
        names = {r: f"  ({r[1]}) {r[2]}" if show_env else f"      {r[2]}" for r in rows}
        first = max(max(map(len, names.values())), len("1000 threads: "))
        head = " " * first + "  |  " + "  |  ".join(str(c or "").center(w) for c, w in zip(columns, width, strict=True))
        lines = [f"[{f' {label or chr(32)} '.center(len(head) - 2, '-')}]", head]
        threads = None
        for r in rows:
            if r[0] != threads:
                threads = r[0]
                lines.append(f"{threads} thread{'s' * (threads > 1)}: ".ljust(len(head), "-"))
            parts = [self._coloured(cells, r, c, texts.get((r, c), "").center(w), rows, columns)
                     for c, w in zip(columns, width, strict=True)]
            lines.append(names[r].ljust(first) + "  |  " + "  |  ".join(parts))
        lines += ["", f"Times are in {unit_to_english(unit)} ({unit}).", ""]
        if self._warn and any(m.has_warnings for m in measurements):
            lines += ["(! XX%) Measurement has high variance, where XX is the IQR / median * 100.", ""]
        return "\n".join(lines)

    def _text(self, m, scale):
        value = m.median / scale
        if self._trim:
            digits = m.significant_figures
            value = trim_sigfig(value, digits)
            text = f"{value:.{max(0, digits - len(str(int(value))))}f}"
        else:
            text = f"{value:.1f}"
        return f"(! {100 * m.iqr / m.median:.0f}%) {text}" if self._warn and m.has_warnings else text

    def _coloured(self, cells, row, column, text, rows, columns):
        own = cells.get((row, column))
        if not self._colorize or own is None:
            return text
        group = [cells[r, c].median for r in rows for c in columns if (r, c) in cells and (
            r == row if self._colorize == "row" else c == column)]
        best = min(group)
        if own.median <= best * 1.05:
            return f"{_BEST}{text}{_OFF}"
        if own.median <= best * 1.2:
            return f"{_GOOD}{text}{_OFF}"
        return f"{_BAD}{text}{_OFF}" if own.median >= best * 2 else text
