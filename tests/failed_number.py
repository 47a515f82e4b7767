"""A compiled step in which a number cannot be computed: used by the tests of the CPU and of a GPU."""

import pytest

import numbatorch as torch

nn = torch.nn


def check_that_a_failed_number_changes_nothing(device, make):
    """make(first layer's parameters, second's) gives an optimizer that divides by what its count of steps decides."""
    torch.manual_seed(0)
    first, second = nn.Linear(4, 4).to(device), nn.Linear(4, 2).to(device)
    parameters = [*first.parameters(), *second.parameters()]
    optimizer, x = make(first.parameters(), second.parameters()), torch.randn(3, 4).to(device)

    @torch.compile
    def step():
        optimizer.zero_grad()
        loss = second(first(x).relu()).square().mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    def everything():
        return [t.detach().cpu().clone() for p in parameters
                for t in (p, *(v for v in optimizer.state[p].values() if isinstance(v, torch.Tensor)))]
    for _ in range(6):
        step()
    runs = step.programs[0].runs
    optimizer.state[parameters[-1]]["step"].fill_(-1)  # so that 1 - beta ** (-1 + 1) is 0
    before = everything()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            step()
        assert all(torch.equal(a, b) for a, b in zip(before, everything(), strict=True))
    optimizer.state[parameters[-1]]["step"].fill_(6)
    step()
    assert step.programs[0].runs == runs + 1 and not torch.equal(before[0], parameters[0].cpu())
