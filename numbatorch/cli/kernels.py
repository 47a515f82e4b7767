"""List the operations, or print the source that is generated and compiled for one of them."""

import argparse
import difflib
import sys

HELP = "list operations, or print the generated source of one"
LAYOUTS = ("contiguous", "strided", "broadcast")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    listing = actions.add_parser("list", help="every operation, its kind and what it computes")
    listing.add_argument("--kind", help="only those of one kind, such as elementwise or reduction")
    show = actions.add_parser("show", help="the kernel source of one operation")
    show.add_argument("op", metavar="OP", help="a name from `numbatorch kernels list`; with --device cuda also a call, "
                      "\"torch.rand(3, 5000).sort()\", whose kernels are printed in the order of their launches")
    show.add_argument("--dtype", default="float32", help="element type of the inputs (default: %(default)s)")
    show.add_argument("--layout", default="contiguous", choices=LAYOUTS,
                      help="how the inputs lie in memory (default: %(default)s)")
    show.add_argument("--device", default="cpu", choices=("cpu", "cuda"),
                      help="for which device; it need not be there (default: %(default)s)")
    show.add_argument("--ptx", nargs="?", const="sm_80", metavar="ARCH",
                      help="with --device cuda: what it is compiled to, for an architecture (sm_80)")


def main(options: argparse.Namespace) -> int:
    return list_operations(options) if options.action == "list" else show_kernel(options)


def fail(message: str) -> int:
    print(f"numbatorch kernels: {message}", file=sys.stderr)
    return 2


def list_operations(options: argparse.Namespace) -> int:
    from numbatorch.ops import OPS

    kinds = sorted({op.runs_as for op in OPS.values()})
    if options.kind and options.kind not in kinds:
        return fail(f"there is no kind {options.kind!r}; there are {', '.join(kinds)}")
    chosen = {name: op for name, op in sorted(OPS.items()) if options.kind in (None, op.runs_as)}
    name_width = max(map(len, chosen))
    kind_width = max(len(op.runs_as) for op in chosen.values())
    for name, op in chosen.items():
        summary = (op.doc or "").strip().partition("\n")[0]
        print(f"{name:<{name_width}}  {op.runs_as:<{kind_width}}  {summary}".rstrip())
    return 0


def show_call(options: argparse.Namespace) -> int:
    """Print the kernels that a call launches on an emulated GPU."""
    import numbatorch
    from numbatorch import plan

    def act():
        with numbatorch.device("cuda"):
            eval(options.op, {"torch": numbatorch, "F": numbatorch.nn.functional})
    try:
        kernels = plan.backend("cuda").launched(act)
        texts = [kernel.ptx(options.ptx) if options.ptx else kernel.source for kernel in kernels]
    except Exception as error:  # whatever the user's expression raises
        print(f"numbatorch kernels: {options.op}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    comment = "//" if options.ptx else "#"
    for kernel, text in zip(kernels, texts, strict=True):
        print(f"{comment} {kernel.name}: {kernel.block} threads a block\n{text.strip()}\n")
    return 0


def show_kernel(options: argparse.Namespace) -> int:
    import numbatorch
    from numbatorch import plan
    from numbatorch.ops import OPS

    if options.device == "cuda" and "(" in options.op:
        return show_call(options)
    name = next((n for n in (options.op, f"nn.functional.{options.op}", f"{options.op}_rows") if n in OPS
                 and OPS[n].kind != "composite"), options.op)
    if name not in OPS:
        near = difflib.get_close_matches(options.op, OPS, n=3)
        return fail(f"there is no operation {options.op!r}"
                    + (f"; did you mean {' or '.join(near)}?" if near else "; `numbatorch kernels list` has them all"))
    dtype = getattr(numbatorch, options.dtype, None)
    if not isinstance(dtype, numbatorch.dtype):
        return fail(f"there is no dtype {options.dtype!r}; try float32, float64, int64 or bool")
    if options.ptx and options.device != "cuda":
        return fail("--ptx shows what kernels of the GPU are compiled to: add --device cuda")
    try:
        source = plan.show(name, options.dtype, options.layout, options.device, options.ptx)
    except (TypeError, RuntimeError, ValueError, NotImplementedError) as error:
        hint = (f"; a call shows its kernels, such as \"torch.{options.op}(torch.rand(4, 33))\""
                if options.device == "cuda" and isinstance(error, ValueError) else "")
        print(f"numbatorch kernels: {options.op}: {error}{hint}", file=sys.stderr)
        return 1
    print(source.rstrip("\n"))
    return 0
