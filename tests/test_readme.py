"""The README's Python runs as printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.splitlines()[-1][:30])
def test_python_block_runs(block, tmp_path):
    done = subprocess.run([sys.executable, "-W", "error", "-c", block], cwd=tmp_path, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(README.parent)})
    assert done.returncode == 0, done.stderr


def test_there_are_exactly_two_set_up_commands():
    lines = [line for line in README.read_text().splitlines() if line.startswith("pip install")]
    assert lines == ['pip install -e ".[demo]" && numbatorch mnist', 'pip install -e ".[test]" && pytest']
