"""NCCL, communication between GPUs: not part of numbatorch."""

from ..absent import orders

globals().update(orders("cuda.nccl", """
    all_gather all_reduce broadcast init_rank reduce reduce_scatter unique_id version
"""))


def is_available(tensors):
    """Whether NCCL can send these tensors: never."""
    return False
