"""Programs on the GPU, in the emulator: the MNIST demonstration, mixed precision, recurrent layers, loaders."""

import gzip
import struct

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.cli import main
from numbatorch.nn import functional as F

pytestmark = pytest.mark.usefixtures("gpu")


def write_mnist(folder, images):
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        pixels, labels = rng.integers(0, 256, (images, 28, 28)), rng.integers(0, 10, images)
        with gzip.open(folder / f"{part}-images-idx3-ubyte.gz", "wb") as file:
            file.write(struct.pack(">4i", 0x803, images, 28, 28) + pixels.astype("u1").tobytes())
        with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">2i", 0x801, images) + labels.astype("u1").tobytes())


def test_mnist(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_mnist(tmp_path, 2)
    for device in ("cpu", "cuda"):
        assert main(["mnist", "--data", str(tmp_path), "--epochs", "1", "--batch-size", "1", "--device", device,
                     "--save", f"{device}.pt"]) == 0
    assert capsys.readouterr().out.count("accuracy") >= 2
    weights = [torch.load(f"{device}.pt", map_location="cpu") for device in ("cpu", "cuda")]
    assert all(a.shape == b.shape and torch.isfinite(b).all() for a, b in zip(
        weights[0].values(), weights[1].values(), strict=True))


def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_mixed_precision_follows_float32(dtype):
    x = torch.tensor(np.random.default_rng(0).normal(size=(10, 6)).astype("f"))
    y, losses = torch.arange(10) % 3, {}
    for name in ("float32", "mixed"):
        net = model().cuda()
        optimizer, scaler = torch.optim.SGD(net.parameters(), lr=0.1), torch.amp.GradScaler("cuda", 2.0**10)
        losses[name] = []
        for _ in range(4):
            optimizer.zero_grad()
            with torch.autocast("cuda", dtype=dtype, enabled=name == "mixed"):
                out = net(x.cuda())
                assert out.dtype is (dtype if name == "mixed" else torch.float32)
                loss = F.cross_entropy(out.float(), y.cuda())
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            losses[name].append(loss.item())
    assert losses["mixed"][-1] < losses["mixed"][0]
    assert np.allclose(losses["mixed"], losses["float32"], rtol=0.02)


def test_steps_are_skipped_where_gradients_overflow():
    net, x = model().cuda(), torch.ones(2, 6, device="cuda")
    optimizer, scaler = torch.optim.Adam(net.parameters()), torch.amp.GradScaler("cuda", 2.0**10)
    before = [p.detach().clone() for p in net.parameters()]
    scaler.scale(net(x).sum() * float("inf")).backward()
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 2.0**9
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_which_op_runs_in_which_precision():
    x, w = torch.ones(3, 3, device="cuda"), torch.ones(3, 3, device="cuda", requires_grad=True)
    with torch.autocast("cuda"):
        half = x @ w
        assert half.dtype is torch.float16 and (x + x).dtype is torch.float32
        assert half.exp().dtype is torch.float32 and half.sum().dtype is torch.float32
        assert torch.softmax(half, 1).dtype is torch.float32 and half.relu().dtype is torch.float16
        assert torch.cat([half, x]).dtype is torch.float32 and (x.cpu() @ x.cpu()).dtype is torch.float32
        assert torch.nn.LSTM(3, 2).cuda()(half)[0].dtype is torch.float16
        with pytest.raises(RuntimeError, match="binary_cross_entropy_with_logits"):
            F.binary_cross_entropy(torch.sigmoid(x), x)
        with torch.autocast("cuda", enabled=False):
            assert (x @ w).dtype is torch.float32
        half.sum().backward()
    assert w.grad.dtype is torch.float32 and (x @ w).dtype is torch.float32


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers_run_on_the_gpu(kind, host_work):
    torch.manual_seed(0)
    layer = getattr(torch.nn, kind)(3, 4, num_layers=2, bidirectional=True)
    x = torch.tensor(np.random.default_rng(0).normal(size=(5, 2, 3)).astype("f"))

    def gradients(device):
        net, leaf = layer.to(device), x.detach().to(device).requires_grad_()
        net.zero_grad()
        found, _ = net(leaf)
        (found ** 2).sum().backward()
        return [found, leaf.grad, *(p.grad for p in net.parameters())]
    expected = [t.detach().clone() for t in gradients("cpu")]
    host_work.clear()
    for a, b in zip(gradients("cuda"), expected, strict=True):
        assert a.is_cuda and torch.allclose(a.cpu(), b, rtol=1e-4, atol=1e-5)
    assert not host_work, host_work
