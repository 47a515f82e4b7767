"""Behaviour that PyTorch may change: how a module converts its parameters. They are changed in place here."""


def _setting(name, what):
    def get():
        return False

    def set(value):
        if value:
            raise NotImplementedError(f"__future__.set_{name}(True): {what} is not supported; parameters keep their "
                                      "identity and get new data")
    get.__name__ = get.__qualname__ = f"get_{name}"
    set.__name__ = set.__qualname__ = f"set_{name}"
    get.__doc__ = f"Whether conversion works by {what}: no."
    set.__doc__ = f"NotImplementedError for True: {what} is not supported."
    return get, set


get_overwrite_module_params_on_conversion, set_overwrite_module_params_on_conversion = _setting(
    "overwrite_module_params_on_conversion", "making new parameters")
get_swap_module_params_on_conversion, set_swap_module_params_on_conversion = _setting(
    "swap_module_params_on_conversion", "swapping parameters")
