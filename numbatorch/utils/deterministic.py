"""What `use_deterministic_algorithms` does beside choosing algorithms: kept, and without effect, as there is nothing to
choose. Memory of `empty` holds what it held.
"""

fill_uninitialized_memory = True
