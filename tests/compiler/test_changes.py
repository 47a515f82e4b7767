"""Whatever of Python changes between two calls of a compiled function: the next call is what the function gives."""

import array
import collections
import contextvars
import dataclasses
import enum
import functools
import os
import sys
import threading
import types
import weakref

import numpy as np
import pytest

import numbatorch as torch

nn, F = torch.nn, torch.nn.functional
LEVEL, CASES = 2.0, {}
variable = contextvars.ContextVar("variable", default=2.0)


def case(function):
    """A case gives (the function, what changes something that it uses)."""
    CASES[function.__name__] = function
    return function


def scaled(by):
    return lambda x: x * by()


@case
def code():
    def f(x):
        return x * 2

    def g(x):
        return x * 3
    return f, lambda: setattr(f, "__code__", g.__code__)


@case
def defaults():
    def f(x, by=2.0, *, more=0.0):
        return x * by + more

    def change():
        f.__defaults__ = (3.0,)
        f.__kwdefaults__["more"] = 1.0
    return f, change


@case
def defaults_of_a_helper():
    def helper(x, by=2.0):
        return x * by

    def change():
        helper.__defaults__ = None if helper.__defaults__[0] == 5.0 else (5.0,)
    return (lambda x: helper(x) if helper.__defaults__ else x), change


@case
def keyword_defaults():
    def helper(x, *, by=2.0):
        return x * by
    return (lambda x: helper(x)), lambda: setattr(helper, "__kwdefaults__", {"by": 7.0})


@case
def a_cell():
    by = 2.0

    def change():
        nonlocal by
        by = 5.0
    return (lambda x: x * by), change


@case
def attributes_of_the_function():
    def f(x):
        return x * getattr(f, "by", 2.0)
    return f, lambda: setattr(f, "by", 3.0)


@case
def names_by_string():
    scope = {"by": 2.0, "torch": torch}
    exec("def f(x):\n    return x * globals()['by']", scope)
    return scope["f"], lambda: scope.update(by=3.0)


@case
def names_put_together():
    scope = {"by": 2.0}
    exec("def f(x):\n    return x * globals()['b' + 'y'[:1]] * eval('2 * b' + chr(121))", scope)
    return scope["f"], lambda: scope.update(by=3.0)


@case
def names_of_a_module_put_together():
    module = types.ModuleType("users_settings")
    module.by = 2.0
    end = "y"
    return (lambda x: x * getattr(module, "b" + end)), lambda: setattr(module, "by", 3.0)


@case
def a_module_imported_inside():
    module = sys.modules["users_inside"] = types.ModuleType("users_inside")
    module.by = 2.0

    def f(x):
        import users_inside
        from users_inside import by
        return x * users_inside.by + by
    return f, lambda: setattr(module, "by", 3.0)


@case
def a_function_found_only_as_it_runs():
    module = sys.modules["users_found"] = types.ModuleType("users_found")
    exec("BY = 2.0\ndef times(x):\n    return x * BY", vars(module))

    def f(x):
        return __import__("importlib").import_module("users_" + "found").__dict__["times"](x)
    return f, lambda: setattr(module, "BY", 3.0)


@case
def the_environment():
    os.environ["USERS_LEVEL"] = "2"
    return (lambda x: x * float(os.environ["USERS_LEVEL"])), lambda: os.environ.update(USERS_LEVEL="3")


@case
def the_environment_by_default():
    os.environ.pop("USERS_OTHER", None)
    return (lambda x: x * float(os.getenv("USERS_OTHER", "2"))), lambda: os.environ.update(USERS_OTHER="3")


@case
def order_of_an_ordered_dict():
    table = collections.OrderedDict((("a", 2.0), ("b", 3.0), ("c", 4.0)))

    def f(x):
        for v in table.values():
            x = x * v + 1
        return x
    return f, lambda: table.move_to_end("a")


@case
def modules_of_a_container():
    layers = nn.Sequential(nn.Softplus(), nn.Sigmoid(), nn.Tanh())
    return (lambda x: layers(x)), lambda: layers._modules.update({"0": layers._modules.pop("0")})


@case
def bytes_in_a_bytearray():
    held = bytearray(b"\2")
    return (lambda x: x * held[0]), lambda: held.__setitem__(0, 3)


@case
def numbers_in_an_array():
    held = array.array("d", [2.0])
    return (lambda x: x * held[0]), lambda: held.__setitem__(0, 3.0)


@case
def numbers_of_numpy():
    held = np.array([2.0])
    view = held[:]
    return (lambda x: x * float(held[0])), lambda: view.__setitem__(0, 3.0)


class Base:
    by = 2.0

    def __getattr__(self, name):
        return 2.0 if name.startswith("any") else super().__getattribute__(name)

    @property
    def level(self):
        return 2.0


@case
def an_attribute_of_a_class():
    kind = type("Own", (Base,), {})
    own = kind()
    return scaled(lambda: own.by), lambda: setattr(kind, "by", 3.0)


@case
def an_attribute_that_a_class_had_not():
    kind = type("Own", (Base,), {})
    own = kind()
    return scaled(lambda: own.any_level), lambda: setattr(kind, "any_level", 3.0)


@case
def a_property():
    kind = type("Own", (Base,), {"level": Base.level})
    own = kind()
    return scaled(lambda: own.level), lambda: setattr(kind, "level", property(lambda self: 3.0))


@case
def what_a_getattr_uses():
    held = {"by": 2.0}
    kind = type("Own", (), {"__getattr__": lambda self, name: held[name]})
    own = kind()
    return scaled(lambda: own.by), lambda: held.update(by=3.0)


