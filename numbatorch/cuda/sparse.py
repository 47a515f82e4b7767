"""Sparse tensors on the GPU: there are none."""
