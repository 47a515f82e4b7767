"""RNN, LSTM, GRU and their cells: names, forms of input, checks; packing of sequences."""

import copy
import pickle

import pytest

import numbatorch as nt
from numbatorch import nn
from numbatorch.nn.utils import rnn

LAYERS = [nn.RNN, nn.LSTM, nn.GRU]


def test_parameters_have_names_and_shapes_by_layer_and_direction():
    layer = nn.LSTM(3, 5, num_layers=2, bidirectional=True, proj_size=2)
    shapes = {name: tuple(p.shape) for name, p in layer.named_parameters()}
    assert list(shapes)[:5] == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_hr_l0"]
    assert shapes["weight_ih_l1_reverse"] == (20, 4) and shapes["weight_hh_l1"] == (20, 2)
    assert shapes["weight_hr_l1_reverse"] == (2, 5)
    assert [len(w) for w in layer.all_weights] == [5] * 4
    assert repr(layer) == "LSTM(3, 5, proj_size=2, num_layers=2, bidirectional=True)"
    assert max(p.abs().max() for p in layer.parameters()) <= 5 ** -0.5


@pytest.mark.parametrize("make", LAYERS)
def test_without_a_batch_it_is_a_batch_of_one(make):
    layer, x = make(3, 5, num_layers=2, bidirectional=True), nt.randn(6, 3)
    output, last = layer(x)
    batched, same = layer(x.unsqueeze(1))
    nt.testing.assert_close(output, batched.squeeze(1))
    first = last[0] if make is nn.LSTM else last
    assert output.shape == (6, 10) and first.shape == (4, 5)
    again, _ = layer(x, tuple(s * 0 for s in last) if make is nn.LSTM else last * 0)
    nt.testing.assert_close(again, output)
    turned = make(3, 5, num_layers=2, bidirectional=True, batch_first=True)
    turned.load_state_dict(layer.state_dict())
    nt.testing.assert_close(turned(x.unsqueeze(0))[0], batched.transpose(0, 1))


@pytest.mark.parametrize("make", LAYERS)
def test_packed_input_in_any_order(make):
    nt.manual_seed(0)
    layer, x, lengths = make(3, 5, bidirectional=True), nt.randn(6, 4, 3), [3, 6, 1, 6]
    packed = rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
    output, last = layer(packed)
    assert isinstance(output, rnn.PackedSequence)
    padded, same = rnn.pad_packed_sequence(output)
    assert same.tolist() == lengths
    for k, length in enumerate(lengths):
        alone, ended = layer(x[:length, k:k + 1])
        nt.testing.assert_close(padded[:length, k:k + 1], alone)
        assert not padded[length:, k].any()
        for a, b in zip(last, ended, strict=True) if make is nn.LSTM else [(last, ended)]:
            nt.testing.assert_close(a[:, k:k + 1], b)


