"""Engines for quantised tensors, of which there are none: quantised dtypes are not supported."""

engine = "none"
supported_engines = ["none"]
