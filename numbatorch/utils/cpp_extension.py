"""torch.utils.cpp_extension: refused. Kernels here are Python that Numba compiles; there is no C++ API to build for.

Operations of one's own: `torch.autograd.Function` over tensors, or a declaration as in numbatorch/ops.
"""

import os

_REFUSED = ("load load_inline CppExtension CUDAExtension SyclExtension BuildExtension include_paths library_paths "
            "check_compiler_ok_for_platform check_compiler_is_gcc get_compiler_abi_compatibility_and_version "
            "get_cxx_compiler verify_ninja_availability remove_extension_h_precompiler_headers").split()


def _refuse(name):
    def function(*args, **kwargs):
        raise NotImplementedError(f"cpp_extension.{name}: extensions in C++ use libtorch, which numbatorch has not; "
                                  "write the operation over tensors in an autograd.Function, or its kernel with Numba")
    function.__name__ = function.__qualname__ = name
    function.__doc__ = "NotImplementedError: there is no C++ API to build for."
    return function


globals().update({name: _refuse(name) for name in _REFUSED})
CUDA_HOME = ROCM_HOME = SYCL_HOME = None


def is_ninja_available():
    """Whether the build tool that extensions would need is installed."""
    import shutil
    return shutil.which("ninja") is not None


def get_default_build_root():
    """The folder where extensions would be built."""
    return os.path.realpath(os.path.join(os.path.expanduser("~"), ".cache", "numbatorch", "extensions"))


__all__ = [*_REFUSED, "is_ninja_available", "get_default_build_root"]
