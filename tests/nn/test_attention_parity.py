"""The same seed gives attention the parameters and the dropout that PyTorch gives, where it is installed."""

import pytest

import numbatorch
from numbatorch import nn

torch = pytest.importorskip("torch")


def _values(tensor):
    return numbatorch.tensor(tensor.detach().numpy())


@pytest.mark.parametrize("options", [{}, {"kdim": 5, "vdim": 3, "bias": False}, {"add_bias_kv": True}])
def test_parameters_of_attention_start_as_they_do_there(options):
    torch.manual_seed(3)
    numbatorch.manual_seed(3)
    pairs = zip(torch.nn.MultiheadAttention(8, 2, **options).named_parameters(),
                nn.MultiheadAttention(8, 2, **options).named_parameters(), strict=True)
    for (name, theirs), (own_name, own) in pairs:
        assert own_name == name
        numbatorch.testing.assert_close(own.detach(), _values(theirs))


@pytest.mark.parametrize("norm_first", [False, True])
def test_training_drops_the_same_elements(norm_first):
    layers, results = [], []
    src = torch.randn(5, 3, 8, generator=torch.Generator().manual_seed(0))
    for module, input in ((torch, src), (numbatorch, _values(src))):
        module.manual_seed(1)
        layers.append(module.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, norm_first=norm_first))
        results.append(layers[-1](input))
    numbatorch.testing.assert_close(results[1].detach(), _values(results[0]))
