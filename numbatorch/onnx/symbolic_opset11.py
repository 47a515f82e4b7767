"""torch.onnx.symbolic_opset11: how ops are written in ONNX, asked by an export only; every name raises MissingError."""

from typing import Any

from ..missing import lacking


def __getattr__(name: str) -> Any:
    lacking("torch.onnx.symbolic_opset11", name, "export to ONNX is not there")
