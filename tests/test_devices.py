"""Tensors on another device than the CPU: moving, mixing, and what the host does for a device that cannot."""

import copy
import io
import pickle

import numpy as np
import pytest

import numbatorch as torch
from numbatorch import nn
from tests.other_device import installed


@pytest.fixture
def device():
    with installed() as found:
        yield found


def test_tensors_are_made_on_a_device_with_its_index(device):
    assert torch.zeros(2, device="privateuseone").device == device
    for made in (torch.ones(2, 3, device=device), torch.tensor([1, 2], device=device), torch.arange(3, device=device),
                 torch.eye(2, device=device), torch.rand(3, device=device), torch.hann_window(4, device=device),
                 torch.ones(2).new_zeros(3, device=device), torch.zeros_like(torch.ones(2), device=device),
                 torch.empty_strided((2, 2), (1, 2), device=device), torch.randperm(4, device=device)):
        assert made.device is device and made.untyped_storage().device is device
    assert torch.zeros(1, device=device).get_device() == 0 and torch.zeros(1).get_device() == -1
    with pytest.raises(RuntimeError, match="there are 2"):
        torch.zeros(1, device="privateuseone:7")


def test_moving_keeps_values_strides_and_gradients(device):
    x = torch.arange(6.0).view(2, 3).t().requires_grad_()
    there = x.to(device)
    assert there.stride() == (1, 3) and there.to(device) is there and x.to("cpu") is x
    (there * 2).sum().backward()
    assert x.grad.device.type == "cpu" and x.grad.tolist() == [[2.0, 2.0]] * 3
    second = there.detach().to("privateuseone:1", torch.float64)
    assert second.dtype is torch.float64 and second.device.index == 1 and torch.equal(second.cpu().float(), x)
    part = torch.arange(10, device=device)[1:9:2]
    assert part.cpu().tolist() == [1, 3, 5, 7] and part.tolist() == [1, 3, 5, 7]


def test_copy_crosses_devices_and_converts(device):
    x = torch.zeros(2, 3, device=device)
    x.copy_(torch.arange(3.0, dtype=torch.float64), non_blocking=True)
    assert x.tolist() == [[0.0, 1.0, 2.0]] * 2
    assert torch.zeros(3).copy_(x[0]).tolist() == [0.0, 1.0, 2.0]


def test_numbers_of_the_cpu_mix_and_other_tensors_do_not(device):
    x, scale = torch.ones(3, device=device), torch.tensor(2.0, requires_grad=True)
    (x * scale).sum().backward()
    assert scale.grad.item() == 3.0 and scale.grad.device.type == "cpu"
    for call in (lambda: x + torch.ones(3), lambda: torch.ones(3) + x, lambda: x @ torch.ones(3),
                 lambda: torch.ones(()).add_(x[0]), lambda: torch.ones((), device=device) + torch.ones(3),
                 lambda: x + torch.ones(3, device="privateuseone:1")):
        with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device, but found at least two"):
            call()


def test_python_reads_values_and_numpy_does_not(device):
    x = torch.tensor([1.5, 2.0], device=device)
    assert x[0].item() == 1.5 and float(x[1]) == 2.0 and bool(x[0] > 1) and x.tolist() == [1.5, 2.0]
    assert repr(x) == "tensor([1.5000, 2.0000], device='privateuseone:0')"
    assert torch.tensor(1.5, dtype=torch.bfloat16, device=device).item() == 1.5
    with pytest.raises(TypeError, match="can't convert privateuseone:0 device type tensor to numpy. Use Tensor.cpu"):
        x.numpy()
    with pytest.raises(TypeError):
        np.asarray(x)
    with pytest.raises(BufferError):
        np.from_dlpack(x)
    assert x.numpy(force=True).tolist() == [1.5, 2.0]


