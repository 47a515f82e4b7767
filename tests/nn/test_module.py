"""Module: registration, walking, state, conversion, hooks, errors."""

import copy
import pickle

import pytest

import numbatorch as nt
from numbatorch import nn
from numbatorch.nn.modules import hooks


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.scale = nn.Parameter(nt.ones(4))
        self.register_buffer("seen", nt.zeros(2))
        self.register_buffer("scratch", nt.zeros(2), persistent=False)

    def forward(self, x):
        return self.norm(self.first(x)) * self.scale


class Double(nn.Module):
    def forward(self, x):
        return x * 2


def names(pairs):
    return [name for name, _ in pairs]


def same(a, b):
    return a.tolist() == b.tolist()


def test_names_come_in_the_order_of_registration():
    net = Net()
    assert names(net.named_parameters()) == ["scale", "first.weight", "first.bias", "norm.weight", "norm.bias"]
    assert names(net.named_buffers("p")) == ["p.seen", "p.scratch", "p.norm.running_mean", "p.norm.running_var",
                                             "p.norm.num_batches_tracked"]
    assert names(net.named_modules()) == ["", "first", "norm"]
    assert names(net.named_children()) == ["first", "norm"]
    assert names(net.named_parameters(recurse=False)) == ["scale"]


def test_shared_parts_are_yielded_once():
    net = Net()
    net.second = net.first
    assert len(list(net.parameters())) == 5
    assert len(list(net.named_parameters(remove_duplicate=False))) == 7
    assert len(list(net.modules())) == 3
    assert names(net.named_modules(remove_duplicate=False)) == ["", "first", "norm", "second"]
    assert "second.weight" in net.state_dict()


def test_assignment_moves_a_name_between_tables():
    net = Net()
    net.seen = nn.Parameter(nt.ones(1))
    assert "seen" in names(net.named_parameters()) and "seen" not in names(net.named_buffers())
    net.plain = 3
    net.plain = nn.ReLU()
    assert "plain" not in net.__dict__ and isinstance(net.plain, nn.ReLU)
    net.scale = None
    assert "scale" in net._parameters and net.scale is None
    del net.first
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'first'"):
        net.first  # noqa: B018
    assert "norm" in dir(net) and "first" not in dir(net)


@pytest.mark.parametrize("name, value, error, text", [
    ("scale", 1, TypeError, "cannot assign 'int' as parameter 'scale'"),
    ("scale", nt.ones(4), TypeError, "cannot assign 'torch.FloatTensor' as parameter 'scale'"),
    ("first", 1, TypeError, "cannot assign 'int' as child module 'first'"),
    ("seen", 1, TypeError, "cannot assign 'int' as buffer 'seen'"),
])
def test_assignment_of_the_wrong_kind(name, value, error, text):
    with pytest.raises(error, match=text):
        setattr(Net(), name, value)


def test_registration_before_init():
    class Early(nn.Module):
        def __init__(self):
            self.part = nn.ReLU()
    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
        Early()

    class Never(nn.Module):
        def __init__(self):
            pass
    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
        Never()(1)


@pytest.mark.parametrize("register", ["register_buffer", "register_parameter", "add_module"])
def test_registration_checks_names(register):
    net = Net()
    net.taken = 1
    with pytest.raises(KeyError, match="t contain"):
        getattr(net, register)("a.b", None)
    with pytest.raises(KeyError, match="t be empty"):
        getattr(net, register)("", None)
    with pytest.raises(KeyError, match="attribute 'taken' already exists"):
        getattr(net, register)("taken", None)
    with pytest.raises(TypeError, match="should be a string. Got int"):
        getattr(net, register)(1, None)
    with pytest.raises(TypeError):
        getattr(net, register)("fresh", 3)


def test_parts_by_path():
    net = nn.Sequential(Net(), nn.ReLU())
    assert net.get_submodule("0.first") is net[0].first and net.get_submodule("") is net
    assert net.get_parameter("0.first.bias") is net[0].first.bias
    assert net.get_buffer("0.seen") is net[0].seen
    net.set_submodule("0.first", nn.Identity())
    net.set_submodule("0.extra", nn.Identity())
    assert isinstance(net[0].first, nn.Identity) and isinstance(net[0].extra, nn.Identity)
    for call in (lambda: net.get_submodule("0.none"), lambda: net.get_submodule("0.scale"),
                 lambda: net.get_parameter("0.seen"), lambda: net.get_buffer("0.scale"),
                 lambda: net.set_submodule("0.none", nn.ReLU(), strict=True)):
        with pytest.raises(AttributeError):
            call()
    with pytest.raises(ValueError, match="without a target name"):
        net.set_submodule("", nn.ReLU())


