"""torch.ao.quantization: the marks that models carry for a later quantization, which itself is not there."""

from typing import Any

from ..missing import lacking
from ..nn import Module


class QuantStub(Module):
    """Where a quantized model would turn to integers; a model that was not converted passes its input on."""

    def __init__(self, qconfig: Any = None) -> None:
        super().__init__()
        if qconfig:
            self.qconfig = qconfig

    def forward(self, x: Any) -> Any:
        """x."""
        return x


class DeQuantStub(QuantStub):
    """Where a quantized model would turn back to floating point; a model that was not converted passes its input on."""


def __getattr__(name: str) -> Any:
    lacking("torch.ao.quantization", name, "tensors of quantized integers are not there")


__all__ = ["DeQuantStub", "QuantStub"]
