"""Medians over several runs of the program `bench`: one line a case, and each suite's geometric mean.

    for n in 1 2 3; do python -m bench --threads 2 --libs torch,numbatorch --suite ops --json run$n.json; done
    python examples/benchmarks/medians.py run1.json run2.json run3.json

Of each case: the first library's time and each other one's (medians of the runs'), the share of the machine's limit by
its best times, and the ratio: the median of the runs' ratios, then every run's own in brackets, with ~ for one that
took place beside busy processes. A library that failed in a run counts as 0.1 there, as in `bench`.
"""

import argparse
import json
from statistics import geometric_mean, median

FAILED = 0.1
BUSY = 0.2  # the share of the machine that other processes may take during the median slice
UNITS = {"s": ((1, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")), "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))}


def readable(values, unit):
    """The median with a prefix: [0.00123], "s" -> "1.23 ms"."""
    value = median(values)
    scale, name = next((pair for pair in UNITS[unit] if value >= pair[0]), UNITS[unit][-1])
    return f"{value / scale:.3g} {name}"


def cell(label, results, row):
    """What a line says of one library's results in several runs, and the median of its ratios."""
    ratios = [result["ratio"][0] if result["ratio"] else FAILED for result in results]
    good = [result for result in results if not result["error"]]
    if not good:
        return f"{label} {results[0]['error']}", median(ratios)
    text = f"{label} {readable([result['value'] for result in good], row['unit']):>8}"
    if row["ideal"]:
        text += f" {row['ideal'] / median(result['best'] for result in good):4.0%}"
    marks = ["~" * bool(result["disturbance"] and median(result["disturbance"]) >= BUSY) for result in results]
    runs = " ".join(f"{ratio:.2f}{mark}" for ratio, mark in zip(ratios, marks, strict=True))
    return f"{text} x{median(ratios):.2f} ({runs})", median(ratios)


def main():
    parser = argparse.ArgumentParser(description="Medians over several runs of bench.")
    parser.add_argument("runs", nargs="+", metavar="RUN.json", help="what `bench --json RUN.json` wrote")
    cases: dict[str, dict[str, list]] = {}
    for path in parser.parse_args().runs:
        with open(path, encoding="utf-8") as file:
            for row in json.load(file)["rows"]:
                cases.setdefault(row["suite"], {}).setdefault(row["name"], []).append(row)
    for suite, rows_of in cases.items():
        print(suite)
        found: dict[str, list] = {}
        for name, rows in rows_of.items():
            first, *others = rows[0]["results"]
            times = [row["results"][first]["value"] for row in rows]
            cells = [f"{first} {readable(times, rows[0]['unit']):>8}"]
            for label in others:
                text, ratio = cell(label, [row["results"][label] for row in rows], rows[0])
                cells.append(text)
                found.setdefault(label, []).append((ratio, name))
            print(f"{name:<32}", " | ".join(cells))
        print()
        for label, pairs in found.items():
            values = [ratio for ratio, _ in pairs]
            print(f"{suite}: {label} {geometric_mean(values):.2f} x {first} (geometric mean of {len(values)} cases); "
                  f"{sum(ratio >= 1 for ratio in values)} at 1.0 or more, {sum(ratio < 0.9 for ratio in values)} under "
                  f"0.9; least: " + ", ".join(f"{name} {ratio:.2f}" for ratio, name in sorted(pairs)[:5]))
        print()


if __name__ == "__main__":
    main()