def test_modes_reach_all_modules():
    net = Net()
    assert net.eval() is net and not net.norm.training
    assert net.train() is net and net.norm.training
    with pytest.raises(ValueError, match="expected to be boolean"):
        net.train("yes")
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())


def test_conversion_keeps_the_parameter_objects():
    net = Net()
    weight = net.first.weight
    weight.grad = nt.ones(4, 3)
    assert net.double() is net and net.first.weight is weight
    assert weight.dtype is nt.float64 and weight.grad.dtype is nt.float64 and weight.requires_grad
    assert net.norm.num_batches_tracked.dtype is nt.int64 and net.seen.dtype is nt.float64
    net.to(nt.float32)
    assert weight.dtype is nt.float32
    net.to(device="cpu", dtype=nt.float16)
    assert weight.dtype is nt.float16
    net.to(nt.ones(1, dtype=nt.float64))
    assert weight.dtype is nt.float64
    assert net.half().bfloat16().float().cpu().share_memory().seen.dtype is nt.float32
    with pytest.raises(TypeError, match="floating point or complex"):
        net.to(nt.int32)


def test_zero_grad():
    net = Double()
    net.p = nn.Parameter(nt.ones(2))
    (net.p * 3).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.p.grad.tolist() == [0, 0]
    net.zero_grad()
    assert net.p.grad is None


def test_state_dict_goes_round():
    net, other = Net(), Net()
    state = net.state_dict()
    assert list(state) == ["scale", "seen", "first.weight", "first.bias", "norm.weight", "norm.bias",
                           "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"]
    assert state._metadata == {"": {"version": 1}, "first": {"version": 1}, "norm": {"version": 2}}
    assert not state["scale"].requires_grad and net.state_dict(keep_vars=True)["scale"] is net.scale
    assert list(net.first.state_dict(prefix="x.")) == ["x.weight", "x.bias"]
    result = other.load_state_dict(state)
    assert repr(result) == "<All keys matched successfully>"
    assert same(other.first.weight, net.first.weight)
    assert other.first.weight is not net.first.weight and other.first.weight.requires_grad


def test_load_state_dict_tells_all_that_is_wrong():
    net = Net()
    state = net.state_dict()
    del state["scale"]
    state["first.weight"] = nt.zeros(2, 2)
    state["first.more"] = state["other.weight"] = nt.zeros(1)
    state["seen"] = 3
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    assert str(caught.value).split("\n\t") == [
        "Error(s) in loading state_dict for Net:",
        'Missing key(s) in state_dict: "scale". ',
        'Unexpected key(s) in state_dict: "other.weight", "first.more". ',
        'While copying the parameter named "seen", expected a Tensor from checkpoint but received <class \'int\'>',
        "size mismatch for first.weight: copying a param with shape torch.Size([2, 2]) from checkpoint, the shape in "
        "current model is torch.Size([4, 3]).",
    ]
    good = net.state_dict()
    del good["scale"]
    good["extra"] = nt.zeros(1)
    result = net.load_state_dict(good, strict=False)
    assert result.missing_keys == ["scale"] and result.unexpected_keys == ["extra"]
    with pytest.raises(TypeError, match="dict-like"):
        net.load_state_dict(3)


def test_load_state_dict_by_assignment():
    net = Net()
    weight = nt.zeros(4, 3)
    net.load_state_dict({"first.weight": weight}, strict=False, assign=True)
    assert isinstance(net.first.weight, nn.Parameter) and net.first.weight.requires_grad
    weight[0, 0] = 7
    assert net.first.weight[0, 0].item() == 7


def test_extra_state():
    class Extra(nn.Module):
        value = 1

        def get_extra_state(self):
            return {"value": self.value}

        def set_extra_state(self, state):
            self.value = state["value"]
    net, other = nn.Sequential(Extra()), nn.Sequential(Extra())
    net[0].value = 5
    other.load_state_dict(net.state_dict())
    assert other[0].value == 5
    with pytest.raises(RuntimeError, match="0._extra_state"):
        other.load_state_dict({})


