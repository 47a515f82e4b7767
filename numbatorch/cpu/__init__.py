"""The CPU: kernels compiled by Numba and LLVM, their cache, memory and threads."""
