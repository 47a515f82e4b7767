"""FlopCounterMode: how many floating-point operations matrix products, convolutions and attention take, by module.

    with FlopCounterMode() as counter:
        model(input).sum().backward()
    counter.get_total_flops()
"""

from collections import defaultdict

from numbatorch import Tensor, interception
from numbatorch.ops import aten

from . import work
from .module_tracker import ModuleTracker

__all__ = ["FlopCounterMode", "register_flop_formula"]

flop_registry: dict = {}  # operator -> function of shapes, or of tensors where marked `_get_raw`


def register_flop_formula(targets, get_raw=False):
    """Decorator: count calls of an operator (or of several) by a function of its arguments, tensors as their shapes,
    and `out_shape=`. get_raw: tensors themselves, and `out_val=`."""
    def register(formula):
        for target in targets if isinstance(targets, (list, tuple)) else (targets,):
            if not isinstance(target, aten._Operator):
                raise ValueError(f"register_flop_formula(targets): expected each target to be an operator such as "
                                 f"torch.ops.aten.mm, got {target!r} ({type(target).__name__})")
            flop_registry[target] = _marked(formula, get_raw)
        return formula
    return register


def _marked(formula, get_raw):
    if getattr(formula, "_get_raw", False) or not get_raw:
        return formula

    def raw(*args, **kwargs):
        return formula(*args, **kwargs)
    raw._get_raw = True  # type: ignore[attr-defined]
    return raw


def _shapes(value):
    if isinstance(value, Tensor):
        return value.shape
    if isinstance(value, (list, tuple)):
        return type(value)(_shapes(v) for v in value) if not hasattr(value, "_fields") else tuple(map(_shapes, value))
    return value


class FlopCounterMode:
    """Context manager that counts, forward and backward, by module.

    depth: how many levels of modules the table shows (None: all). display: print it at the end. custom_mapping:
    {operator: formula} as of `register_flop_formula`; an operator made of others is then counted as one.
    """

    def __init__(self, mods=None, depth=2, display=True, custom_mapping=None):
        self.depth, self.display = depth, display
        self._custom = {**flop_registry, **(custom_mapping or {})}
        self._by_name = {operator._name: formula for operator, formula in self._custom.items()}
        self.flop_counts: dict = defaultdict(lambda: defaultdict(int))
        self.mod_tracker = ModuleTracker()

    def __enter__(self):
        self.flop_counts.clear()
        self.mod_tracker.__enter__()
        self._mode = interception.mode(self._count)
        self._mode.__enter__()
        return self

    def __exit__(self, *error):
        self._mode.__exit__(None, None, None)
        self.mod_tracker.__exit__(*error)
        if self.display and error[0] is None:
            print(self.get_table(self.depth))

    def _count(self, op, inplace, values):
        product = op.name in work.PRODUCTS
        name = work.product_name(op, values) if product else op.name
        formula = self._by_name.get(name)
        if formula is None and not product:
            return NotImplemented
        result = interception.call(op, inplace, values)
        if formula is None:
            flops = work.flops(op, values, result)
        else:
            positional, keywords = interception.arguments(op, values)
            flops = (formula(*positional, **keywords, out_val=result) if getattr(formula, "_get_raw", False) else
                     formula(*map(_shapes, positional), **{k: _shapes(v) for k, v in keywords.items()},
                             out_shape=_shapes(result)))
        for module in self.mod_tracker.parents:
            self.flop_counts[module][aten._Operator(name, op.call)] += flops
        return result

    def get_total_flops(self):
        """The operations of everything inside."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self):
        """{module: {operator: operations}}; "Global" holds all."""
        return {module: dict(counts) for module, counts in self.flop_counts.items()}

    def get_table(self, depth=None):
        """The counts as text: modules `depth` levels deep, and below each its operators."""
        depth = 999_999 if depth is None else depth
        total = self.get_total_flops()
        rows: list[tuple[str, str, str]] = []

        def add(module, level):
            counts = self.flop_counts[module]
            rows.append((" " * level + module, _short(sum(counts.values())), _share(sum(counts.values()), total)))
            rows.extend((" " * level + f" - aten.{operator._name}", _short(n), _share(n, total))
                        for operator, n in counts.items())
        add("Global", 0)
        modules = [m for m in self.flop_counts if m != "Global"]
        for module in sorted(modules, key=lambda m: m.split(".")):
            level = module.count(".") + 1
            if level <= depth:
                add(module, level)
        head = ("Module", "FLOP", "% Total")
        widths = [max(len(r[k]) for r in (head, *rows)) for k in range(3)]
        lines = ["  ".join((r[0].ljust(widths[0]), r[1].rjust(widths[1]), r[2].rjust(widths[2])))
                 for r in (head, tuple("-" * w for w in widths), *rows)]
        return "\n".join(lines)


def _short(number):
    """1234567 as 1.235M."""
    for size, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        if number >= size:
            return f"{number / size:.3f}{letter}"
    return str(number)


def _share(number, total):
    return f"{100 * number / total:.2f}%" if total else "0.00%"
