"""Recurrent layers over sequences, padded or packed: RNN, LSTM and GRU."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numbatorch
from numbatorch import Tensor, empty, zeros

from .. import init
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .module import Module
from .rnn_cell import GRUCell, LSTMCell, RNNCell, RNNCellBase  # noqa: F401  (they are found here in PyTorch too)

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _reordered(state: Tensor, permutation: Tensor | None) -> Tensor:
    """The sequences of a state (layers, N, H) in another order."""
    return state if permutation is None else state.index_select(1, permutation)


class RNNBase(Module):
    """What RNN, LSTM and GRU share: weights under PyTorch's names, checks, and what runs them.

    mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU". Layer k of direction d owns weight_ih_l{k}{d}, weight_hh_l{k}{d},
    bias_ih_l{k}{d}, bias_hh_l{k}{d} and, with proj_size, weight_hr_l{k}{d}; d is "" or "_reverse". All start uniform in
    +-1 / sqrt(hidden_size).
    """

    __constants__ = ["mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout",
                     "bidirectional", "proj_size"]
    __jit_unused_properties__ = ["all_weights"]
    bias: bool

    def __init__(self, mode: str, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0,
                 device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, _chance(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self._check_options()
        gates, shown = _GATES[mode] * hidden_size, proj_size or hidden_size
        directions = ("", "_reverse") if bidirectional else ("",)
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            features = input_size if layer == 0 else shown * len(directions)
            for direction in directions:
                shapes: dict[str, tuple] = {"weight_ih": (gates, features), "weight_hh": (gates, shown)}
                if bias:
                    shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = [f"{stem}_l{layer}{direction}" for stem in shapes]
                for name, shape in zip(names, shapes.values(), strict=True):
                    self.register_parameter(name, Parameter(empty(shape, device=device, dtype=dtype)))
                self._all_weights.append(names)
        self.reset_parameters()

    def _check_options(self) -> None:
        if self.mode not in _GATES:
            raise ValueError(f"Unrecognized RNN mode: {self.mode}; expected one of {', '.join(_GATES)}")
        for name, expected in (("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int),
                               ("num_layers", int)):
            value = getattr(self, name)
            if not isinstance(value, expected):
                raise TypeError(f"{name} should be of type {expected.__name__}, got: {type(value).__name__}")
        for name in ("input_size", "hidden_size", "num_layers"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be greater than zero, got {getattr(self, name)}")
        if self.proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections, got "
                             f"{self.proj_size}")
        if self.proj_size >= self.hidden_size:
            raise ValueError(f"proj_size has to be smaller than hidden_size, got proj_size={self.proj_size} and "
                             f"hidden_size={self.hidden_size}")
        if self.proj_size and self.mode != "LSTM":
            raise ValueError(f"proj_size is only supported for LSTM, not {self.mode}")
        if self.dropout and self.num_layers == 1:
            warnings.warn("dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                          f"num_layers greater than 1, but got dropout={self.dropout} and num_layers=1", stacklevel=4)

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    # ---------------------------------------------------------------- weights

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Tensor]:
        own = self._parameters
        names = [name for names in self._all_weights for name in names]
        try:
            return [own[name] for name in names]  # type: ignore[misc]
        except KeyError:  # weights that are computed, by a parametrization for example
            return [getattr(self, name) for name in names]

    def flatten_parameters(self) -> None:
        """Nothing: the kernels here take weights wherever they lie. Programs for other devices call it."""

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("proj_size", 0)

    # ---------------------------------------------------------------- checks

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """ValueError for another dtype than the weights'; RuntimeError for dimensions and features that do not fit."""
        weight = self._flat_weights[0]
        mixed = numbatorch.is_autocast_enabled("cuda" if input.is_cuda else "cpu")  # which converts both
        if input.dtype != weight.dtype and not mixed:
            raise ValueError(f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). Convert "
                             f"input: input.to({weight.dtype}), or convert model: model.to({input.dtype})")
        expected = 3 if batch_sizes is None else 2
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if input.size(-1) != self.input_size:
            raise RuntimeError(f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                               f"{input.size(-1)} (input {tuple(input.shape)})")

    def _batch(self, input: Tensor, batch_sizes: Tensor | None) -> int:
        if batch_sizes is not None:
            return int(batch_sizes[0])
        return input.size(0) if self.batch_first else input.size(1)

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """(layers * directions, N, features) of the hidden state for an input."""
        layers = self.num_layers * (2 if self.bidirectional else 1)
        return layers, self._batch(input, batch_sizes), self.proj_size or self.hidden_size

    def check_hidden_size(self, hx: Tensor, expected_hidden_size: tuple[int, int, int],
                          msg: str = "Expected hidden size {}, got {}") -> None:
        """RuntimeError with `msg` where a state has another shape than expected."""
        if hx.size() != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.size())))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """The checks of input and state before they are used."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The state with the sequences of the batch in another order."""
        return _reordered(hx, permutation)

    # ---------------------------------------------------------------- running

    def _start(self, input: Tensor, batch_sizes: Tensor | None) -> Any:
        """The state before the first step: zeros."""
        expected = self.get_expected_hidden_size(input, batch_sizes)
        return zeros(expected, dtype=input.dtype, device=input.device)

    def _with_batch(self, hx: Any, batched: bool) -> Any:
        """A state that was given, with a batch of one where input has no batch."""
        if hx.dim() != (3 if batched else 2):
            raise RuntimeError(f"For {'batched 3-D' if batched else 'unbatched 2-D'} input, hx should also be "
                               f"{3 if batched else 2}-D but got {hx.dim()}-D tensor")
        return hx if batched else hx.unsqueeze(1)

    def _without_batch(self, hx: Any) -> Any:
        return hx.squeeze(1)

    def _run(self, function: Any, input: Any, hx: Any) -> tuple[Any, Any]:
        """`function` of the op table over input, padded or packed, and its results in the form of input."""
        weights = self._flat_weights
        options = (self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        if isinstance(input, PackedSequence):
            data, batch_sizes, order, back = input
            hx = self._start(data, batch_sizes) if hx is None else self.permute_hidden(hx, order)
            self.check_forward_args(data, hx, batch_sizes)
            output, *last = function(data, batch_sizes, hx, weights, *options)
            hidden = last[0] if len(last) == 1 else tuple(last)
            return PackedSequence(output, batch_sizes, order, back), self.permute_hidden(hidden, back)
        if input.dim() not in (2, 3):
            raise ValueError(f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.dim()}D instead")
        batched = input.dim() == 3
        axis = 0 if self.batch_first else 1
        if not batched:
            input = input.unsqueeze(axis)
        hx = self._start(input, None) if hx is None else self._with_batch(hx, batched)
        self.check_forward_args(input, hx, None)
        output, *last = function(input, hx, weights, *options, self.batch_first)
        hidden = last[0] if len(last) == 1 else tuple(last)
        return (output, hidden) if batched else (output.squeeze(axis), self._without_batch(hidden))

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        usual = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0,
                 "bidirectional": False}
        return text + "".join(f", {name}={getattr(self, name)}" for name, value in usual.items()
                              if getattr(self, name) != value)


