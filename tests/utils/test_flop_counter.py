"""FlopCounterMode: counts of products, forward and backward, by module."""

import pytest

import numbatorch as torch
from numbatorch.utils import flop_counter
from numbatorch.utils.flop_counter import FlopCounterMode
from numbatorch.utils.module_tracker import ModuleTracker

aten = torch.ops.aten


def counted(f, **options):
    with FlopCounterMode(display=False, **options) as counter:
        f()
    return counter


def test_products():
    a, b = torch.ones(3, 4), torch.ones(4, 5)
    assert counted(lambda: a @ b).get_total_flops() == 2 * 3 * 4 * 5
    assert counted(lambda: torch.ones(2, 3, 4) @ torch.ones(2, 4, 5)).get_flop_counts()["Global"] == {aten.bmm: 240}
    assert counted(lambda: torch.addmm(torch.ones(5), a, b)).get_flop_counts()["Global"] == {aten.addmm: 120}
    assert counted(lambda: torch.baddbmm(torch.ones(5), a[None], b[None])).get_total_flops() == 120
    assert counted(lambda: a.exp()).get_total_flops() == 0


def test_backward_counts_two_more_products():
    a, b = torch.ones(3, 4, requires_grad=True), torch.ones(4, 5, requires_grad=True)
    assert counted(lambda: (a @ b).sum().backward()).get_total_flops() == 3 * 120


def test_convolution_by_module():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1), torch.nn.Linear(128, 10)

        def forward(self, x):
            return self.head(self.conv(x).relu().flatten(1))
    net, x = Net(), torch.ones(2, 3, 8, 8)
    counter = counted(lambda: net(x).sum().backward())
    conv, linear = 2 * (2 * 8 * 4 * 4) * 27, 2 * 2 * 128 * 10
    counts = counter.get_flop_counts()
    by_name = {operator.name(): n for operator, n in counts["Net.conv"].items()}
    assert by_name == {"aten::convolution": conv, "aten::convolution_backward": conv}  # no gradient of the input
    assert counts["Net.head"] == {aten.addmm: linear, aten.mm: 2 * linear}
    assert counts["Net"] == counts["Global"] and counter.get_total_flops() == 2 * conv + 3 * linear
    table = counter.get_table()
    assert "Net.conv" in table and "aten.convolution" in table and "100.00%" in table
    assert "Net.conv" not in counter.get_table(depth=1)


def test_attention_is_one_operation():
    q = torch.ones(1, 2, 5, 8)
    counts = counted(lambda: torch.nn.functional.scaled_dot_product_attention(q, q, q)).get_flop_counts()
    assert counts["Global"] == {aten.scaled_dot_product_attention: 2 * 2 * 5 * 5 * (8 + 8)}


def test_formulas_of_ones_own(capsys):
    with FlopCounterMode(custom_mapping={aten.exp: lambda shape, out_shape: shape[0] * out_shape[0]}) as counter:
        torch.ones(3).exp()
    assert counter.get_total_flops() == 9 and "aten.exp" in capsys.readouterr().out

    @flop_counter.register_flop_formula(aten.softmax, get_raw=True)
    def softmax(input, *args, out_val, **kwargs):
        return input.numel() + out_val.numel()
    try:
        assert counted(lambda: torch.ones(4).softmax(0)).get_total_flops() == 8
    finally:
        del flop_counter.flop_registry[aten.softmax]
    with pytest.raises(ValueError, match="torch.ops.aten.mm"):
        flop_counter.register_flop_formula(torch.mm)(softmax)


def test_tracker_knows_modules_forward_and_backward():
    seen = []

    class Watch(torch.autograd.Function):
        @staticmethod
        def forward(ctx, input):
            seen.append((tracker.path, tracker.is_bw))
            return input * 1

        @staticmethod
        def backward(ctx, grad):
            seen.append((tracker.path, tracker.is_bw))
            return grad

    class Inner(torch.nn.Module):
        def forward(self, x):
            return Watch.apply(x)
    net = torch.nn.Sequential(torch.nn.Sequential(Inner()), Inner())
    with ModuleTracker() as tracker:
        net(torch.ones(1, requires_grad=True)).sum().backward()
        assert tracker.parents == {"Global"}
    names = ["Sequential.0.0", "Sequential.1"]
    assert seen == [(n, False) for n in names] + [(n, True) for n in reversed(names)]


def test_a_failing_module_is_left():
    class Fails(torch.nn.Module):
        def forward(self, x):
            raise ValueError("on purpose")
    with ModuleTracker() as tracker:
        with pytest.raises(ValueError, match="on purpose"):
            Fails()(torch.ones(1))
        assert tracker.path == ""


def test_what_checkpoints_compute_again_counts_where_it_is():
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    x = torch.ones(4, 2)
    plain = counted(lambda: net(x).square().sum().backward()).get_flop_counts()
    again = counted(lambda: torch.utils.checkpoint.checkpoint(net, x, use_reentrant=False).square().sum().backward(
        )).get_flop_counts()
    assert set(plain) == set(again) == {"Global", "Sequential", "Sequential.0", "Sequential.2"}
    assert again["Sequential.0"] == {aten.addmm: 2 * plain["Sequential.0"][aten.addmm],
                                     aten.mm: plain["Sequential.0"][aten.mm]}
    assert again["Sequential"] == again["Global"]
