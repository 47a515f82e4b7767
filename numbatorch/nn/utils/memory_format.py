"""Memory format of convolution weights."""



def convert_conv2d_weight_memory_format(module, memory_format):
    """Lay the weights of all 2-d (transposed) convolutions inside out in `memory_format`; returns the module."""
    from numbatorch import nn
    return _converted(module, memory_format, (nn.Conv2d, nn.ConvTranspose2d))


def convert_conv3d_weight_memory_format(module, memory_format):
    """Lay the weights of all 3-d (transposed) convolutions inside out in `memory_format`; returns the module."""
    from numbatorch import nn
    return _converted(module, memory_format, (nn.Conv3d, nn.ConvTranspose3d))


def _converted(module, memory_format, kinds):
    for part in module.modules():
        if isinstance(part, kinds):
            part.weight.data = part.weight.detach().clone(memory_format=memory_format)
    return module
