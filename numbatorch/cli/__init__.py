"""The `numbatorch` command. Commands import what they need when they run, so that --help is quick."""

import argparse
import os
import sys

from . import bench, cache, doctor, info, kernels, mnist, ops, run

COMMANDS = {  # in the order of the help: try it, use it, look inside
    "mnist": mnist,
    "run": run,
    "doctor": doctor,
    "ops": ops,
    "bench": bench,
    "info": info,
    "kernels": kernels,
    "cache": cache,
}


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; each command module has HELP, add_arguments(parser) and main(options)."""
    import numbatorch

    parser = argparse.ArgumentParser(
        prog="numbatorch",
        description="PyTorch's programming model in pure Python, with kernels you can read.",
        epilog="`numbatorch COMMAND --help` explains a command. Start with `numbatorch mnist`. "
        "NUMBATORCH_DEBUG=WORD,... lets any program print: capture (when a compiled function is captured, or runs "
        "eagerly, and why), fuse (steps after each pass), plan (memory of its programs), kernel (source of kernels as "
        "they are compiled).",
    )
    parser.add_argument("--version", action="version", version=f"numbatorch {numbatorch.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.HELP, description=module.__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
        command.set_defaults(main=module.main, parser=command)
        module.add_arguments(command)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; the result is the exit status: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    options = build_parser().parse_args(arguments)
    try:
        status = options.main(options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print(f"\nnumbatorch {options.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of a pipe (`| head`) has left; without this the interpreter complains again as it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