def test_pickles_copies_and_storages_stay_on_the_device(device):
    x = torch.arange(4.0, device=device).view(2, 2).t()
    for other in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert other.device is device and other.tolist() == x.tolist() and other.stride() == x.stride()
    x.resize_(3, 3)
    assert x.device is device and x.shape == (3, 3)
    storage = torch.tensor([1, 2], dtype=torch.uint8, device=device).untyped_storage()
    storage[0] = 9
    assert storage.device is device and storage.tolist() == [9, 2] and storage.clone().fill_(3).tolist() == [3, 3]
    assert storage.cpu().device.type == "cpu" and pickle.loads(pickle.dumps(storage)).device is device


def test_checkpoints_say_where_tensors_were(device):
    file = io.BytesIO()
    torch.save({"w": torch.ones(2, device=device), "b": torch.zeros(2)}, file)

    def load(**options):
        file.seek(0)
        found = torch.load(file, **options)
        assert found["w"].tolist() == [1.0, 1.0]
        return str(found["w"].device), str(found["b"].device)
    assert load() == ("privateuseone:0", "cpu")
    assert load(map_location="cpu") == ("cpu", "cpu")
    assert load(map_location="privateuseone:1") == ("privateuseone:1",) * 2
    assert load(map_location={"privateuseone:0": "privateuseone:1"}) == ("privateuseone:1", "cpu")


def test_a_checkpoint_of_a_device_that_is_not_there_says_what_to_do():
    file = io.BytesIO()
    with installed() as found:
        torch.save(torch.ones(2, device=found), file)
    file.seek(0)
    with pytest.raises(RuntimeError, match="map_location='cpu'"):
        torch.load(file)


def test_the_default_device_makes_tensors_and_nothing_inside_ops(device):
    x = torch.arange(6.0).view(2, 3)
    with device:
        assert torch.ones(2).device is device and torch.get_default_device() is device
        assert nn.Linear(2, 2).weight.device is device
        assert torch.from_numpy(np.ones(2)).device.type == "cpu" and torch.ones_like(x).device.type == "cpu"
        for result in (x.tril(), x[[0, 1]], x[:, [True, False, True]], x.flip(0), x.sort().indices, x.mode().values,
                       x + (1 + 1j), torch.nn.functional.pad(x[None], (1, 1), mode="reflect"), x.quantile(0.5)):
            assert result.device.type == "cpu"


def test_a_model_trains_on_a_device_as_on_the_cpu(device):
    def train(place):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4))
        model.to(place)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        x, y = torch.randn(5, 1, 6, 6).to(place), torch.tensor([0, 1, 2, 3, 0]).to(place)
        losses = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert all(p.device == torch.device(place) and p.grad.device == p.device for p in model.parameters())
        return losses
    assert train("cpu") == train(device)


def test_what_numpy_computes_runs_on_the_host_and_comes_back(device):
    a = torch.tensor([[4.0, 1.0], [1.0, 3.0]], requires_grad=True)
    there = a.detach().to(device).requires_grad_()
    for op in (torch.linalg.inv, torch.linalg.cholesky, lambda x: torch.linalg.solve(x, x), torch.fft.fft2,
               lambda x: torch.linalg.matrix_exp(x), lambda x: torch.linalg.pinv(x)):
        want, got = op(a), op(there)
        assert got.device is device and torch.equal(got.cpu(), want)
        want.abs().sum().backward()
        got.abs().sum().backward()
        assert there.grad.device is device and torch.equal(there.grad.cpu(), a.grad)


def test_random_numbers_of_a_device_without_a_generator_are_the_hosts(device):
    def draws(place):
        torch.manual_seed(1)
        weights = torch.ones(3, 4).to(place)
        return [torch.rand(3, device=place), torch.randn(2, 2, device=place).normal_(1, 2), torch.poisson(weights),
                torch.randperm(5, device=place), weights.multinomial(2), torch.bernoulli(weights / 2),
                nn.functional.dropout(weights, 0.5), torch.distributions.Gamma(weights, weights).sample()]
    for want, got in zip(draws("cpu"), draws(device), strict=True):
        assert got.device is device and torch.equal(got.cpu(), want)


