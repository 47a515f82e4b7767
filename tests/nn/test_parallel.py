"""nn.parallel on one device, nn.attention, nn.grad and other small parts of nn."""

from collections import namedtuple

import pytest

import numbatorch as nt
from numbatorch import nn
from numbatorch.nn import parallel
from numbatorch.nn.attention import SDPBackend, sdpa_kernel

CPUS = ["cpu", "cpu", "cpu"]
Pair = namedtuple("Pair", ["left", "right"])


def test_data_parallel_is_the_module_where_there_is_one_device():
    model = nn.DataParallel(nn.Linear(3, 2))
    x = nt.randn(5, 3)
    nt.testing.assert_close(model(x), model.module(x))
    assert list(model.state_dict()) == ["module.weight", "module.bias"] and model.device_ids == []
    nt.testing.assert_close(parallel.data_parallel(model.module, x), model.module(x))


def test_a_batch_in_parts_gives_the_same_result_and_gradients():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x = nt.randn(7, 3)
    model(x).sum().backward()
    whole = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    result = parallel.data_parallel(model, x, CPUS)
    nt.testing.assert_close(result, model(x))
    result.sum().backward()
    nt.testing.assert_close([p.grad for p in model.parameters()], whole)
    assert parallel.data_parallel(model, x, ["cpu"]).shape == (7, 2)


def test_replicas_share_modules_used_twice_and_only_the_first_keeps_buffers():
    layer = nn.BatchNorm1d(2)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    first, second = parallel.replicate(model, CPUS[:2])
    assert first[0] is first[2] and first[0] is not layer and first[0].weight is layer.weight
    assert first[0].running_mean is layer.running_mean and second[0].running_mean is not layer.running_mean
    detached, = parallel.replicate(model, ["cpu"], detach=True)
    assert not detached[0].weight.requires_grad
    with pytest.raises(RuntimeError, match="module 1 has parameters without a shape"):
        parallel.replicate(nn.Sequential(nn.ReLU(), nn.LazyLinear(3)), CPUS)


def test_scatter_and_gather_go_through_structures():
    x = nt.arange(6.0).reshape(6, 1)
    parts = parallel.scatter({"a": [x, 3], "b": Pair(x, "text"), "c": ()}, CPUS)
    assert len(parts) == 3 and parts[1]["a"][0].tolist() == [[2], [3]] and parts[2]["a"][1] == 3
    assert type(parts[0]["b"]) is Pair and parts[0]["b"].right == "text" and parts[0]["c"] == ()
    joined = parallel.gather([{"a": part["a"][0], "b": Pair(part["b"].left, None)} for part in parts], "cpu")
    assert nt.equal(joined["a"], x) and type(joined["b"]) is Pair and joined["b"].right is None
    assert parallel.gather([nt.tensor(1.0), nt.tensor(2.0)], -1).tolist() == [1, 2]
    with pytest.raises(ValueError, match="same keys"):
        parallel.gather([{"a": x}, {"b": x}], "cpu")
    args, kwargs = parallel.scatter_kwargs((x[:2],), {"scale": x}, CPUS)
    assert len(args) == len(kwargs) == 3 and args[2] == () and kwargs[2]["scale"].tolist() == [[4], [5]]


def test_parallel_apply_checks_and_names():
    layer = nn.Linear(3, 2)
    results = parallel.parallel_apply([layer, layer], [nt.zeros(1, 3), (nt.zeros(2, 3),)])
    assert [r.shape[0] for r in results] == [1, 2]
    with pytest.raises(ValueError, match="2 modules, 1 inputs"):
        parallel.parallel_apply([layer, layer], [nt.zeros(1, 3)])
    with pytest.raises(RuntimeError) as caught:
        parallel.parallel_apply([layer, layer], [nt.zeros(1, 3), nt.zeros(1, 4)])
    assert "in replica 1 of parallel_apply" in caught.value.__notes__


def test_distributed_training_is_refused_by_name():
    with pytest.raises(NotImplementedError, match="process groups"):
        parallel.DistributedDataParallel(nn.Linear(1, 1))


def test_asking_for_a_way_of_attention_changes_nothing():
    q = nt.randn(2, 3, 4)
    expected = nn.functional.scaled_dot_product_attention(q, q, q)
    with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH], set_priority=True):
        nt.testing.assert_close(nn.functional.scaled_dot_product_attention(q, q, q), expected)

    @sdpa_kernel(SDPBackend.MATH)
    def attend():
        return nn.functional.scaled_dot_product_attention(q, q, q)
    nt.testing.assert_close(attend(), expected)
    assert SDPBackend.ERROR == -1
    with pytest.raises(AssertionError, match="'math'"), sdpa_kernel("math"):
        pass


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_gradients_of_convolutions(dims):
    size = (6, 5, 4)[:dims]
    x, weight = nt.randn(2, 4, *size).requires_grad_(), nt.randn(6, 2, *(3, 2, 2)[:dims]).requires_grad_()
    options = (2, 1, 1, 2)
    result = getattr(nn.functional, f"conv{dims}d")(x, weight, None, *options)
    outer = nt.randn(result.shape)
    result.backward(outer)
    of_input, of_weight = (getattr(nn.grad, f"conv{dims}d_{what}") for what in ("input", "weight"))
    nt.testing.assert_close(of_input(x.shape, weight, outer, *options), x.grad)
    nt.testing.assert_close(of_weight(x, weight.shape, outer, *options), weight.grad)
    with pytest.raises(RuntimeError, match="grad_output has shape"):
        of_weight(x, weight.shape, outer, 1, 1, 1, 2)


def test_factory_kwargs():
    assert nn.factory_kwargs({"device": "cpu", "factory_kwargs": {"dtype": nt.float64}}) == {
        "device": "cpu", "dtype": nt.float64}
    assert nn.factory_kwargs(None) == {}
    with pytest.raises(TypeError, match="'bias'"):
        nn.factory_kwargs({"bias": True})
    with pytest.raises(TypeError, match="device is specified twice"):
        nn.factory_kwargs({"device": "cpu", "factory_kwargs": {"device": "cpu"}})


def test_prefixes_of_wrapped_modules_come_off():
    from numbatorch.nn.modules.utils import _pair, _reverse_repeat_tuple, consume_prefix_in_state_dict_if_present
    layer = nn.Sequential(nn.Linear(2, 1))
    state = nn.DataParallel(layer).state_dict()
    consume_prefix_in_state_dict_if_present(state, "module.")
    assert list(state) == ["0.weight", "0.bias"] and list(state._metadata) == ["", "0"]
    layer.load_state_dict(state)
    assert _pair(3) == (3, 3) and _pair([1, 2]) == (1, 2) and _reverse_repeat_tuple((1, 2), 2) == (2, 2, 1, 1)
