"""The pages of the reference: an index and one Markdown page for each family of ops."""

import functools
import importlib
import inspect
import re
from collections import Counter

from . import facts

INDEX = "ops/README.md"
FOLDER = "ops/reference"

_DTYPE_GROUPS = {"integers": ("uint8", "int8", "int16", "int32", "int64"),
                 "floats": ("float16", "bfloat16", "float32", "float64"), "complex": ("complex64", "complex128"),
                 "wide unsigned": ("uint16", "uint32", "uint64"),
                 "float8": ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")}
# What holds of every op of a kind, said once.
_SHAPES = {
    "elementwise": "operands are broadcast to the shape of the result",
    "reduction": "(..., n, ...) → (...): without `dim`, all dimensions; with `keepdim` they stay, with size 1",
    "rowwise": "that of `input`, each row along `dim` by itself",
}

_HEAD = """# The ops of numbatorch

Every op that numbatorch declares, written from the declarations by `python -m numbatorch.reference --write`: not to
be edited. `numbatorch ops NAME` prints one entry. How a declaration is read: [declare.py](declare.py).

## How to read an entry

- **Names**: the function under `numbatorch` (or `nn.functional`, `linalg`, `special`, `fft`), its aliases, the method
  of `Tensor`, the form that changes its operand in place, and operators. `out=` stands in the signature where it is
  taken.
- **Kind**: *elementwise*, *reduction* and *rowwise* ops are formulas, and their kernels and gradients come from the
  formula; a *view* shares memory and runs no kernel; a *composite* is ordinary code over other ops; a *foreign* op
  calls NumPy; the others ask a kernel template for their loop. Then the templates: files of that name under each
  device.
- **Dtypes**: what operands may be, and after the arrow what results are, all operands being of one dtype; mixed ones
  are promoted first. *floats* are float16, bfloat16, float32, float64, the first two computed in float32; *integers*
  are uint8, int8, int16, int32, int64; *complex* are complex64, complex128; *wide unsigned* are uint16, uint32, uint64;
  *float8* are the four that keep values in 8 bits. `float32` as the result of integers stands for the default dtype.
- **Errors**: what the declaration refuses by itself, as its messages say it, names in braces standing for values.
  Besides, every op raises TypeError for arguments of a wrong kind, NotImplementedError for dtypes it does not take,
  RuntimeError for shapes that do not broadcast, operands on several devices and an `out=` of a dtype that cannot hold
  the result, and IndexError for a dimension outside.
- **Gradient**: what is added to the gradient of each operand, where `grad` is the gradient of the result and `result`
  the result itself. A gradient is summed to the shape of its operand. Conjugates, which complex numbers need, are left
  out. `row_sum` and its like combine a row: what lies along `dim`.
- **Calls**: ops that a composite names in its body; it may use methods and operators of tensors besides.
- **Accuracy**: the stated error, in units in the last place, of the scalar functions in the formula that are not
  exact; the C library's are not listed. float16 and bfloat16 round the float32 result once more.
"""


@functools.cache
def _places():
    """{op: link target from the index}, in the order of the pages; headings that repeat get a number."""
    seen: Counter = Counter()
    found = {}
    for key, op in facts.ops():
        page = f"reference/{facts.family(op)}.md"
        anchor = re.sub(r"[^\w -]", "", key.lower()).replace(" ", "-")
        found[op] = f"{page}#{anchor}" + (f"-{seen[page, anchor]}" if seen[page, anchor] else "")
        seen[page, anchor] += 1
    return found


def index():
    """Text of the index: how to read, the families, counts, and where each name is."""
    ops = facts.ops()
    lines = [_HEAD, "## Families", ""]
    for family, count in Counter(facts.family(op) for _, op in ops).items():
        text = importlib.import_module(f"numbatorch.ops.{family}").__doc__.strip().partition("\n\n")[0]
        lines.append(f"- [{family}](reference/{family}.md), {count} ops: {' '.join(text.split())}")
    kinds = Counter(op.runs_as for _, op in ops)
    lines += ["", "## Kinds", "", "| kind | ops |", "| --- | ---: |"]
    lines += [f"| {kind} | {count} |" for kind, count in sorted(kinds.items(), key=lambda k: (-k[1], k[0]))]
    lines += [f"| all | {len(ops)} |", "", "## Names", "",
              "Public names, then the inner ops they are made of, which start with `_`.", "",
              "| name | kind | what it gives |", "| --- | --- | --- |"]
    rows = {}
    for key, op in ops:
        found = facts.names(op)
        for name in dict.fromkeys((*found.functions, *found.methods, *found.properties) or (key,)):
            free = name.removeprefix("Tensor.")
            if free == name or free not in found.functions:
                rows[name] = (op.runs_as, op)
    for name in sorted(rows, key=lambda n: (n.rpartition(".")[2].startswith("_"), n.lower(), n)):
        kind, op = rows[name]
        lines.append(f"| [{name}]({_places()[op]}) | {kind} | {_cell(summary(op))} |")
    return "\n".join(lines) + "\n"


def page(family):
    """Text of the page of one family, its ops as they stand in the file."""
    module = importlib.import_module(f"numbatorch.ops.{family}")
    lines = [f"# {family}", "", inspect.getdoc(module) or "", "",
             f"Declared in [ops/{family}.py](../{family}.py). The index and how to read this: [README](../README.md)."]
    for key, op in facts.ops():
        if facts.family(op) == family:
            lines += ["", *entry(key, op)]
    return "\n".join(lines) + "\n"


def entry(key, op):
    """Lines of one op."""
    found = facts.names(op)
    path, line = facts.place(op)
    lines = [f"## {key}", "", f"`{facts.signature(op)}`", "", *op.doc.splitlines(), ""]
    lines.append(f"- **Names**: {_names(key, found)}")
    lines.append(f"- **Kind**: {_kind(op)}")
    lines.append(f"- **Dtypes**: {_dtypes(op)}")
    shapes = _SHAPES.get(op.kind) if not op.eager else None
    if shapes:
        lines.append(f"- **Shapes**: {shapes}")
    raised = facts.errors(op)
    if raised:
        lines += ["- **Errors**:", *(f"  - `{text.replace('`', chr(39))}`" for text in raised)]
    lines += _gradient(op)
    exact = facts.accuracy(op)
    if exact:
        lines.append("- **Accuracy**: " + "; ".join(
            f"{name} " + ", ".join(f"{ulp:g} ULP in {d}" for d, ulp in known.items()) for name, known in exact.items()))
    called = facts.calls(op) if op.kind == "composite" else ()
    if called:
        lines.append(f"- **Calls**: {', '.join(f'`{name}`' for name in called)}")
    where = facts.devices(op)
    on_copies = "; of tensors of a GPU on copies, results go back there" if where == ("cpu",) else ""
    lines.append(f"- **Devices**: {'those of the ops it calls' if where is None else ', '.join(where)}{on_copies}")
    lines.append(f"- **Declared**: [{path}:{line}](../{path.removeprefix('ops/')}#L{line})")
    return lines


def files():
    """{path below the package: text} of the whole reference."""
    own = dict.fromkeys(facts.family(op) for _, op in facts.ops())
    return {INDEX: index(), **{f"{FOLDER}/{family}.md": page(family) for family in own}}


def links(text):
    """Targets of the links of a page that lead into the package."""
    return [t for t in re.findall(r"\]\(([^)\s]+)\)", text) if not t.startswith("http")]


def summary(op):
    """The first sentence or line of an op's text."""
    first = op.doc.partition("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=[a-z)\]`0-9])\. (?=[A-Z`])", first)[0].rstrip(".")


def _cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def _names(key, found):
    parts = [f"`{n}`" for n in (*found.functions, *found.methods)] + [f"`{n}` (property)" for n in found.properties]
    if found.inplace:
        parts.append("in place " + ", ".join(f"`{n}`" for n in found.inplace))
    if found.operators:
        parts.append("operator " + ", ".join(f"`{n}`" for n in found.operators))
    if not found.public:
        parts.append("an inner op")
    return ", ".join(parts) or f"`{key}`"


def _kind(op):
    name = op.kind if op.runs_as == op.kind else f"composite, another face of a {op.runs_as}"
    made = facts.templates(op)
    if made:
        return f"{name}; template " + ", ".join(f"`{t}`" for t in made)
    if op.eager:
        return f"{name}; its body runs on tensors, and is recorded as one step"
    return name + {"view": "; no kernel runs", "foreign": "; runs NumPy's code"}.get(op.kind, "")


def _dtypes(op):
    rules = facts.dtype_rules(op)
    if rules is None:
        if any(p.name == "dtype" and p.default is inspect.Parameter.empty for p in op.parameters):
            return "any → the given `dtype`"
        if op.kind == "composite":
            return "those of the ops it calls"
        return "any → the same, but for what the text says" if op.kind == "view" else "see the text"
    return "; ".join(_grouped(taken) + (f" → {result}" if result else "") for taken, result in rules) or "none"


def _grouped(taken):
    """Dtypes in words: `floats` for all four."""
    left, words = list(taken), []
    for d in taken:
        for group, members in _DTYPE_GROUPS.items():
            if d == members[0] and all(m in left for m in members):
                words.append(group)
                left = [x for x in left if x not in members]
        if d in left and not any(d in members and all(m in taken for m in members)
                                 for members in _DTYPE_GROUPS.values()):
            words.append(d)
            left.remove(d)
    return ", ".join(words)


def _gradient(op):
    lines = facts.gradient(op)
    if op.kind in facts.FORMULAS and not op.eager and lines != ["none"]:
        how = "derived from the formula" if facts.is_derived(op) else "declared"
        return [f"- **Gradient**, {how}:", "", "  ```", *(f"  {line}" for line in lines), "  ```", ""]
    if lines[0] in ("none", "follows from the ops that the body calls"):
        return [f"- **Gradient**: {lines[0]}"]
    return ["- **Gradient**, declared as code over tensors:", "", "  ```", *(f"  {x}" for x in lines), "  ```", ""]
