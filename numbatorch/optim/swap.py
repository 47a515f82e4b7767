"""Other parameters and another state for an optimizer, for a while."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from typing import Any


@contextlib.contextmanager
def swap_in_optimizer_params_and_state(optimizer, swapin_parameters: dict[str, Any],
                                       swapin_optim_state: dict[str, Any]):
    """Inside, the optimizer works on the given tensors, state and options; afterwards it is as before.

    swapin_parameters: {name: tensor} in the order of the optimizer's parameters. swapin_optim_state: what
    `state_dict()` of such an optimizer gives; its tensors are changed in place, other changes are dropped. ValueError
    where the numbers of parameters or groups differ.
    """
    groups, state = optimizer.param_groups, optimizer.state
    given, described = list(swapin_parameters.values()), swapin_optim_state["param_groups"]
    count = sum(len(g["params"]) for g in groups)
    if len(given) != count or len(described) != len(groups):
        raise ValueError(f"swap_in_optimizer_params_and_state: the optimizer has {count} parameters in {len(groups)} "
                         f"groups, given are {len(given)} in {len(described)}")
    numbered = [k for group in described for k in group["params"]]
    by_number = dict(zip(numbered, given, strict=True))
    optimizer.param_groups = [{**group, "params": [by_number[k] for k in group["params"]]} for group in described]
    optimizer.state = defaultdict(dict, {by_number[k]: dict(v) for k, v in swapin_optim_state["state"].items()})
    try:
        yield
    finally:
        optimizer.param_groups, optimizer.state = groups, state