def _chance(dropout: Any) -> float:
    if isinstance(dropout, bool) or not 0 <= float(dropout) <= 1:
        raise ValueError("dropout should be a number in range [0, 1] representing the probability of an element being "
                         f"zeroed, got {dropout!r}")
    return float(dropout)


def _refuse_projection(name: str, proj_size: Any) -> None:
    if proj_size is not None:
        raise ValueError(f"proj_size argument is only supported for LSTM, not RNN or GRU; {name} got "
                         f"proj_size={proj_size}")


class RNN(RNNBase):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), or relu instead of tanh; Elman 1990.

    input (L, N, input_size), (N, L, input_size) where batch_first, (L, input_size) or a PackedSequence; h_0 (layers *
    directions, N, hidden_size), zeros unless given -> output (L, N, directions * hidden_size) and h_n like h_0.
    """

    nonlinearity: str

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh",
                 bias: bool = True, batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
                 device: Any = None, dtype: Any = None, *, proj_size: None = None) -> None:
        _refuse_projection("RNN", proj_size)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity {nonlinearity!r}. Select from 'tanh' or 'relu'.")
        super().__init__(f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, bias, batch_first, dropout,
                         bidirectional, 0, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        return self._run(numbatorch.rnn_tanh if self.mode == "RNN_TANH" else numbatorch.rnn_relu, input, hx)


class LSTM(RNNBase):
    """Long short-term memory: c_t = f c_(t-1) + i g and h_t = o tanh(c_t), with i, f, o = sigmoid and g = tanh of
    W_ih x_t + b_ih + W_hh h_(t-1) + b_hh, in the order i, f, g, o; Hochreiter & Schmidhuber 1997.

    input as for `RNN`; (h_0, c_0), zeros unless given -> output and (h_n, c_n). With proj_size, h_t is W_hr h_t of that
    width (Sak et al. 2014, arXiv:1402.1128).
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0,
                 device: Any = None, dtype: Any = None) -> None:
        super().__init__("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
                         proj_size, device, dtype)

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """(layers * directions, N, hidden_size): the shape of the memory for an input."""
        return *self.get_expected_hidden_size(input, batch_sizes)[:2], self.hidden_size

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        self.check_input(input, batch_sizes)
        expected = self.get_expected_hidden_size(input, batch_sizes)
        self.check_hidden_size(hidden[0], expected, "Expected hidden[0] size {}, got {}")
        expected = self.get_expected_cell_size(input, batch_sizes)
        self.check_hidden_size(hidden[1], expected, "Expected hidden[1] size {}, got {}")

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        return hx if permutation is None else (_reordered(hx[0], permutation), _reordered(hx[1], permutation))

    def _start(self, input: Tensor, batch_sizes: Tensor | None) -> Any:
        expected = self.get_expected_cell_size(input, batch_sizes)
        return super()._start(input, batch_sizes), zeros(expected, dtype=input.dtype, device=input.device)

    def _with_batch(self, hx: Any, batched: bool) -> Any:
        if len(hx) != 2:
            raise RuntimeError(f"lstm expects two hidden states, (h_0, c_0), but hx has {len(hx)}")
        expected = 3 if batched else 2
        if hx[0].dim() != expected or hx[1].dim() != expected:
            raise RuntimeError(f"For {'batched 3-D' if batched else 'unbatched 2-D'} input, hx and cx should also be "
                               f"{expected}-D but got ({hx[0].dim()}-D, {hx[1].dim()}-D) tensors")
        return (hx[0], hx[1]) if batched else (hx[0].unsqueeze(1), hx[1].unsqueeze(1))

    def _without_batch(self, hx: Any) -> Any:
        return hx[0].squeeze(1), hx[1].squeeze(1)

    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Any, tuple[Tensor, Tensor]]:
        return self._run(numbatorch.lstm, input, hx)


class GRU(RNNBase):
    """Gated recurrent unit: h_t = (1 - z) n + z h_(t-1), with r, z = sigmoid of the gates and n = tanh(W_in x_t + b_in
    + r (W_hn h_(t-1) + b_hn)), in the order r, z, n; Cho et al. 2014, arXiv:1406.1078.

    input and state as for `RNN` -> output and h_n.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, device: Any = None,
                 dtype: Any = None, *, proj_size: None = None) -> None:
        _refuse_projection("GRU", proj_size)
        super().__init__("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0,
                         device, dtype)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        return self._run(numbatorch.gru, input, hx)
