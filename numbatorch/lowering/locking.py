"""LLVM and Numba's compiler are entered by one thread at a time."""

import os
import threading

lock = threading.RLock()
if hasattr(os, "register_at_fork"):
    # A process forks when no other thread is in there: the child would find the lock taken, and memory half changed.
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
