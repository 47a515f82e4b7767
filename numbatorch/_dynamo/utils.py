"""torch._dynamo.utils: what packages ask of it."""


def is_compile_supported(device_type):
    """Whether functions on such a device may be given to compile(): on any: what is not compiled runs as it is."""
    return True
