"""What is left when memory or the driver fails in a compiled step: all as it was, unless a GPU had begun a change."""

import contextlib

import pytest

import numbatorch as torch
from numbatorch import nn
from numbatorch.compiler import updates
from numbatorch.compiler.memory import Arena
from numbatorch.cuda import CudaError
from numbatorch.errors import OutOfMemoryError
from numbatorch.nn import functional as F

pytestmark = pytest.mark.usefixtures("gpu")


class Trained:
    """A step with random numbers, statistics, counts on the host and two launches of updates."""

    def __init__(self):
        torch.manual_seed(0)
        torch.cuda.manual_seed(0)
        self.network = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.3), nn.Linear(6, 3)).cuda()
        self.optimizer = torch.optim.Adam(self.network.parameters(), 0.01)
        self.target, self.x = torch.arange(5).cuda() % 3, torch.randn(5, 4).cuda()
        network, optimizer, target = self.network, self.optimizer, self.target

        @torch.compile
        def step(x):
            optimizer.zero_grad()
            loss = F.cross_entropy(network(x), target)
            loss.backward()
            optimizer.step()
            return loss.detach()
        self.step = step
        for _ in range(5):
            step(self.x)

    def everything(self):
        """Copies of parameters, statistics, the optimizer's state and generators."""
        state = [v for p in self.network.parameters() for v in self.optimizer.state[p].values()]
        return [t.detach().cpu().clone() for t in (*self.network.state_dict().values(), *state)] + [
            torch.get_rng_state(), torch.cuda.get_rng_state()]


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def check_that_they_go_on_alike(*both):
    found = []
    for one in both:
        torch.cuda.manual_seed(5)
        one.step(one.x)
        found.append(one.everything())
    assert same(*found)


@pytest.fixture
def failing(gpu):
    """`with failing(name, n, answer):` the driver's calls of a name are answered by answer() from the n-th on."""
    @contextlib.contextmanager
    def fail(name, n, answer):
        calls, own = [0], getattr(gpu, name)

        def call(*arguments):
            calls[0] += 1
            return answer() if calls[0] >= n else own(*arguments)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gpu, name, call)
            yield calls
    return fail


def refused(*_):
    raise CudaError("cuGraphLaunch: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES (injected)")


def test_no_memory_while_graphs_are_recorded_leaves_all_as_it_was(failing):
    trained, twin = Trained(), Trained()
    reached = 0
    torch.cuda.manual_seed(5)
    before = trained.everything()
    for n in range(1, 100):
        program, kept = trained.step.programs[0], [p.grad.detach() for p in trained.network.parameters()]
        program.drop()  # graphs are to be recorded again, gradients to be in other memory
        grads = [p.grad for p in trained.network.parameters()]
        with failing("allocate", n, lambda: None) as calls:
            try:
                trained.step(trained.x)
            except OutOfMemoryError as error:
                reached += 1
                assert "begun" not in str(error)
        if calls[0] < n:
            break
        assert same(trained.everything(), before), n
        assert all(p.grad is g for p, g in zip(trained.network.parameters(), grads, strict=True)), n
        del kept
    assert reached >= 3 and trained.step.programs == [program]
    torch.cuda.manual_seed(5)
    twin.step(twin.x)  # as the other one has in the end
    check_that_they_go_on_alike(trained, twin)


def test_a_graph_that_is_not_launched_leaves_all_as_it_was(failing):
    trained, twin = Trained(), Trained()
    before = trained.everything()
    with failing("launch_graph", 1, refused), pytest.raises(CudaError) as error:
        trained.step(trained.x)
    assert "begun" not in str(error.value) and same(trained.everything(), before)
    check_that_they_go_on_alike(trained, twin)
    assert len(trained.step.programs) == 1


def test_an_error_after_a_graph_has_changed_statistics_says_so(monkeypatch):
    trained = Trained()
    before = trained.everything()
    monkeypatch.setattr(updates.Updates, "__call__", refused)
    with pytest.raises(CudaError, match=(
            "OUT_OF_RESOURCES.* step had begun to change parameters, state or statistics on cuda:0: .* not known")):
        trained.step(trained.x)
    after = trained.everything()
    assert torch.equal(after[-1], before[-1]) and torch.equal(after[-2], before[-2])  # generators are where they were


def test_no_memory_for_a_program_leaves_the_call_that_was_captured(monkeypatch):
    def refuse(self, nbytes):
        raise OutOfMemoryError("CUDA out of memory (injected)")
    monkeypatch.setattr(Arena, "_take", refuse)
    run = torch.compile(lambda x: (x.cumsum(0) * 2).sum(0).exp())
    for _ in range(12):
        x = torch.ones(2, 2).cuda()
        assert torch.equal(run(x).cpu(), run.function(x).cpu())
    assert not run.programs and "there is no room for a program: CUDA out of memory (injected)" in run.explain()


def test_an_arena_that_cannot_grow_leaves_programs_theirs():
    run = torch.compile(lambda x: (x.cumsum(0) * 2).sum(0).exp(), dynamic=False)
    small, large = torch.ones(2, 2).cuda(), torch.ones(64, 2).cuda()
    for _ in range(3):
        run(small)
    own = run.programs[0].arena
    with pytest.MonkeyPatch.context() as patch:
        take, most = Arena._take, own.nbytes
        patch.setattr(Arena, "_take", lambda self, nbytes: refused() if nbytes > most else take(self, nbytes))
        with pytest.raises(CudaError):
            own.join(run.programs[0], own.nbytes + 1)
    assert own._block is not None and run.programs[0]._places[-1] == own.start
    assert torch.equal(run(small).cpu(), run.function(small).cpu())
    assert torch.equal(run(large).cpu(), run.function(large).cpu())
