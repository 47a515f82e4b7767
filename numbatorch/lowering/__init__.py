"""What the compilers of all devices share: kernel source to LLVM IR through Numba, and the cache of what came of it."""
