"""Kernels of one's own as CUDA C++: refused. `numbatorch.library` makes kernels of Python formulas."""

from ..absent import orders

globals().update(orders("cuda.jiterator", "create_jit_fn create_multi_output_jit_fn"))
