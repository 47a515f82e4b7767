"""Small tools of utils: collect_env, bottleneck, cpp_extension."""

import subprocess
import sys

import pytest

from numbatorch.utils import collect_env, cpp_extension


def test_collect_env(capsys):
    collect_env.main()
    printed = capsys.readouterr().out
    for part in ("numbatorch", "numba", "llvmlite", "numpy", "processor"):
        assert part in printed


def test_bottleneck(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import sys, torch\nprint('argument', sys.argv[1])\n(torch.ones(2, requires_grad=True) * 2).sum()"
                      ".backward()\nsys.exit(3)\n")
    done = subprocess.run([sys.executable, "-m", "numbatorch.utils.bottleneck", str(script), "one"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for part in ("argument one", "Environment Summary", "cProfile output", "aten::mul", "SumBackward0"):
        assert part in done.stdout
    done = subprocess.run([sys.executable, "-m", "numbatorch.utils.bottleneck", str(tmp_path / "none.py")],
                          capture_output=True, text=True)
    assert done.returncode == 2 and "cannot open" in done.stderr


def test_extensions_are_refused():
    with pytest.raises(NotImplementedError, match="cpp_extension.load: .*libtorch"):
        cpp_extension.load("name", ["file.cpp"])
