"""Run the conformance program over PyTorch's core operators and compare its figures with the recorded floor.

    python tests/check_conformance.py FOLDER        FOLDER holds the package `conformance`
    python tests/check_conformance.py FOLDER --raise    write the figures as the new floor, where they are higher

A figure below tests/conformance_floor.json fails. The floor only rises.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

FLOOR = Path(__file__).with_name("conformance_floor.json")
ROOT = Path(__file__).parent.parent


def figures(folder):
    """{figure: units that pass} of the summary line over the core operators in float32."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "conformance", "ops", "--candidate", "numbatorch", "--core", "--samples", "6",
               "--jobs", "2"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    print(done.stdout[-12000:])
    if done.returncode:
        sys.exit(f"the conformance program failed:\n{done.stderr[-4000:]}")
    summary = next(line for line in reversed(done.stdout.splitlines()) if line.startswith("ops float32:"))
    return {name: int(count) for name, count in re.findall(r"(\w+) (\d+)/\d+ \(", summary)}


def main():
    found = figures(Path(sys.argv[1]).resolve())
    floor = json.loads(FLOOR.read_text()) if FLOOR.exists() else {}
    below = {name: (found.get(name, 0), least) for name, least in floor.items() if found.get(name, 0) < least}
    for name, count in found.items():
        print(f"{name}: {count} (floor {floor.get(name, 'none')})")
    if "--raise" in sys.argv:
        FLOOR.write_text(json.dumps({n: max(c, floor.get(n, 0)) for n, c in found.items()}, indent=1) + "\n")
    if below:
        sys.exit(f"below the floor (found, floor): {below}")


if __name__ == "__main__":
    main()
