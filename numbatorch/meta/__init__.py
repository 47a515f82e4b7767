"""The meta device: tensors of a dtype, a shape and strides without memory. What an op would make follows from these."""