@case
def what_an_operator_uses():
    held = {"by": 2.0}
    kind = type("Own", (), {"__getitem__": lambda self, k: held["by"] * k, "__len__": lambda self: int(held["by"])})
    own = kind()
    return scaled(lambda: own[2] * len(own)), lambda: held.update(by=3.0)


@case
def what_a_metaclass_uses():
    held = {"by": 2.0}
    meta = type("Meta", (type,), {"__getattr__": lambda cls, name: held[name]})
    kind = meta("Own", (), {})
    return scaled(lambda: kind.by), lambda: held.update(by=3.0)


@case
def a_field_of_a_dataclass():
    @dataclasses.dataclass
    class Options:
        by: float = 2.0
        many: list = dataclasses.field(default_factory=list)
    own = Options()
    return scaled(lambda: own.by + len(own.many)), lambda: own.many.append(1)


@case
def a_slot():
    kind = type("Own", (), {"__slots__": ("by",)})
    own = kind()
    own.by = 2.0
    return scaled(lambda: own.by), lambda: setattr(own, "by", 3.0)


@case
def a_dict_of_a_class_of_its_own():
    class Config(dict):
        by = 2.0

        def __getattr__(self, name):
            return self[name]
    own = Config(level=2.0)
    return scaled(lambda: own.by * own.level), lambda: setattr(own, "by", 3.0)


@case
def a_method_of_an_enum():
    held = {"by": 2.0}

    class Choice(enum.IntEnum):
        ONE = 1

        def value_of(self):
            return held["by"]
    return scaled(Choice.ONE.value_of), lambda: held.update(by=3.0)


@case
def a_number_of_this_module():
    def change():
        global LEVEL
        LEVEL = 3.0
    return (lambda x: x * LEVEL), change


@case
def the_length_of_a_list():
    held = [1.0, 2.0]
    return (lambda x: x * len(held) + sum(held)), lambda: held.append(3.0)


@case
def nested_containers():
    held = {"a": [(1, {"by": 2.0})]}
    return scaled(lambda: held["a"][0][1]["by"]), lambda: held["a"][0][1].update(by=3.0)


@case
def a_set():
    held = {1, 2}
    return scaled(lambda: sum(held)), lambda: held.add(7)


@case
def a_deque():
    held = collections.deque([1.0, 2.0], maxlen=2)
    return scaled(lambda: held[0]), lambda: held.append(3.0)


@case
def a_context_variable():
    variable.set(2.0)
    return scaled(lambda: variable.get()), lambda: variable.set(3.0)


@case
def what_belongs_to_a_thread():
    own = threading.local()
    own.by = 2.0
    return scaled(lambda: own.by), lambda: setattr(own, "by", 3.0)


@case
def what_a_weak_reference_leads_to():
    own = Base()
    own.by = 2.0
    reference = weakref.ref(own)
    held = [own]
    return (lambda x: x * reference().by), lambda: setattr(held[0], "by", 3.0)


@case
def arguments_of_a_partial():
    options = {"by": 2.0}
    run = functools.partial(lambda x, by: x * by, **options)
    return (lambda x: run(x)), lambda: run.keywords.update(by=3.0)


@case
def a_proxy_of_a_dict():
    held = {"by": 2.0}
    proxy = types.MappingProxyType(held)
    return scaled(lambda: proxy["by"]), lambda: held.update(by=3.0)


@case
def a_hook_of_a_module():
    model = nn.Linear(3, 3)
    return (lambda x: model(x).detach()), lambda: model.register_forward_hook(lambda m, args, result: result * 2)


@case
def requires_grad():
    weight = torch.ones(3)
    return (lambda x: (x * weight).detach() * (2 if weight.requires_grad else 3)), lambda: weight.requires_grad_()


@case
def training():
    model = nn.Sequential(nn.BatchNorm1d(3))
    return (lambda x: model(x).detach() * 2), model.eval


@case
def dtypes_of_a_module():
    model = nn.Linear(3, 3)
    return (lambda x: model(x.to(model.weight.dtype)).detach()), model.double


@case
def data():
    weight = nn.Parameter(torch.ones(3))
    return (lambda x: (x * weight).detach()), lambda: setattr(weight, "data", torch.full((3,), 3.0))


@case
def a_method_of_a_module_of_the_library():
    kind = type("Own", (nn.ReLU,), {"__module__": "numbatorch.nn.own"})
    model = kind()
    return (lambda x: model(x - 2)), lambda: setattr(kind, "forward", lambda self, x: x * 5)


@case
def the_default_dtype():
    def change():
        torch.set_default_dtype(torch.float64)
    return (lambda x: x * torch.ones(3)), change


@case
def determinism():
    def change():
        torch.use_deterministic_algorithms(True)
    torch.use_deterministic_algorithms(False)
    return (lambda x: x * (3 if torch.are_deterministic_algorithms_enabled() else 2)), change


@case
def gradients_that_are_there():
    weight = torch.ones(3, requires_grad=True)
    return (lambda x: x * 2 if weight.grad is None else x * 3), lambda: setattr(weight, "grad", torch.ones(3))


@pytest.mark.parametrize("name", CASES)
def test_a_change_is_seen(name):
    f, change = CASES[name]()
    run, x = torch.compile(f), torch.arange(6.0).view(2, 3)
    try:
        for _ in range(6):
            assert torch.equal(run(x), f(x))
        before = run(x)
        assert sum(p.runs for p in run.programs) >= 2, run.explain()
        change()
        after = f(x)
        assert after.dtype is not before.dtype or not torch.equal(before, after)
        for _ in range(6):
            found = run(x)
            assert found.dtype is after.dtype and torch.equal(found, after), run.explain()
        assert len(run.programs) >= 2, run.explain()
    finally:
        torch.set_default_dtype(torch.float32)
        torch.use_deterministic_algorithms(False)
