"""What programs ask about PyTorch's backends: none of them is part of numbatorch."""


class _Absent:
    """A backend that is not there; settings are accepted and mean nothing."""

    enabled = deterministic = benchmark = allow_tf32 = False

    @staticmethod
    def is_available():
        return False

    @staticmethod
    def is_built():
        return False


cudnn, mps, mkldnn, mkl, openmp = _Absent(), _Absent(), _Absent(), _Absent(), _Absent()


class _Cuda:
    matmul = _Absent()

    @staticmethod
    def is_built():
        return False


cuda = _Cuda()

