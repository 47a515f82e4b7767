"""autocast: which precision ops run in, gradients, nesting, threads; GradScaler against the arithmetic it states."""

import threading

import pytest

import numbatorch as torch
import numbatorch.nn.functional as F


def test_products_run_low_and_losses_high():
    a, b = torch.randn(4, 4), torch.randn(4, 4)
    with torch.autocast("cpu"):
        assert (a @ b).dtype is torch.mm(a, b).dtype is F.linear(a, b).dtype is torch.bfloat16
        assert (a + b).dtype is torch.float32
        low = a @ b
        assert (low + low).dtype is torch.bfloat16
        assert F.mse_loss(low, low).dtype is torch.float32
        assert torch.cat([low, a]).dtype is torch.float32
        assert (a.double() @ b.double()).dtype is torch.float64
        with torch.autocast("cpu", enabled=False):
            assert (a @ b).dtype is torch.float32
        with torch.autocast("cpu", dtype=torch.float16):
            assert (a @ b).dtype is torch.float16
        assert (a @ b).dtype is torch.bfloat16
    assert (a @ b).dtype is torch.float32
    assert not torch.is_autocast_enabled("cpu")


def test_gradients_come_in_the_dtype_of_parameters_and_conversions_are_shared():
    layer = torch.nn.Linear(3, 2)
    x = torch.randn(5, 3)
    with torch.autocast("cpu"):
        y = layer(x) + layer(x)
        loss = y.float().pow(2).sum()
    loss.backward()
    assert layer.weight.grad.dtype is torch.float32
    exact = torch.nn.Linear(3, 2)
    exact.load_state_dict(layer.state_dict())
    (2 * exact(x)).pow(2).sum().backward()
    torch.testing.assert_close(layer.weight.grad, exact.weight.grad, rtol=0.05, atol=0.2)


def test_a_parameter_changed_inside_is_converted_anew():
    w = torch.ones(2, 2, requires_grad=True)
    with torch.autocast("cpu"):
        first = w @ w
        with torch.no_grad():
            w.mul_(3)
        assert (w @ w).sum().item() == 9 * first.sum().item()


def test_evaluation_before_training_does_not_cut_the_graph():
    w = torch.ones(2, 2, requires_grad=True)
    with torch.autocast("cpu"):
        with torch.no_grad():
            w @ w
        (w @ w).sum().backward()
    assert w.grad is not None


def test_other_threads_are_not_affected():
    found = []
    a = torch.randn(3, 3)
    with torch.autocast("cpu"):
        thread = threading.Thread(target=lambda: found.append((a @ a).dtype))
        thread.start()
        thread.join()
    assert found == [torch.float32]


def test_decorator_and_errors():
    @torch.autocast("cpu", dtype=torch.bfloat16)
    def product(a):
        return a @ a
    assert product(torch.ones(2, 2)).dtype is torch.bfloat16
    with pytest.warns(UserWarning, match="CUDA is not available"):
        torch.autocast("cuda")
    with pytest.warns(UserWarning, match="float32 is not supported"), torch.autocast("cpu", dtype=torch.float32):
        assert not torch.is_autocast_enabled("cpu")
    with pytest.raises(ValueError, match="device_type"):
        torch.autocast(torch.float32)


def test_custom_functions():
    class Product(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            assert not torch.is_autocast_enabled("cpu")
            return a @ b

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, grad):
            a, b = ctx.saved_tensors
            return grad @ b.T, a.T @ grad
    a = torch.randn(2, 2).bfloat16().requires_grad_()
    with torch.autocast("cpu"):
        y = Product.apply(a, torch.randn(2, 2))
    assert y.dtype is torch.float32
    y.sum().backward()
    assert a.grad.dtype is torch.bfloat16


def _scaler(**options):
    return torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2, **options)


def test_scaler_steps_grows_and_backs_off():
    w = torch.ones(2, requires_grad=True)
    optimizer, scaler = torch.optim.SGD([w], lr=0.5), _scaler()
    for k in range(2):
        optimizer.zero_grad()
        scaler.scale((w * 1.0).sum()).backward()
        assert w.grad.tolist() == [8.0, 8.0]
        scaler.step(optimizer)
        scaler.update()
        assert w.tolist() == [0.5 - 0.5 * k] * 2
    assert scaler.get_scale() == 16.0
    w.grad = torch.tensor([float("inf"), 1.0])
    scaler.step(optimizer)
    scaler.update()
    assert w.tolist() == [0.0, 0.0] and scaler.get_scale() == 8.0


def test_scaler_order_of_calls_and_state():
    w = torch.ones(2, requires_grad=True)
    optimizer, scaler = torch.optim.SGD([w], lr=0.5), _scaler()
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    assert w.grad.tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) has already"):
        scaler.step(optimizer)
    scaler.update()
    other = _scaler()
    other.load_state_dict(scaler.state_dict())
    assert other.state_dict() == scaler.state_dict()
    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert torch.amp.GradScaler().scale(w) is w


def test_the_older_names():
    with torch.cpu.amp.autocast():
        assert torch.is_autocast_cpu_enabled() and torch.get_autocast_cpu_dtype() is torch.bfloat16
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.bfloat16
        assert torch.mv(torch.ones(2, 2), torch.ones(2)).dtype is torch.float32
    torch.set_autocast_enabled("cpu", True)
    assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.bfloat16
    torch.set_autocast_enabled("cpu", False)
    assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.float32


def _dtypes(results):
    return [_dtypes(r) for r in results] if isinstance(results, tuple) else results.dtype


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_recurrent_networks_give_pytorchs_dtypes(kind):
    torch.manual_seed(0)
    network, x = getattr(torch.nn, kind)(3, 4, num_layers=2, bidirectional=True), torch.randn(5, 2, 3)
    expected = network(x)
    lower, wide = torch.bfloat16, torch.float32
    with torch.autocast("cpu"):
        output, last = network(x)
        narrow_input = network(x.to(lower))
        state = torch.zeros(4, 2, 4, dtype=lower)
        narrow_state = network(x, (state, state) if kind == "LSTM" else state)
        packed = network(torch.nn.utils.rnn.pack_padded_sequence(x, [5, 3]))
        double = getattr(torch.nn, kind)(3, 4).double()(x.double())[0]
    own = wide if kind == "GRU" else lower
    assert output.dtype is own and _dtypes(last) == ([own, own] if kind == "LSTM" else own)
    assert narrow_input[0].dtype is lower and narrow_state[0].dtype is lower and double.dtype is torch.float64
    assert packed[0].data.dtype is (lower if kind == "RNN" else wide)
    torch.testing.assert_close(output.float(), expected[0], atol=2e-2, rtol=2e-2)
    output.float().sum().backward()
    assert all(p.grad.dtype is wide for p in network.parameters())


def test_an_lstm_with_projections_under_autocast():
    network, x = torch.nn.LSTM(3, 4, proj_size=2), torch.randn(5, 2, 3)
    with torch.autocast("cpu"):
        for given in (x, x.bfloat16()):
            output, (hidden, memory) = network(given)
            assert output.shape == (5, 2, 2) and memory.dtype is torch.float32
