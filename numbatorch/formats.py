"""The layouts and memory formats of tensors, as constants."""


class layout_type:
    """How a tensor is stored: strided, or a sparse form."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"torch.{self.name}"


strided = layout_type("strided")
jagged = layout_type("jagged")  # of nested tensors, which are not supported
sparse_coo = layout_type("sparse_coo")
sparse_csr = layout_type("sparse_csr")
sparse_csc = layout_type("sparse_csc")
sparse_bsr = layout_type("sparse_bsr")
sparse_bsc = layout_type("sparse_bsc")


class memory_format:
    """An order of dimensions in memory."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"torch.{self.name}"


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
legacy_contiguous_format = contiguous_format
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
