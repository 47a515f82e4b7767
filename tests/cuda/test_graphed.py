"""Functions and modules as recorded graphs: `make_graphed_callables`."""

import pytest

import numbatorch as torch
from numbatorch import nn


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).cuda()


def batches(count):
    torch.manual_seed(1)
    return [torch.randn(4, 5) for _ in range(count)]


def trained(net, steps=3):
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    losses = []
    for x in batches(steps):
        optimizer.zero_grad()
        loss = net(x.cuda()).square().sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, [p.detach().cpu() for p in net.parameters()]


def test_a_graphed_module_trains_with_the_bits_of_its_eager_self(gpu):
    expected, weights = trained(network())
    net = network()
    assert torch.cuda.make_graphed_callables(net, (torch.zeros(4, 5, device="cuda"),)) is net
    found, own = trained(net)
    assert found == expected and all(map(torch.equal, own, weights))
    x = batches(1)[0].cuda()
    assert type(net(x).grad_fn).__name__ == "ReplayBackward"
    net.eval()
    assert type(net(x).grad_fn).__name__ != "ReplayBackward"


def test_functions_in_a_row_with_gradients_of_their_inputs(gpu):
    def scaled(x, y):
        return {"sum": x * 2 + y.exp(), "mean": x.mean()}

    def squared(z):
        return z.square()
    x, y = (torch.zeros(3, device="cuda", requires_grad=True) for _ in range(2))
    first, second = torch.cuda.make_graphed_callables((scaled, squared), ((x, y), (x * 2,)))
    for k in range(2):
        a, b = (torch.full((3,), v, device="cuda", requires_grad=True) for v in (1.0 + k, 0.5))
        found = first(a, b)
        (second(found["sum"]).sum() + found["mean"]).backward()
        inner = 2 * (2 * (1.0 + k) + torch.tensor(0.5).exp())
        assert torch.allclose(a.grad.cpu(), 2 * inner + torch.full((3,), 1 / 3))
        assert torch.allclose(b.grad.cpu(), inner * torch.tensor(0.5).exp() * torch.ones(3))


def test_what_has_no_gradient(gpu):
    double = torch.cuda.make_graphed_callables(lambda x: x * 2, (torch.zeros(3, device="cuda"),))
    assert double(torch.ones(3, device="cuda")).tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match="no backward pass"):
        double(torch.ones(3, device="cuda", requires_grad=True)).sum().backward()
    x, unused = (torch.zeros(2, device="cuda", requires_grad=True) for _ in range(2))
    with pytest.raises(RuntimeError, match="allow_unused"):
        torch.cuda.make_graphed_callables(lambda x, y: x * 2, (x, unused))
    twice = torch.cuda.make_graphed_callables(lambda x, y: x * 2, (x, unused), allow_unused_input=True)
    a, b = (torch.ones(2, device="cuda", requires_grad=True) for _ in range(2))
    twice(a, b).sum().backward()
    assert a.grad.tolist() == [2, 2] and b.grad is None


def test_errors_name_what_is_wrong(gpu):
    x = torch.zeros(4, 5, device="cuda")
    graphed = torch.cuda.make_graphed_callables
    with pytest.raises(TypeError, match="sample_args must be tensors, but one is of type int"):
        graphed(lambda x, n: x * n, (x, 2))
    with pytest.raises(ValueError, match="2 callables and 1 sets"):
        graphed((torch.sin, torch.cos), ((x,),))
    hooked = network()
    hooked.register_forward_hook(lambda *_: None)
    with pytest.raises(RuntimeError, match="must not have hooks"):
        graphed(hooked, (x,))
    with torch.autocast("cuda"), pytest.raises(RuntimeError, match="cache_enabled=False"):
        graphed(network(), (x,))
    sine = graphed(torch.sin, (x,))
    with pytest.raises(RuntimeError, match=r"operand of shape \(4, 5\), not \(4, 1\)"):
        sine(torch.zeros(4, 1, device="cuda"))
    with pytest.raises(TypeError, match="arguments of the form"):
        sine(x, x)
    with pytest.raises(TypeError, match="unexpected keyword argument 'scale'"):
        graphed(network(), (x,))(x, scale=2)
