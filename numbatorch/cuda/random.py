"""Random numbers of the GPU: what `numbatorch.cuda` has of them."""

from ..absent import part

globals().update(part("cuda", """
    get_rng_state get_rng_state_all initial_seed manual_seed manual_seed_all seed seed_all set_rng_state
    set_rng_state_all
"""))
