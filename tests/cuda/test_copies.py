"""Copies from and to a GPU inside compiled functions: steps of the program, with what is there in each run."""

import pytest

import numbatorch as torch
from numbatorch import nn
from numbatorch.nn import functional as F

pytestmark = pytest.mark.usefixtures("gpu")

FUNCTIONS = {
    "up": ("cpu", lambda x: x.cuda() + 1),
    "a temporary up": ("cpu", lambda x: (x * 2).to("cuda", non_blocking=True).sum()),
    "down": ("cuda", lambda x: (x * 2).cpu() + 1),
    "an argument down": ("cuda", lambda x: x.cpu()),
    "into": ("cpu", lambda x: torch.empty_like(x, device="cuda").copy_(x * 2) + 1),
    "there and back": ("cpu", lambda x: ((x + 1).cuda().exp().cpu() * 2).cuda().sum(0)),
    "transposed": ("cuda", lambda x: x.t().cpu().exp()),
    "Python data": ("cuda", lambda x: x + torch.tensor([1.0, 2.0, 3.0]).cuda()),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dynamic", [False, True])
def test_a_copy_has_what_is_there_in_each_run(name, dynamic):
    device, function = FUNCTIONS[name]
    run = torch.compile(lambda x: function(x), dynamic=dynamic)
    for n, value in ((2, 0.0), (2, 0.0), (2, 0.0), (2, 1.0), (2, 2.0), (5, 3.0), (6, 3.0), (6, 4.0)):
        x = torch.full((n, 3), value, device=device)
        expected, found = function(x), run(x)
        assert found.device == expected.device and torch.equal(found.cpu(), expected.cpu()), (n, value, run.explain())
    assert run.programs and sum(p.runs for p in run.programs) >= 2, run.explain()


def test_values_that_go_to_python_by_way_of_a_copy_are_no_constants():
    run = torch.compile(lambda x: x * float(x.cpu().numpy().sum()))
    for value in (1.0, 1.0, 1.0, 2.0, 3.0):
        x = torch.full((2,), value).cuda()
        assert torch.equal(run(x).cpu(), (x * (2 * value)).cpu())


def test_a_step_brings_its_batch_and_gives_its_loss_on_the_cpu():
    found = []
    for compiled in (False, True):
        torch.manual_seed(0)
        network = nn.Linear(6, 3).cuda()
        optimizer = torch.optim.Adam(network.parameters(), 0.1)

        def step(x, y, network=network, optimizer=optimizer):
            x, y = x.to("cuda"), y.to("cuda")
            optimizer.zero_grad()
            loss = F.cross_entropy(network(x), y)
            loss.backward()
            optimizer.step()
            return loss.detach().cpu()
        run = torch.compile(step) if compiled else step
        torch.manual_seed(1)
        losses = [run(torch.randn(5, 6), torch.randint(0, 3, (5,))) for _ in range(7)]
        found.append([*losses, *(p.detach().cpu() for p in network.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True)), run.explain()
    assert run.programs[0].runs >= 3 and {"upload", "download"} <= {s.name for s in run.graph.steps}
    assert "upload" in run.profile(torch.randn(5, 6), torch.randint(0, 3, (5,)), runs=1)
