"""Function transforms: tensors that carry a batch dimension (vmap) or a tangent (forward mode) through any program.

The public functions are in numbatorch.func, numbatorch.vmap, numbatorch.autograd.functional and
numbatorch.autograd.forward_ad. The idea of nested levels is functorch's (Horace He and Richard Zou, 2021).
"""