def test_state_dict_hooks():
    net, log = Net(), []
    net.register_state_dict_pre_hook(lambda module, prefix, keep: log.append(("pre", prefix, keep)))
    handle = net.first.register_state_dict_post_hook(lambda module, state, prefix, facts: log.append(sorted(state)))
    state = net.state_dict()
    assert log == [("pre", "", False), ["first.bias", "first.weight", "scale", "seen"]]
    handle.remove()

    def rename(module, state, prefix, *rest):
        state[prefix + "weight"] = state.pop(prefix + "old")
    net.first.register_load_state_dict_pre_hook(rename)
    state["first.old"] = state.pop("first.weight")
    net.register_load_state_dict_post_hook(lambda module, keys: keys.unexpected_keys.clear())
    assert net.load_state_dict(state).missing_keys == []


def test_deepcopy_and_pickle():
    net = Net()
    net(nt.ones(2, 3)).sum().backward()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert list(other.state_dict()) == list(net.state_dict()) and repr(other) == repr(net)
        assert all(same(a, b) and a is not b for a, b in zip(other.parameters(), net.parameters(), strict=True))
        assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in other.parameters())
        assert other.scratch is not net.scratch


def test_repr_nests():
    class Plain(nn.Module):
        def extra_repr(self):
            return "a=1\nb=2"
    net = nn.Sequential(nn.Linear(1, 2), nn.Sequential(nn.ReLU()))
    assert repr(net) == ("Sequential(\n  (0): Linear(in_features=1, out_features=2, bias=True)\n  (1): Sequential(\n"
                         "    (0): ReLU()\n  )\n)")
    assert repr(Plain()) == "Plain(\n  a=1\n  b=2\n)"
    assert repr(nn.Module()) == "Module()"


def test_forward_hooks_see_and_replace():
    log, net = [], Double()
    first = net.register_forward_hook(lambda module, args, result: log.append(("after", result.item())))
    net.register_forward_hook(lambda module, args, kwargs, result: result + 1, with_kwargs=True, prepend=True)
    net.register_forward_pre_hook(lambda module, args: args[0] + 1)
    net.register_forward_pre_hook(lambda module, args, kwargs: ((args[0] * 10,), kwargs), with_kwargs=True)
    assert net(nt.tensor(1.0)).item() == 41 and log == [("after", 41.0)]
    first.remove()
    with net.register_forward_hook(lambda *_: log.append("inside")):
        net(nt.tensor(1.0))
    net(nt.tensor(1.0))
    assert log == [("after", 41.0), "inside"] and len(net._forward_hooks) == 1
    net.register_forward_pre_hook(lambda module, args, kwargs: 5, with_kwargs=True)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        net(nt.tensor(1.0))


def test_hooks_that_always_run():
    class Fails(nn.Module):
        def forward(self, x):
            raise ValueError("no")
    log, net = [], Fails()
    net.register_forward_hook(lambda *_: log.append("never"))
    net.register_forward_hook(lambda module, args, result: log.append(result), always_call=True)
    with pytest.raises(ValueError, match="no"):
        net(1)
    assert log == [None]


def test_hooks_of_all_modules():
    log = []
    handles = [hooks.register_module_forward_pre_hook(lambda module, args: log.append("before")),
               hooks.register_module_forward_hook(lambda module, args, result: log.append("after")),
               hooks.register_module_module_registration_hook(lambda module, name, child: log.append(name))]
    try:
        nn.Sequential(Double())(nt.ones(1))
    finally:
        for handle in handles:
            handle.remove()
    assert log == ["0", "before", "before", "after", "after"] and not hooks.any_call_hook
    Double()(nt.ones(1))
    assert len(log) == 5


def test_backward_hooks_see_and_replace():
    class Pair(nn.Module):
        def forward(self, x, y):
            return x * y, y * 1
    log, net = [], Pair()
    net.register_full_backward_hook(lambda module, into, out: log.append((into[0].item(), into[1], out[0].item())))
    net.register_full_backward_hook(lambda module, into, out: (into[0] * 10, None))
    net.register_full_backward_pre_hook(lambda module, out: (out[0] * 2, out[1]))
    x = nt.tensor(3.0, requires_grad=True)
    result, _ = net(x, nt.tensor(5.0))
    result.backward()
    assert x.grad.item() == 100
    assert log[0][0] == 10 and log[0][2] == 2
    with pytest.raises(RuntimeError, match="both regular backward hooks and full backward hooks"):
        net.register_backward_hook(lambda *_: None)


