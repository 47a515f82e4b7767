"""Calling a module with other tensors in place of its parameters and buffers."""

import contextlib
import warnings


def _owners(module):
    """{name: (dict that holds the tensor, its key there)} of all parameters and buffers, under every name they have."""
    found = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        for table in (part._parameters, part._buffers):
            for key, value in table.items():
                if value is not None:
                    found[f"{prefix}.{key}" if prefix else key] = (table, key)
    return found


@contextlib.contextmanager
def _replaced(module, given, tie_weights, strict):
    owners = _owners(module)
    unknown = given.keys() - owners.keys()
    missing = owners.keys() - given.keys()
    names: dict = {}
    if tie_weights:
        for name, (table, key) in owners.items():
            names.setdefault(id(table[key]), []).append(name)
        for together in names.values():
            present = [n for n in together if n in given]
            if len({id(given[n]) for n in present}) > 1:
                raise ValueError(f"functional_call got multiple values for keys {sorted(present)}, which are tied. "
                                 "Consider using tie_weights=False")
            if present:
                missing -= set(together)
    if strict and (unknown or missing):
        raise RuntimeError(f"functional_call: Error(s) in loading state for {type(module).__name__}: "
                           f"Unexpected key(s): {sorted(unknown)}. Missing key(s): {sorted(missing)}.")
    places = {}
    for name, value in given.items():
        if name in unknown:
            continue
        table, key = owners[name]
        for other in names.get(id(table[key]), [name]):
            table_, key_ = owners[other]
            places[id(table_), key_] = (table_, key_, table_[key_], value)
    for table, key, _, value in places.values():
        table[key] = value
    try:
        yield
    finally:
        for table, key, before, value in places.values():
            # What the call itself put there (a buffer assigned anew) goes to the caller's dict, as in PyTorch.
            if table[key] is not value:
                for name, tensor in given.items():
                    if tensor is value:
                        given[name] = table[key]
            table[key] = before


def _functional_call(module, given, args=None, kwargs=None, *, tie_weights=True, strict=False):
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, dict(given) if not isinstance(given, dict) else given, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def functional_call(module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True, strict=False):
    """The older name of `torch.func.functional_call`, for one dict."""
    warnings.warn("`torch.nn.utils.stateless.functional_call` is deprecated; use `torch.func.functional_call`",
                  FutureWarning, stacklevel=2)
    return _functional_call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)