@pytest.mark.parametrize("index", [torch.tensor([2, 0]), [2, 0], slice(1, None), torch.tensor([True, False, True])],
                         ids=["tensor", "list", "slice", "mask"])
def test_indexing_takes_indices_of_the_cpu(device, index):
    x = torch.arange(6.0).view(3, 2)
    there = x.to(device)
    assert torch.equal(there[index].cpu(), x[index])
    there[index] = 7.0
    x[index] = 7.0
    assert torch.equal(there.cpu(), x)


def test_several_devices_are_told_in_the_words_of_the_call(device):
    F, x, w = nn.functional, torch.zeros(2, 3, device=device), torch.zeros(3)
    here = torch.zeros(2, 3)
    for call, names in (
            (lambda: F.linear(x, here), ("linear", "input", "weight")),
            (lambda: nn.Linear(3, 2)(x), ("linear", "input", "weight")),
            (lambda: torch.where(x > 0, x, here), ("where", "condition", "input", "other")),
            (lambda: F.layer_norm(x, (3,), w), ("layer_norm", "input", "weight")),
            (lambda: x @ here.T, ("matmul", "input", "other")),
            (lambda: F.cross_entropy(x, torch.zeros(2, dtype=torch.int64)), ("cross_entropy", "input", "target")),
            (lambda: x.gather(1, torch.zeros(2, 1, dtype=torch.int64)), ("gather", "input", "index")),
            (lambda: torch.cat([x, here]), ("cat",)), (lambda: torch.stack([here, x]), ("stack",)),
            (lambda: x.add_(here), ("add_", "input", "other")),
            (lambda: x.index_add(0, torch.tensor([0]), here[:1]), ("index_add", "input", "index", "source")),
            (lambda: x.__setitem__(torch.tensor([0]), here[0]), ("Tensor.__setitem__",))):
        with pytest.raises(RuntimeError, match="on the same device") as caught:
            call()
        text = str(caught.value)
        assert text.startswith(f"{names[0]}: ") and all(f"{name} on " in text for name in names[1:]), text


def test_what_is_joined_or_written_is_on_one_device(device):
    x = torch.zeros(3, device=device)
    for call in (lambda: torch.cat([x, torch.ones(3)]), lambda: torch.stack([torch.ones(3), x]),
                 lambda: x.__setitem__(torch.tensor([0]), torch.ones(1)), lambda: x.masked_fill(torch.ones(3) > 0, 1)):
        with pytest.raises(RuntimeError, match="on the same device, but found at least two"):
            call()
    with pytest.raises(RuntimeError, match=r"add\(\): Expected all tensors to be on the same device"):
        torch.add(x, x, out=torch.ones(3))
    x[torch.tensor([0, 2])] = torch.tensor(5.0)
    x[1] = torch.tensor(1.0)
    assert x.tolist() == [5.0, 1.0, 5.0]
    parameter = nn.Parameter(torch.ones(2))
    with pytest.raises(RuntimeError, match="different device"):
        parameter.grad = torch.ones(2, device=device)


def test_the_state_of_an_optimizer_goes_where_its_parameters_are(device):
    model = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    other = nn.Linear(2, 2).to(device)
    loaded = torch.optim.Adam(other.parameters())
    loaded.load_state_dict(optimizer.state_dict())
    assert loaded.state[other.weight]["exp_avg"].device is device
    other(torch.ones(1, 2, device=device)).sum().backward()
    loaded.step()


def test_tensors_of_devices_travel_to_other_processes_by_value(device):
    from multiprocessing.reduction import ForkingPickler
    x = torch.arange(3.0, device=device)
    assert x.share_memory_() is x and not x.is_shared()
    assert torch.equal(pickle.loads(ForkingPickler.dumps(x)).cpu(), torch.arange(3.0))
