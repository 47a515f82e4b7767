"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

import pytest

import numbatorch as nt
from numbatorch import nn


def kinds(modules):
    return [type(module).__name__ for module in modules]


def test_sequential_runs_in_order_and_takes_names():
    net = nn.Sequential({"map": nn.Linear(1, 1, bias=False), "relu": nn.ReLU()})
    with nt.no_grad():
        net.map.weight.fill_(-2)
    assert net(nt.ones(1, 1)).item() == 0 and list(net.state_dict()) == ["map.weight"]


def test_sequential_indexing():
    net = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    assert isinstance(net[-1], nn.Sigmoid) and kinds(net[1:]) == ["Tanh", "Sigmoid"] and len(net) == 3
    net[1] = nn.GELU()
    del net[0]
    assert kinds(net) == ["GELU", "Sigmoid"] and list(net._modules) == ["0", "1"]
    del net[0:1]
    assert kinds(net) == ["Sigmoid"] and list(net._modules) == ["0"]
    with pytest.raises(IndexError, match="index 5 is out of range"):
        net[5]
    with pytest.raises(TypeError):
        net["0"]


def test_sequential_grows():
    net = nn.Sequential(nn.ReLU())
    assert net.append(nn.Tanh()) is net
    net.insert(0, nn.Sigmoid()).insert(-1, nn.GELU())
    assert kinds(net) == ["Sigmoid", "ReLU", "GELU", "Tanh"]
    assert kinds(net.pop(0) for _ in range(2)) == ["Sigmoid", "ReLU"]
    assert kinds(net + nn.Sequential(nn.ReLU())) == ["GELU", "Tanh", "ReLU"]
    assert kinds(net * 2) == kinds(2 * net) == ["GELU", "Tanh", "GELU", "Tanh"]
    net += nn.Sequential(nn.ReLU())
    net *= 2
    assert kinds(net) == ["GELU", "Tanh", "ReLU"] * 2
    net.extend([nn.ReLU()])
    assert len(net) == 7
    for call, error in ((lambda: net + 3, ValueError), (lambda: net * 0, ValueError), (lambda: net * "a", TypeError),
                        (lambda: net.insert(99, nn.ReLU()), IndexError), (lambda: net.insert(0, 3), AssertionError),
                        (lambda: net.append(3), TypeError), (lambda: nn.Sequential(3), TypeError)):
        with pytest.raises(error):
            call()


def test_module_list():
    modules = nn.ModuleList([nn.ReLU(), nn.Linear(2, 2)])
    modules.append(nn.Tanh())
    modules.insert(1, nn.Sigmoid())
    modules.extend([nn.GELU()])
    modules += [nn.GELU()]
    assert kinds(modules) == ["ReLU", "Sigmoid", "Linear", "Tanh", "GELU", "GELU"]
    assert list(modules.state_dict()) == ["2.weight", "2.bias"]
    assert kinds(modules[::-2]) == ["GELU", "Tanh", "Sigmoid"] and isinstance(modules[1:3], nn.ModuleList)
    assert kinds(modules + [nn.ReLU()])[-1] == "ReLU" and isinstance(modules.pop(0), nn.ReLU)
    del modules[0]
    assert "0" not in dir(modules) and list(modules._modules) == ["0", "1", "2", "3"]
    with pytest.raises(TypeError, match="called with an iterable, but got int"):
        modules.extend(3)
    with pytest.raises(NotImplementedError):
        modules(1)


def test_module_list_prints_repeats_once():
    modules = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1), nn.Sequential(nn.ReLU())])
    assert repr(modules) == ("ModuleList(\n  (0-1): 2 x Linear(in_features=1, out_features=1, bias=True)\n"
                             "  (2): Sequential(\n    (0): ReLU()\n  )\n)")
    assert repr(nn.ModuleList()) == "ModuleList()"


def test_module_dict():
    modules = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Linear(1, 1)})
    modules["c"] = nn.Tanh()
    modules.update([("d", nn.Tanh())])
    assert list(modules) == list(modules.keys()) == ["b", "a", "c", "d"] and len(modules) == 4 and "a" in modules
    assert kinds(modules.values())[:2] == ["ReLU", "Linear"] and [k for k, _ in modules.items()][0] == "b"
    assert isinstance(modules.pop("b"), nn.ReLU) and list(modules.state_dict()) == ["a.weight", "a.bias"]
    del modules["a"]
    for call, error in ((lambda: modules["a"], KeyError), (lambda: modules.update(3), TypeError),
                        (lambda: modules.update([[1]]), ValueError), (lambda: modules.update([3]), TypeError),
                        (lambda: modules.update({"keys": nn.ReLU()}), KeyError)):
        with pytest.raises(error):
            call()
    modules.clear()
    assert len(modules) == 0


def test_parameter_list():
    values = nn.ParameterList([nt.zeros(2), nn.Parameter(nt.ones(2, 3)), 3])
    assert isinstance(values[0], nn.Parameter) and len(values) == 3 and values[-1] == 3
    assert len(list(values.parameters())) == 2 and list(values.state_dict()) == ["0", "1"]
    values.append(nt.ones(1)).extend([nt.ones(1)])
    values += [nt.ones(1)]
    values[0] = nt.ones(5)
    assert len(values) == 6 and values[0].shape == (5,) and len(values[1:3]) == 2
    assert repr(values[:3]) == ("ParameterList(\n    (0): Parameter containing: [torch.float32 of size 5]\n"
                                "    (1): Parameter containing: [torch.float32 of size 2x3]\n"
                                "    (2): Object of type: int\n)")
    for call, error in ((lambda: values(1), RuntimeError), (lambda: values[9], IndexError),
                        (lambda: values.extend(nt.ones(2)), TypeError)):
        with pytest.raises(error):
            call()


def test_parameter_dict():
    values = nn.ParameterDict({"b": nt.zeros(2), "a": nt.ones(1)})
    assert list(values) == ["a", "b"] and isinstance(values["a"], nn.Parameter) and values.b is values["b"]
    values["note"] = 3
    assert values.get("none", 5) == 5 and values.setdefault("more", nt.ones(1)) is values["more"]
    assert values.popitem()[0] == "more" and values.pop("note") == 3 and "note" not in values
    both = values | {"c": nt.ones(1)}
    assert list(both) == ["a", "b", "c"] and list(reversed(both)) == ["c", "b", "a"] and len(values.copy()) == 2
    values |= {"d": nt.ones(1)}
    assert list(values.state_dict()) == ["a", "b", "d"]
    assert [k for k, _ in values.items()] == list(values.keys()) and len(list(values.values())) == 3
    assert list(values.fromkeys(["x", "y"], nt.ones(1))) == ["x", "y"]
    del values["a"]
    for call, error in ((lambda: values["a"], AttributeError), (lambda: values(1), RuntimeError),
                        (lambda: values.update(3), TypeError), (lambda: values.__setitem__(1, 2), TypeError),
                        (lambda: values.__setitem__("keys", 2), KeyError)):
        with pytest.raises(error):
            call()
    values.clear()
    assert len(values) == 0 and not list(values.parameters())
