"""Show, empty or fill the folder of compiled kernels.

`warm` runs small programs so that their kernels are compiled before they are needed: mlp, lenet, resnet, gpt and rnn
are steps of training, products and draws are matrix products and random numbers, ops is every op with a formula, and
single ops go by their name. All of them unless told.

`pack` does the same for every machine of a level (x86-64-v3, x86-64-v4, aarch64), into one file that such machines
take their kernels from before they compile. It needs none of them: kernels are compiled for the level and, where this
machine is not of that level, once more to run here. Files in the package's own folder, which this writes unless told,
are part of wheels built afterwards; others are found by NUMBATORCH_PACKS, which names their folder. What a pack that is
there already holds is not compiled again, and goes if nothing asks for it any more.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HELP = "show, empty or fill the cache of compiled kernels"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    actions.add_parser("info", help="where it is and how large")
    actions.add_parser("clear", help="empty it")
    filling = actions.add_parser("warm", help="compile common kernels into it")
    filling.add_argument("what", nargs="*", metavar="WHAT",
                         help="mlp, lenet, resnet, gpt, rnn, products, draws, ops or names of ops (all)")
    packing = actions.add_parser("pack", help="compile common kernels for other machines, into files to take there")
    packing.add_argument("what", nargs="*", metavar="WHAT", help="as for warm (all but ops)")
    packing.add_argument("--level", action="append", metavar="LEVEL", help="x86-64, x86-64-v2, x86-64-v3, x86-64-v4 or "
                         "aarch64; may be repeated (the last three)")
    packing.add_argument("--to", metavar="FOLDER", help="where the files go (where this installation finds them)")
    for parser in (filling, packing):
        parser.add_argument("--jobs", type=int, metavar="N", help="processes that compile (usable cores)")


def describe(facts: dict) -> str:
    """One line: the folder, how many kernels, how many megabytes."""
    return f"{facts['path']} ({facts['kernels']} kernels, {facts['bytes'] / 1e6:.1f} MB)"


def main(options: argparse.Namespace) -> int:
    from numbatorch.cpu.compile import versions
    from numbatorch.lowering import cache, packs

    if options.action == "warm":
        return warm(options)
    if options.action == "pack":
        return pack(options)
    before = cache.info()
    if options.action == "clear":
        cache.clear()
        print(f"removed {before['kernels']} kernels, {before['bytes'] / 1e6:.1f} MB, from {before['path']}")
    else:
        print(f"kernel cache: {describe(before)}")
        for found in packs.info():
            other = found["versions"] != versions()
            print(f"pack: {describe(found)}" + ", made by other versions: not used" * other)
    return 0


def named(options: argparse.Namespace) -> list[tuple[str, ...]]:
    """The programs that were asked for; a name that is none of them ends the command."""
    from .warming import programs

    try:
        return list(programs(options.what))
    except ValueError as error:
        return options.parser.error(str(error))


def pack(options: argparse.Namespace) -> int:
    """Run the programs for each level with a cache of its own, whose entries become the pack."""
    from numbatorch.cpu.compile import versions
    from numbatorch.lowering import cache, host, packs

    from .warming import STEPS

    chosen = options.level or host.SHIPPED
    for level in chosen:
        if level not in host.NAMES:
            options.parser.error(f"--level: expected one of {', '.join(host.NAMES)}, got {level}")
    options.what = options.what or list(STEPS)
    named(options)
    folder = Path(options.to).expanduser() if options.to else packs.directory()
    folder.mkdir(parents=True, exist_ok=True)
    for level in chosen:
        path = folder / f"{level}.pack"
        with tempfile.TemporaryDirectory() as own:
            if path.exists():
                unpack(path, Path(own))
            # Processes of their own, as the level is read once, and with no pack to take from.
            environment = {**os.environ, "NUMBATORCH_CPU": level, "NUMBATORCH_CACHE_DIR": own, "NUMBATORCH_PACKS": own}
            command = [sys.executable, "-m", "numbatorch", "cache", "warm", *options.what]
            command += ["--jobs", str(options.jobs)] if options.jobs is not None else []
            print(f"{level}:", flush=True)
            code = subprocess.run(command, env=environment).returncode
            if code:
                return code
            used = [entry for entry in cache.entries(Path(own)) if entry.stat().st_mtime > UNUSED]
            packs.write(path, used, versions())
        print(f"wrote {path} ({path.stat().st_size / 1e6:.2f} MB)")
    return 0


UNUSED = 0.0  # when an entry was last used that came from an older pack; using one dates it


def unpack(path: Path, folder: Path) -> None:
    """Put the entries of an older pack into the cache in a folder: most kernels are as they were."""
    from numbatorch.lowering import packs

    try:
        entries = packs.load(path)["entries"]
    except (OSError, ValueError):
        return  # damaged: it is written anew, whole
    for name, data in entries.items():
        place = folder / "objects" / name[:2] / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        os.utime(place, (UNUSED, UNUSED))


def warm(options: argparse.Namespace) -> int:
    """Run the programs that are asked for, in processes that share the cache."""
    from numbatorch.lowering import cache

    from .info import usable_cores

    jobs = usable_cores() if options.jobs is None else options.jobs
    if jobs < 1:
        options.parser.error(f"--jobs must be at least 1, got {jobs}")
    chosen = named(options)
    before, start, compiled, seconds, skipped = cache.info(), time.perf_counter(), 0, 0.0, 0
    for done, result in enumerate(results(chosen, jobs), 1):
        compiled, seconds = compiled + result["compiled"], seconds + result["compile_seconds"]
        skipped += len(result["skipped"])
        show(f"{done} of {len(chosen)} programs, {compiled} kernels", last=done == len(chosen))
    after = cache.info()
    print(f"compiled {compiled} kernels in {time.perf_counter() - start:.1f} s ({seconds:.1f} s of compiling), "
          f"{(after['bytes'] - before['bytes']) / 1e6:.1f} MB; {skipped} ops want other arguments than tried here")
    print(f"kernel cache: {describe(after)}")
    return 0


def results(chosen: list[tuple[str, ...]], jobs: int) -> Iterator[dict]:
    """What each program answers, as they finish; in this process where there is but one job or one program."""
    from .warming import run

    jobs = min(jobs, len(chosen))
    if jobs <= 1:
        yield from map(run, chosen)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    # Fresh processes: the threads of this one would not be there after a fork. They leave Ctrl-C to this one.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), signal.signal,
                             (signal.SIGINT, signal.SIG_IGN)) as pool:
        try:
            for future in as_completed([pool.submit(run, program) for program in chosen]):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def show(text: str, last: bool) -> None:
    """Progress: one line that changes on a terminal, nothing elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="\n" if last else "", file=sys.stderr, flush=True)
