"""Where counts of in-place changes begin. Each storage has such a count, its version.

Memory made in inference mode begins so far below 0 that it stays there: a version below 0 marks inference tensors, at
no cost for others.
"""

INFERENCE = -2**62
OPEN = -2**61  # where the versions of `.data` of inference tensors begin: those may be changed anywhere


class Start:
    """`version`: where new memory begins. 0, until a thread is in inference mode (autograd/modes.py)."""

    def __init__(self):
        self.version = 0


start = Start()
