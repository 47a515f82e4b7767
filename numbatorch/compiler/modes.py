"""What besides its arguments and places decides what a call does: modes of this thread, and whether programs may run.

Each object of a thread is some ten cache lines away, and a program that reads much has pushed all of them out of the
second cache. So a program looks at the version tags of their dicts, as its guard does at other dicts, in one call.
"""

from .. import dtypes, interception
from ..autograd.engine import running
from ..autograd.modes import mode
from ..autograd.node import saved_hooks, watching
from ..cpu.guard import Guard, this_thread
from .watch import current

AGAIN = 1000  # looks in vain until one is made anew, for another thread or after modes were changed and put back


class Stance:
    """How compiled functions act: the word of `set_stance` that is in force."""

    name = "default"


stance = Stance()


def modes():
    """The modes that are on."""
    return (mode.enabled, mode.inference, dtypes.get_default_dtype(), len(saved_hooks.pairs), watching.on,
            tuple(id(m) for m in interception._local.modes))


_NAMES = ("the grad mode", "the inference mode", "the default dtype", "the number of hooks of saved tensors",
          "the anomaly mode", "function modes (autocast, devices)")  # of `modes`, in their order


def watched():
    """Whether a mode watches every operation, as none in a program can be."""
    return bool(saved_hooks.pairs or watching.on or interception._local.modes)


def eagerly():
    """Whether compiled functions run as they are: while one is captured, in a backward pass, by the stance."""
    return bool(current or running.tasks or stance.name == "force_eager")


class Modes:
    """Whether a program's modes are on: `guard.look() < 0` where they are, or else `not others()`."""

    def __init__(self):
        self.wanted, self._in_vain, self.guard = modes(), AGAIN - 1, Guard()
        self.guard.thread(0)
        self.guard.finish()

    def mismatch(self):
        """Which mode is another than the program's."""
        name, now, before = next((n, a, b) for n, a, b in zip(_NAMES, modes(), self.wanted, strict=True) if a != b)
        return f"{name} is {now}, and was {before}" if type(now) is not tuple else f"{name} are others than before"

    def others(self):
        """Whether other modes are on, or no program may run."""
        if eagerly() or modes() != self.wanted:
            return True
        self._in_vain += 1
        if self._in_vain >= AGAIN:
            self._in_vain = 0
            self._look_anew()
        return False

    def _look_anew(self):
        guard = Guard()
        guard.thread(this_thread())
        for holder in (mode, saved_hooks, interception._local, running, watching, stance):
            guard.whole(vars(holder), list(vars(holder).items()), ())
        for held in (saved_hooks.pairs, interception._local.modes, running.tasks, current):
            guard.list(held, held)
        guard.item(vars(dtypes), "_default", dtypes._default, False)
        self.guard.__dict__.update(guard.finish().__dict__)  # the written call knows the one that is there
