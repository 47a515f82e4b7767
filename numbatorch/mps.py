"""Apple GPUs, as programs ask for them: there is none in this build."""

from .absent import face

_NAMES = """
    Event current_allocated_memory device_count driver_allocated_memory empty_cache get_rng_state is_available
    manual_seed recommended_max_memory seed set_per_process_memory_fraction set_rng_state synchronize compile_shader
    load_metallib
""".split()
_face = face("mps", orders="current_allocated_memory driver_allocated_memory empty_cache recommended_max_memory seed "
                           "compile_shader load_metallib".split())
globals().update({name: _face[name] for name in _NAMES})
