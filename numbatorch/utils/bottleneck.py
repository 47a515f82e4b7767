"""Where a script spends its time: `python -m numbatorch.utils.bottleneck script.py its arguments`.

The script runs three times with `import torch` meaning numbatorch: once so that its kernels are compiled, under
cProfile, and under autograd's profiler.
"""

import argparse
import contextlib
import cProfile
import io
import pstats
import sys

_ROWS = 15


def _run(script, arguments, around):
    """The script under a context manager; what it prints goes to where it would. Its exit status is not ours."""
    from ..cli import run, torch_name
    torch_name.install()
    before = sys.argv, sys.modules["__main__"], list(sys.path)
    sys.argv = [script, *arguments]
    try:
        with around, contextlib.suppress(SystemExit):
            run.execute(script, False)
    finally:
        sys.argv, sys.modules["__main__"], sys.path[:] = before[0], before[1], before[2]


def _section(title, text):
    rule = "-" * 80
    return f"{rule}\n  {title}\n{rule}\n{text.rstrip()}\n"


def report(script, arguments=()):
    """The text: environment, functions by cProfile, ops by autograd's profiler."""
    from ..autograd import profiler
    from .collect_env import get_pretty_env_info
    _run(script, arguments, contextlib.nullcontext())  # compiles kernels, so that what is measured is the program
    functions = cProfile.Profile()
    _run(script, arguments, functions)
    text = io.StringIO()
    pstats.Stats(functions, stream=text).strip_dirs().sort_stats("tottime").print_stats(_ROWS)
    ops = profiler.profile(record_shapes=True)
    _run(script, arguments, ops)
    table = ops.key_averages().table(sort_by="self_cpu_time_total", row_limit=_ROWS)
    return "\n".join((_section("Environment Summary", get_pretty_env_info()),
                      _section("cProfile output", text.getvalue()),
                      _section("autograd profiler output (CPU)", table or "no operations were called")))


def main(arguments=None):
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m numbatorch.utils.bottleneck", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", metavar="SCRIPT", help="a Python file")
    parser.add_argument("arguments", metavar="...", nargs=argparse.REMAINDER, help="passed on to the script")
    options = parser.parse_args(arguments)
    from ..cli.run import UsageError
    try:
        print(report(options.script, options.arguments))
    except UsageError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
