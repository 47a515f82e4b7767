"""torch.ao: of quantization only what models hold before they are quantized."""

import importlib
from typing import Any

from ..missing import lacking


def __getattr__(name: str) -> Any:
    if name == "quantization":
        return importlib.import_module(".quantization", __name__)
    lacking("torch.ao", name, "tensors of quantized integers are not there")
