"""Tuning of GPU kernels by trial: off, and not part of numbatorch."""

from ..absent import answers, orders

globals().update(answers("cuda.tunable", {"is_enabled": False, "tuning_is_enabled": False, "get_results": (),
                                          "get_validators": ()}))
globals().update(orders("cuda.tunable", "enable tuning_enable read_file write_file set_filename tune_gemm_in_file"))
