"""Optimizers and learning-rate schedules; names, defaults and `state_dict` layout are torch.optim's."""

from numbatorch.optim import lr_scheduler
from numbatorch.optim.adadelta import Adadelta
from numbatorch.optim.adagrad import Adagrad
from numbatorch.optim.adam import Adam, AdamW
from numbatorch.optim.adamax import Adamax
from numbatorch.optim.asgd import ASGD
from numbatorch.optim.nadam import NAdam
from numbatorch.optim.optimizer import Optimizer
from numbatorch.optim.radam import RAdam
from numbatorch.optim.rmsprop import RMSprop
from numbatorch.optim.rprop import Rprop
from numbatorch.optim.sgd import SGD
from numbatorch.optim.sparse_adam import SparseAdam

__all__ = [
    "ASGD",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "lr_scheduler",
]