@pytest.mark.parametrize("make", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_a_cell_is_one_step_of_its_layer(make):
    layer = getattr(nn, make.__name__.removesuffix("Cell"))(3, 5)
    cell, x = make(3, 5), nt.randn(2, 3)
    cell.load_state_dict({name.removesuffix("_l0"): w for name, w in layer.state_dict().items()})
    output, _ = layer(x.unsqueeze(0))
    result = cell(x)
    nt.testing.assert_close(result[0] if make is nn.LSTMCell else result, output[0])
    single = cell(x[0])
    nt.testing.assert_close(single[0] if make is nn.LSTMCell else single, output[0, 0])


def test_dropout_lies_between_layers_only():
    layer = nn.GRU(3, 5, num_layers=2, dropout=1.0)
    x = nt.randn(4, 2, 3)
    second = nn.GRU(5, 5)
    second.load_state_dict({name.replace("_l1", "_l0"): w for name, w in layer.state_dict().items() if "_l1" in name})
    nt.testing.assert_close(layer(x)[0], second(nt.zeros(4, 2, 5))[0])
    layer.eval()
    assert not nt.allclose(layer(x)[0], second(nt.zeros(4, 2, 5))[0])


def test_layers_are_copied_and_pickled():
    layer, x = nn.LSTM(3, 5), nt.randn(4, 2, 3)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        nt.testing.assert_close(other(x)[0], layer(x)[0])


@pytest.mark.parametrize("make, message", [
    (lambda: nn.GRU(3, 0), "hidden_size must be greater than zero"),
    (lambda: nn.GRU(3, 5, 0), "num_layers must be greater than zero"),
    (lambda: nn.GRU(3, 5, proj_size=2), "only supported for LSTM"),
    (lambda: nn.LSTM(3, 5, proj_size=5), "smaller than hidden_size"),
    (lambda: nn.RNN(3, 5, nonlinearity="gelu"), "Unknown nonlinearity 'gelu'"),
    (lambda: nn.RNN(3, 5, 2, dropout=1.5), "dropout should be a number in range"),
    (lambda: nn.RNNBase("GRUU", 3, 5), "Unrecognized RNN mode: GRUU"),
    (lambda: nn.LSTM(3, 5)(nt.zeros(3)), "Expected input to be 2D or 3D, got 1D"),
    (lambda: nn.LSTM(3, 5)(nt.zeros(2, 2, 3, dtype=nt.float64)), "does not match weight dtype"),
    (lambda: nn.LSTMCell(3, 5)(nt.zeros(1, 2, 3)), "Expected input to be 1D or 2D, got 3D")])
def test_values_that_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("call, message", [
    (lambda: nn.LSTM(3, 5)(nt.zeros(4, 2, 2)), "Expected 3, got 2"),
    (lambda: nn.GRU(3, 5)(nt.zeros(4, 2, 3), nt.zeros(2, 5)), "For batched 3-D input, hx should also be 3-D"),
    (lambda: nn.GRU(3, 5)(nt.zeros(4, 2, 3), nt.zeros(1, 3, 5)), r"Expected hidden size \(1, 2, 5\), got \[1, 3, 5\]"),
    (lambda: nn.LSTM(3, 5)(nt.zeros(4, 3), (nt.zeros(1, 1, 5),) * 2), "hx and cx should also be 2-D"),
    (lambda: nn.LSTM(3, 5)(nt.zeros(4, 2, 3), (nt.zeros(1, 2, 5), nt.zeros(1, 2, 4))), r"Expected hidden\[1\] size")])
def test_shapes_that_are_refused(call, message):
    with pytest.raises(RuntimeError, match=message):
        call()


def test_one_layer_has_no_place_for_dropout():
    with pytest.warns(UserWarning, match="num_layers greater than 1"):
        nn.LSTM(3, 5, dropout=0.5)


# ---------------------------------------------------------------- sequences


def test_packing_goes_step_by_step_and_back():
    x = nt.arange(12.0).view(4, 3)
    packed = rnn.pack_padded_sequence(x, [4, 2, 1])
    assert packed.data.tolist() == [0, 1, 2, 3, 4, 6, 9] and packed.batch_sizes.tolist() == [3, 2, 1, 1]
    assert packed.sorted_indices is None and packed.unsorted_indices is None
    packed = rnn.pack_padded_sequence(x.T, nt.tensor([1, 4, 4]), batch_first=True, enforce_sorted=False)
    assert packed.sorted_indices.tolist() == [1, 2, 0] and packed.unsorted_indices.tolist() == [2, 0, 1]
    padded, lengths = rnn.pad_packed_sequence(packed, batch_first=True, padding_value=-1, total_length=5)
    assert padded.tolist() == [[0, -1, -1, -1, -1], [1, 4, 7, 10, -1], [2, 5, 8, 11, -1]]
    assert lengths.tolist() == [1, 4, 4]


def test_sequences_are_packed_and_unpacked():
    sequences = [nt.ones(2, 3), nt.ones(4, 3) * 2, nt.ones(1, 3) * 3]
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    for a, b in zip(rnn.unpack_sequence(packed), sequences, strict=True):
        nt.testing.assert_close(a, b)


def test_gradients_pass_through_packing():
    x = nt.ones(4, 2, requires_grad=True)
    padded, _ = rnn.pad_packed_sequence(rnn.pack_padded_sequence(x, [2, 3], enforce_sorted=False))
    (padded * 3).sum().backward()
    assert x.grad.tolist() == [[3, 3], [3, 3], [0, 3], [0, 0]]


def test_a_packed_sequence_converts_and_pickles():
    packed = rnn.pack_sequence([nt.ones(2), nt.ones(3)], enforce_sorted=False)
    assert packed.double().data.dtype is nt.float64 and packed.half().data.dtype is nt.float16
    assert packed.cpu() is packed and packed.float() is packed and packed.to(nt.float32) is packed
    assert not packed.is_cuda and not packed.is_pinned()
    other = pickle.loads(pickle.dumps(packed))
    assert other.data.tolist() == packed.data.tolist() and other.batch_sizes.tolist() == [2, 2, 1]
    made = rnn.PackedSequence(packed.data, packed.batch_sizes, nt.tensor([1, 0]))
    assert made.unsorted_indices.tolist() == [1, 0]
    assert rnn.invert_permutation(None) is None
    assert rnn.invert_permutation(nt.tensor([2, 0, 1])).tolist() == [1, 2, 0]


@pytest.mark.parametrize("lengths, message", [([4, 2], "equal to batch_size"), ([4, 2, 0], "greater than 0"),
                                              ([5, 2, 1], "at most that of input, 4"), ([1, 2, 4], "enforce_sorted")])
def test_lengths_that_do_not_fit(lengths, message):
    with pytest.raises(RuntimeError, match=message):
        rnn.pack_padded_sequence(nt.zeros(4, 3), lengths)
    with pytest.raises(ValueError, match="total_length=1"):
        rnn.pad_packed_sequence(rnn.pack_padded_sequence(nt.zeros(4, 3), [2, 2, 2]), total_length=1)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("options", [{"bidirectional": True}, {"bias": False, "batch_first": True}, {"dropout": 0.4},
                                     {"proj_size": 2}])
@pytest.mark.parametrize("make", ["RNN", "LSTM", "GRU"])
def test_first_values_random_stream_and_results_are_pytorchs(make, options):
    torch = pytest.importorskip("torch")
    if "proj_size" in options and make != "LSTM":
        pytest.skip("only an LSTM has projections")
    results = []
    for library, packing in ((nt, rnn), (torch, torch.nn.utils.rnn)):
        library.manual_seed(3)
        layer = getattr(library.nn, make)(3, 5, num_layers=2, **options)
        x = library.tensor([[[0.1 * (i + 2 * j - k) for k in range(3)] for j in range(4)] for i in range(4)])
        x.requires_grad_()
        packed = packing.pack_padded_sequence(x, [2, 4, 1, 4], options.get("batch_first", False), False)
        output, lengths = packing.pad_packed_sequence(layer(packed)[0])
        (output.square().sum() + layer(x)[0].sum()).backward()
        results.append([repr(layer), lengths.tolist(), output.detach().numpy(),
                        *(t.grad.numpy() for t in (x, *layer.parameters()))])
    assert results[0][:2] == results[1][:2]
    for a, b in zip(results[0][2:], results[1][2:], strict=True):
        nt.testing.assert_close(nt.tensor(a), nt.tensor(b), atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize("make", LAYERS)
def test_under_autocast_narrow_input_meets_wide_weights(make):
    layer = make(3, 5)
    with nt.autocast("cpu", dtype=nt.bfloat16):
        output, _ = layer(nt.randn(4, 2, 3, dtype=nt.bfloat16))
        layer(rnn.pack_sequence([nt.randn(4, 3, dtype=nt.bfloat16)]))
    output.float().sum().backward()
    assert layer.weight_ih_l0.grad.dtype is nt.float32
