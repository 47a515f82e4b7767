"""Learning-rate schedules. Each is a rule for the next rate from the present one, so that schedules can be chained.

Order: the base; constant and step rules; smooth rules; cyclic rules; combinations; the one that watches a metric.
"""

from numbatorch.optim.lr_scheduler.base import LRScheduler
from numbatorch.optim.lr_scheduler.combined import ChainedScheduler, ReduceLROnPlateau, SequentialLR
from numbatorch.optim.lr_scheduler.cyclic import CyclicLR, OneCycleLR
from numbatorch.optim.lr_scheduler.rules import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)

_LRScheduler = LRScheduler

__all__ = [
    "LRScheduler",
    "LambdaLR",
    "MultiplicativeLR",
    "StepLR",
    "MultiStepLR",
    "ConstantLR",
    "LinearLR",
    "ExponentialLR",
    "PolynomialLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "OneCycleLR",
    "SequentialLR",
    "ChainedScheduler",
    "ReduceLROnPlateau",
]
