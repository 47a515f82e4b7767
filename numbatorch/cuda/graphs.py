"""Recorded work of the GPU: what `numbatorch.cuda` has of it."""

from ..absent import part

globals().update(part("cuda", """
    CUDAGraph graph graph_pool_handle is_current_stream_capturing make_graphed_callables
"""))
