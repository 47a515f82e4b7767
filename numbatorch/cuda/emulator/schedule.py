"""Which threads run next: those furthest behind in the text, so that threads which parted meet again.

Straight code runs without a look around. At a barrier lanes wait until their block is there; at an instruction of whole
warps until their warp is.
"""

import numpy as np

from .collective import TOGETHER
from .operands import INSTRUCTIONS, Code
from .state import WARP, State
from .text import PTXError, parse

LANES = 1 << 14  # that run together: larger ones fall out of the CPU's caches
STEPS = 50_000_000  # instructions of a launch after which it is taken to run for ever


class Program:
    """A kernel ready to run. `place(variable)` gives the address of a global or constant variable of the module."""

    def __init__(self, ptx, name, place):
        from . import access, arithmetic, conversion, matrix  # noqa: F401  they enter their instructions

        self.entry, constants = parse(ptx, name)
        code = Code(self.entry, {variable.name: place(variable) for variable in constants})
        self.steps = [self._step(code, item) for item in self.entry.instructions]
        self.is_head = np.zeros(len(self.steps) + 1, bool)
        self.is_head[list(self.entry.labels.values())] = True

    def _step(self, code, item):
        """(place of the guard or None, negated, kind, what to do)."""
        guard = code.place[item.guard] if item.guard else None
        name = item.parts[0]
        labels = self.entry.labels
        if name == "bra":
            kind, what = "branch", labels[item.operands[0]]
        elif name == "brx":
            table = np.array([labels[label] for label in self.entry.tables[item.operands[1]]])
            kind, what = "table", (code.source(item.operands[0], "u32"), table)
        elif name in ("ret", "exit"):
            kind, what = "end", None
        elif name == "trap":
            kind, what = "trap", None
        elif name in ("bar", "barrier") and "warp" not in item.parts:
            kind, what = "barrier", None
        elif name in ("bar", "barrier"):
            kind, what = "together", lambda state, mask: None
        elif name in INSTRUCTIONS:
            kind, what = "together" if name in TOGETHER else "plain", INSTRUCTIONS[name](code, item)
        else:
            raise PTXError(f"the emulator does not know the instruction {item.text!r}")
        return guard, item.negated, kind, what

    def launch(self, arena, grid, block, values, dynamic=0):
        """Run all blocks. values: Python numbers, one for each parameter, or bytes."""
        parameters = {name: value if isinstance(value, bytes) else np.array([value]).astype(dtype).tobytes()
                      for (name, dtype), value in zip(self.entry.parameters, values, strict=True)}
        count = grid[0] * grid[1] * grid[2]
        each = max(1, LANES // (-(-(block[0] * block[1] * block[2]) // WARP) * WARP))
        left = STEPS
        with np.errstate(all="ignore"):
            for first in range(0, count, each):
                numbers = range(first, min(count, first + each))
                left = self._run(State(self, arena, grid, block, numbers, parameters, dynamic), left)

    def _run(self, state, left):
        parked = np.zeros(state.lanes, bool)
        while True:
            ready = state.alive & ~state.at_barrier & ~parked
            if not ready.any():
                if not state.alive.any():
                    return left
                if not self._open_barriers(state):
                    raise PTXError(self._deadlock(state, parked))
                continue
            at = int(state.at[ready].min())
            active = ready & (state.at == at)
            while True:
                if at >= len(self.steps):
                    state.alive &= ~active
                    break
                left -= 1
                if not left:
                    raise PTXError(f"kernel {self.entry.name}: still running after {STEPS} instructions")
                guard, negated, kind, what = self.steps[at]
                mask = active
                if guard is not None:
                    mask = active & (state.registers[guard] != negated)
                if kind == "together":
                    waiting, mask, active = self._meet(state, parked, at, mask, active)
                    parked |= waiting
                    parked &= ~mask
                    if not active.any():
                        break
                    kind = "plain"
                if kind == "plain":
                    if mask.any():
                        try:
                            what(state, mask)
                        except PTXError as error:
                            raise PTXError(f"kernel {self.entry.name}: {error}, in "
                                           f"{self.entry.instructions[at].text!r}") from None
                    at += 1
                    if self.is_head[at]:
                        state.at[active] = at
                        break
                    continue
                self._turn(state, kind, what, at, mask, active)
                break

    @staticmethod
    def _meet(state, parked, at, mask, active):
        """(lanes that wait for their warp, lanes whose warp is complete, lanes that go on) at an instruction."""
        here = mask | (parked & (state.at == at))
        complete = (here == state.alive).reshape(-1, WARP).all(1) & here.reshape(-1, WARP).any(1)
        whole = np.repeat(complete, WARP) & here
        waiting = mask & ~whole
        state.at[here] = at
        return waiting, whole, (active & ~waiting) | whole

    def _turn(self, state, kind, what, at, mask, active):
        """An instruction after which lanes go different ways."""
        state.at[active] = at + 1
        if kind == "branch":
            state.at[mask] = what
        elif kind == "table":
            source, table = what
            state.at[mask] = table[np.broadcast_to(source(state), state.lanes)[mask]]
        elif kind == "end":
            state.alive &= ~mask
        elif kind == "barrier":
            state.at_barrier |= mask
            self._open_barriers(state)
        elif mask.any():
            raise PTXError(f"kernel {self.entry.name}: trap")

    @staticmethod
    def _open_barriers(state):
        """Let the blocks go on whose living threads are all at the barrier; whether there were any."""
        here = state.at_barrier.reshape(state.blocks, state.width)
        open_ = (here == state.alive.reshape(state.blocks, state.width)).all(1) & here.any(1)
        if open_.any():
            state.at_barrier &= ~np.repeat(open_, state.width)
        return bool(open_.any())

    def _deadlock(self, state, parked):
        if parked.any():
            text = self.entry.instructions[int(state.at[parked][0])].text
            return f"kernel {self.entry.name}: threads of a warp do not all come to {text!r}"
        return f"kernel {self.entry.name}: threads of a block do not all come to a barrier"
