"""CUDA libraries: none is used, kernels of the GPU are made here. Settings are kept."""

import contextlib

import numbatorch
from numbatorch.errors import NoAcceleratorError

_sdp = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True, "fp16_bf16_reduction_math": False}


def is_built():
    """Whether kernels for CUDA can be run: they are made as they are needed, where there is a driver."""
    return numbatorch.cuda.is_available()


def is_flash_attention_available():
    """Whether FlashAttention computes: never."""
    return False


is_ck_sdpa_available = is_flash_attention_available


class _Matmul:
    """Settings of matrix products; `allow_tf32` is `get_float32_matmul_precision()` in other words."""

    _known = ("allow_tf32", "allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction",
              "allow_fp16_accumulation", "fp32_precision")

    def __init__(self):
        self.allow_fp16_reduced_precision_reduction = self.allow_bf16_reduced_precision_reduction = True
        self.allow_fp16_accumulation, self.fp32_precision = False, "none"

    @property
    def allow_tf32(self):
        return numbatorch.get_float32_matmul_precision() != "highest"

    @allow_tf32.setter
    def allow_tf32(self, value):
        numbatorch.set_float32_matmul_precision("high" if value else "highest")

    def __setattr__(self, name, value):
        if name not in self._known:
            raise AttributeError(f"Unknown attribute {name}: there are {', '.join(self._known)}")
        object.__setattr__(self, name, value)


matmul = _Matmul()


class _PlanCache:
    """Plans of cuFFT: there are none, transforms of a GPU's tensors run on the host.

    Every question is refused: NotImplementedError, NoAcceleratorError where there is no GPU.
    """

    def __getattr__(self, name):
        if numbatorch.cuda.is_available():
            raise NotImplementedError(f"backends.cuda.cufft_plan_cache.{name}: not part of numbatorch: transforms "
                                      "of a GPU's tensors run on the host")
        raise NoAcceleratorError(f"backends.cuda.cufft_plan_cache.{name}: no cuda device is available")

    def __getitem__(self, device):
        return self


cufft_plan_cache = _PlanCache()


def _switch(kind, title):
    def enabled():
        return _sdp[kind]

    def enable(enabled):
        _sdp[kind] = bool(enabled)
    enabled.__doc__ = f"What was set for {title}; attention here has kernels of its own."
    enable.__doc__ = f"Allow or forbid {title}: kept, and without effect."
    return enabled, enable


flash_sdp_enabled, enable_flash_sdp = _switch("flash", "FlashAttention")
mem_efficient_sdp_enabled, enable_mem_efficient_sdp = _switch("mem_efficient", "memory-efficient attention")
math_sdp_enabled, enable_math_sdp = _switch("math", "attention by matrix products")
cudnn_sdp_enabled, enable_cudnn_sdp = _switch("cudnn", "attention by cuDNN")
fp16_bf16_reduction_math_sdp_allowed, allow_fp16_bf16_reduction_math_sdp = _switch(
    "fp16_bf16_reduction_math", "sums of attention in 16 bits")


@contextlib.contextmanager
def sdp_kernel(enable_flash=True, enable_math=True, enable_mem_efficient=True, enable_cudnn=True):
    """The four switches of attention inside `with`; afterwards they are as before."""
    before = dict(_sdp)
    _sdp.update(flash=bool(enable_flash), math=bool(enable_math), mem_efficient=bool(enable_mem_efficient),
                cudnn=bool(enable_cudnn))
    try:
        yield
    finally:
        _sdp.update(before)


def _preferred(what, known):
    def preferred(backend=None):
        if backend is not None and backend != "default":
            error = NoAcceleratorError if backend in known else RuntimeError
            raise error(f"backends.cuda.preferred_{what}_library: {backend!r} is not available in this build; use "
                        "'default'")
        return "default"
    preferred.__name__ = preferred.__qualname__ = f"preferred_{what}_library"
    preferred.__doc__ = "\"default\": there is no other library. NoAcceleratorError where one is asked for by name."
    return preferred


preferred_linalg_library = _preferred("linalg", ("cusolver", "magma"))
preferred_blas_library = _preferred("blas", ("cublas", "cublaslt", "hipblaslt", "ck"))
