"""Check and time the CUDA backend on the machine's GPU, in one command of less than ten minutes.

    python examples/benchmarks/cuda_check.py --out result.json     # all of it, on a GPU
    NUMBATORCH_CUDA=emulate python examples/benchmarks/cuda_check.py --quick     # the same steps, small, without one

Each section (cuda_sections.py) runs in a process of its own, within its own time: a fault on the GPU, or an endless
kernel, ends that section alone. Results are written to the file as they come. At the end every criterion is listed
with whether it holds. Ends with status 1 where one does not. A `bench` package on PYTHONPATH is compared with PyTorch;
compute-sanitizer and ptxas are used where they are found.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

WHOLE = 590  # seconds for all
MARK = "@result "  # before a line of JSON on a section's output

CRITERIA = {  # section: what its results have to show, how long it may take
    "machine": ("what all this ran on", 20),
    "families": ("kernels of every family give the CPU's results", 90),
    "handles": ("streams, events, graphs, pinned memory, memory running out", 30),
    "philox": ("random words are the published ones, and those of the formula on the host", 20),
    "programs": ("compiled steps have the bits of eager ones, in graphs", 60),
    "fusion": ("steps that programs bring together have the bits of eager ones, in fewer launches", 60),
    "bandwidth": ("memory-bound ops reach 0.85 of the copy's bandwidth", 45),
    "products": ("bf16 product of 8192 at least 0.7 of PyTorch's, 3xTF32 faster than its float32", 60),
    "host": ("an op with its node on the tape takes the host at most 3 us", 20),
    "spills": ("products keep their values in registers", 60),
    "models": ("training steps at least as fast as PyTorch's, eager or compiled", 120),
    "suite": ("the ops suite at least as fast as PyTorch, geometric mean", 90),
    "ops": ("every op of the table gives the CPU's results", 75),
    "sanitizer": ("compute-sanitizer: memcheck and racecheck are clean", 90),
    "prototypes": ("the prototypes of the techniques run", 40),
}


class Report:
    """Results by section, in a file that is rewritten with each."""

    def __init__(self, path):
        self.path, self.sections = path, {}

    def write(self):
        Path(self.path).write_text(json.dumps(self.sections, indent=1) + "\n")


def run(name, options, seconds, report):
    """One section in a process of its own; its rows go to the report."""
    command = [sys.executable, str(Path(__file__).with_name("cuda_sections.py")), name, *["--quick"] * options.quick]
    own = report.sections[name] = {"criterion": CRITERIA[name][0], "rows": [], "ended": "running"}
    begin = time.perf_counter()
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                               start_new_session=True, env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"})
    late = threading.Timer(seconds, _end, (process,))
    late.start()
    last = []
    try:
        for line in process.stdout:
            if line.startswith(MARK):
                row = json.loads(line[len(MARK):])
                own["rows"].append(row)
                report.write()
                print("   ", text(row), flush=True)
            else:
                last = [*last[-39:], line.rstrip()]
                if options.verbose:
                    print(line, end="", flush=True)
        process.wait()
    finally:
        in_time = late.is_alive()
        late.cancel()
        _end(process)
        process.stdout.close()
        process.wait()
    own["seconds"] = round(time.perf_counter() - begin, 1)
    own["ended"] = "well" if not process.returncode else f"status {process.returncode}" if in_time else "out of time"
    if process.returncode and in_time:
        own["output"] = last
        print("\n".join(f"    | {line}" for line in last[-12:]))
    report.write()


def _end(process):
    """End a section with all that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def text(row):
    """A row as a line: name, value, and beside what it stands."""
    value = "" if row.get("value") is None else f"{row['value']:.4g} {row.get('unit', '')}"
    beside = f"   beside {row['beside']:.4g}" if row.get("beside") is not None else ""
    holds = {True: "ok", False: "NOT MET", None: ""}[row.get("holds")]
    return f"{row['name']:<44} {value:<22}{beside}   {holds} {row.get('note', '')}".rstrip()


def verdict(section):
    """(whether a section's criterion holds, or None where that is not known, why)."""
    judged = [row for row in section["rows"] if row.get("holds") is not None]
    missed = [row for row in judged if not row["holds"]]
    if missed:
        more = f" and {len(missed) - 6} more" if len(missed) > 6 else ""
        return False, ", ".join(row["name"] for row in missed[:6]) + more
    if section["ended"].startswith("status"):
        return False, f"the section ended with {section['ended']}"
    if not judged:
        return None, next((row["note"] for row in section["rows"] if row.get("note")), section["ended"])
    if section["ended"] != "well":
        return None, f"{len(judged)} results are well, then {section['ended']}"
    return True, f"{len(judged)} results"


def summary(report):
    """Print which criterion holds; the number of those that do not."""
    print("\nsummary")
    failed = 0
    for name, section in report.sections.items():
        holds, why = verdict(section)
        section["holds"] = holds
        failed += holds is False
        word = {True: "holds", False: "NOT MET", None: "not known"}[holds]
        print(f"  {word:<10} {name:<11} {section['criterion']}: {why} ({section.get('seconds', 0):.0f} s)")
    report.write()
    return failed


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes: a look at the steps, as in the emulator")
    parser.add_argument("--only", help="sections, with commas: " + ", ".join(CRITERIA))
    parser.add_argument("--out", default="cuda_check.json", help="where results are written")
    parser.add_argument("--seconds", type=float, default=WHOLE, help="for all of it")
    parser.add_argument("--verbose", action="store_true", help="what sections print besides results")
    options = parser.parse_args(arguments)
    chosen = list(CRITERIA) if options.only is None else options.only.split(",")
    for name in chosen:
        if name not in CRITERIA:
            parser.error(f"--only: {name!r} is no section; there are {', '.join(CRITERIA)}")
    begin, report = time.perf_counter(), Report(options.out)
    for name in chosen:
        left = options.seconds - (time.perf_counter() - begin)
        print(f"\n{name}: {CRITERIA[name][0]}", flush=True)
        if left < 5:
            report.sections[name] = {"criterion": CRITERIA[name][0], "rows": [], "ended": "no time was left"}
            continue
        run(name, options, min(left, CRITERIA[name][1] * max(1.0, options.seconds / WHOLE)), report)
    failed = summary(report)
    print(f"\n{'every criterion that is known holds' if not failed else f'{failed} criteria NOT MET'} after "
          f"{time.perf_counter() - begin:.0f} s; results in {options.out}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
