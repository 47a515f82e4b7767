"""Modules as functions of their parameters."""

import numbatorch as torch


def functional_call(module, parameter_and_buffer_dicts, args=None, kwargs=None, *, tie_weights=True, strict=False):
    """Call a module with the given tensors in place of its parameters and buffers, which stay as they are.

    parameter_and_buffer_dicts: {name: tensor}, or several such dicts without common names. args: a tuple, or one
    argument. tie_weights: tensors that the module has under several names are replaced under all of them. RuntimeError
    with strict=True for names that are missing or unknown; ValueError for a name given twice.
    """
    from numbatorch.nn.utils.stateless import _functional_call
    if isinstance(parameter_and_buffer_dicts, (list, tuple)):
        given = {}
        for part in parameter_and_buffer_dicts:
            twice = given.keys() & part.keys()
            if twice:
                raise ValueError(f"functional_call: {sorted(twice)} appeared in multiple dictionaries; behavior of "
                                 "functional call is ambiguous")
            given.update(part)
    elif isinstance(parameter_and_buffer_dicts, dict):
        given = parameter_and_buffer_dicts
    else:
        raise ValueError("functional_call: Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, "
                         f"but got {type(parameter_and_buffer_dicts)}")
    return _functional_call(module, given, args, kwargs, tie_weights=tie_weights, strict=strict)


def stack_module_state(models):
    """({name: parameters of all models stacked along dimension 0}, {name: buffers}), for vmap over an ensemble.

    RuntimeError without models, or where they differ in class or in training mode.
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({m.training for m in models}) != 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if len({type(m) for m in models}) != 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")

    def stacked(items):
        if all(isinstance(t, torch.nn.Parameter) for t in items):
            with torch.no_grad():
                return torch.stack(items).requires_grad_(items[0].requires_grad)
        return torch.stack(items)
    parameters = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    return ({n: stacked([p[n] for p in parameters]) for n in parameters[0]},
            {n: stacked([b[n] for b in buffers]) for n in buffers[0]})


def replace_all_batch_norm_modules_(root):
    """Let every batch norm in `root` use the statistics of the batch only: running ones would be changed in place."""
    for module in root.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.track_running_stats:
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root