def test_backward_hook_without_inputs_that_need_gradients():
    net, log = nn.Linear(2, 1), []
    net.register_full_backward_hook(lambda module, into, out: log.append((into, out[0].tolist())))
    with pytest.warns(UserWarning, match="no inputs require gradients"):
        net(nt.ones(1, 2)).sum().backward()
    assert log == [((None,), [[1.0]])]


def test_backward_hook_with_the_wrong_number_of_gradients():
    net = Double()
    net.register_full_backward_hook(lambda module, into, out: (into[0], into[0]))
    with pytest.raises(RuntimeError, match="invalid number of grad_input, got 2, but expected 1"):
        net(nt.ones(1, requires_grad=True)).sum().backward()


def test_errors_name_the_failing_module():
    class Broken(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([nn.ReLU(), nn.Sequential(Broken())])

        def forward(self, x):
            return self.blocks[1](x)
    for net, note in ((Broken(), "in module Broken"), (Outer(), "in module Outer.blocks.1.0 (Broken)")):
        with pytest.raises(ValueError) as caught:
            net(nt.ones(1))
        assert caught.value.__notes__ == [note]


def test_missing_forward_and_wrong_arguments():
    with pytest.raises(NotImplementedError, match=r'Module \[Module\] is missing the required "forward" function'):
        nn.Module()(1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'a'"):
        nn.Module(a=1)


def test_parameter_shares_memory():
    data = nt.zeros(2)
    parameter = nn.Parameter(data)
    data[0] = 3
    assert parameter.tolist() == [3, 0] and parameter.requires_grad and type(parameter * 2) is nt.Tensor
    assert repr(parameter) == "Parameter containing:\ntensor([3., 0.], requires_grad=True)"
    other = copy.deepcopy(parameter)
    assert isinstance(other, nn.Parameter) and other.data_ptr() != parameter.data_ptr()
    assert isinstance(pickle.loads(pickle.dumps(nn.Parameter(data, requires_grad=False))), nn.Parameter)
    with pytest.raises(RuntimeError):
        nn.Parameter(nt.zeros(2, dtype=nt.int64))
    with pytest.raises(TypeError, match="has to be a tensor, but got int"):
        nn.Parameter(3)


def test_buffer_registers_itself():
    net = nn.Module()
    net.kept, net.hidden = nn.Buffer(nt.ones(1)), nn.Buffer(nt.ones(1), persistent=False)
    assert list(net.state_dict()) == ["kept"] and names(net.named_buffers()) == ["kept", "hidden"]
    assert isinstance(net.kept, nn.Buffer) and not isinstance(nt.ones(1), nn.Buffer)


def test_apply_visits_children_first():
    seen = []
    net = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh()))
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["ReLU", "Tanh", "Sequential", "Sequential"]


def test_old_backward_hooks_of_all_modules():
    from numbatorch.nn.modules import module
    seen = []
    handle = module.register_module_backward_hook(lambda m, grad_input, grad_output: seen.append(type(m).__name__))
    try:
        with pytest.raises(RuntimeError, match="as a global Module hook"):
            module.register_module_full_backward_hook(lambda *_: None)
        nn.Sequential(nn.Linear(2, 2), nn.ReLU())(nt.ones(1, 2)).sum().backward()
    finally:
        handle.remove()
    assert sorted(seen) == ["Linear", "ReLU", "Sequential"]
    nn.Linear(2, 2)(nt.ones(1, 2)).sum().backward()
    assert len(seen) == 3


def test_compiled_in_place_and_copied_as_written():
    model = nn.Linear(2, 2)
    expected = model(nt.ones(1, 2)).tolist()
    keys = list(model.state_dict())
    assert model.compile() is None
    with nt.no_grad():
        assert [model(nt.ones(1, 2)).tolist() for _ in range(3)] == [expected] * 3
    assert list(model.state_dict()) == keys and "forward" in vars(model)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert "forward" not in vars(other) and other(nt.ones(1, 2)).tolist() == expected
