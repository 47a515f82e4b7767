"""Optimizers and learning-rate schedules; names, defaults and `state_dict` layout are torch.optim's."""

from numbatorch.optim import lr_scheduler, swa_utils
from numbatorch.optim.adadelta import Adadelta
from numbatorch.optim.adafactor import Adafactor
from numbatorch.optim.adagrad import Adagrad
from numbatorch.optim.adam import Adam, AdamW
from numbatorch.optim.adamax import Adamax
from numbatorch.optim.asgd import ASGD
from numbatorch.optim.lbfgs import LBFGS
from numbatorch.optim.muon import Muon
from numbatorch.optim.nadam import NAdam
from numbatorch.optim.optimizer import Optimizer
from numbatorch.optim.radam import RAdam
from numbatorch.optim.rmsprop import RMSprop
from numbatorch.optim.rprop import Rprop
from numbatorch.optim.sgd import SGD
from numbatorch.optim.sparse_adam import SparseAdam
from numbatorch.optim.swap import swap_in_optimizer_params_and_state

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "lr_scheduler",
    "swa_utils",
    "swap_in_optimizer_params_and_state",
]
