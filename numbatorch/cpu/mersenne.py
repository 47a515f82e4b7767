"""The Mersenne Twister of PyTorch's CPU generator: its words, its place among them, and the bytes of its state.

The fills of random.py draw words from it; machine code borrows it (`lend`, `take_back`) to draw by itself.
Source: Matsumoto and Nishimura, "Mersenne Twister", ACM TOMACS 8 (1998).
"""

import ctypes
import os
import threading
import weakref

import numpy as np

from . import random_kernels as kernels
from .random_kernels import BLOCK, SLAB

GRAIN = 4096  # results for one thread at a time
OWN, NOTES = 5, 6  # numbers of a state, and of what kernels write, in what is lent to machine code
SAVED = 8  # where words begin in what `go_back` is given, in numbers of 8 bytes
_LEGACY_BYTES = 5056  # PyTorch's get_state: seed, left, seeded, next, words as uint64, cached normals


class MersenneState:
    """A Mersenne Twister as PyTorch's CPU generator: words, position among them, second half of a pair of normals.

    `_words[:_ready]` are whole blocks of untempered words, of which those from `_position` on are still to be drawn.
    What kernels write besides results lies in one piece: two float64, the normal number that waits and whether there is
    one (at address `normals`), two int64 that tell how far they are (`progress`), two that say what is wrong.
    """

    __slots__ = ("initial_seed", "_words", "_address", "_ready", "_position", "_fresh", "_float_normal", "_notes",
                 "normals", "progress", "borrower", "lock", "__weakref__")

    def __init__(self, seed):
        self._begin()
        self.seed(seed)

    def _begin(self):
        self.lock, self.borrower = threading.RLock(), None
        self._notes = np.zeros(NOTES, dtype=np.int64)
        self.normals = self._notes.ctypes.data
        self.progress = self.normals + 16
        _states.add(self)

    @property
    def normal(self):
        """The second half of a pair of normal numbers, which waits for the next that asks; None where there is none."""
        self.take_back()
        value, waits = self._notes[:2].view(np.float64).tolist()
        return value if waits else None

    @normal.setter
    def normal(self, value):
        self.take_back()
        self._notes[:2].view(np.float64)[:] = (0.0, 0.0) if value is None else (value, 1.0)

    def seed(self, seed):
        """Start again from `seed`, 64 bits, of which the generator takes the lower 32. Knuth's initialisation."""
        word = seed & 0xFFFFFFFF
        words = [word]
        for i in range(1, BLOCK):
            word = (1812433253 * (word ^ word >> 30) + i) & 0xFFFFFFFF
            words.append(word)
        self.take_back()
        self.initial_seed = seed & 0xFFFFFFFFFFFFFFFF
        self._hold(np.array(words, dtype=np.uint32))
        self._ready = self._position = BLOCK
        self._fresh, self.normal, self._float_normal = True, None, bytes(8)

    def _hold(self, words):
        self._words, self._address = words, words.ctypes.data

    def take(self, count, multiple=1):
        """Draw `count` words: yields (address, length), lengths being multiples of `multiple` except for the last.

        An address is good until the next one is asked for: other threads wait, for kernels run without the GIL.
        """
        with self.lock:
            self.take_back()
            while count > 0:
                length = self._ready - self._position
                if length < count:
                    length = self._extend(count)
                length = count if count <= length else length // multiple * multiple
                start, self._position, self._fresh = self._position, self._position + length, False
                yield self._address + 4 * start, length
                count -= length

    def draw(self, kernel, ptr, n, itemsize, words_each, arguments, units_each):
        """Call kernel(words, result, *arguments, units, grain) until n results of some words each are there."""
        grain, count = GRAIN // units_each, n * words_each
        with self.lock:
            if self.borrower is not None:
                self.take_back()
            start = self._position
            if 0 < count <= self._ready - start:  # the most frequent case, written out
                self._position, self._fresh = start + count, False
                kernel(self._address + 4 * start, ptr, *arguments, n // units_each, grain)
                return
        for words, length in self.take(n * words_each, words_each * units_each):
            done = length // words_each
            kernel(words, ptr, *arguments, done // units_each, grain)
            ptr += done * itemsize

    def draw_apart(self, kernel, ptr, count, each, arguments, grain, counted=False):
        """Call kernel(words, ptr, *arguments, first, units, grain) until `count` words are drawn, `each` a unit; first:
        how many units came before. counted: of so many words as a kernel has written to `progress`, `count` at most.
        """
        first, count = 0, ctypes.c_int64.from_address(self.progress).value if counted else count
        with self.lock:
            if self.borrower is not None:
                self.take_back()
            start = self._position
            if 0 < count <= self._ready - start:  # as in `draw`
                self._position, self._fresh = start + count, False
                kernel(self._address + 4 * start, ptr, *arguments, 0, count // each, grain)
                return
        for words, length in self.take(count, each):
            kernel(words, ptr, *arguments, first, length // each, grain)
            first += length // each

    def search(self, kernel, n, arguments):
        """Call kernel(words, *arguments, progress, normals, n, pairs of words, 1, 1) until it has made n results, each
        of as many pairs as it needs: progress becomes [results, pairs that were used]. What is wrong ends it; that
        there was nothing in a slab of words is the second that can be (`verify`).
        """
        made, used, wrong = (ctypes.c_int64.from_address(self.progress + k) for k in (0, 8, 16))
        count, made.value = 1024, 0
        with self.lock:
            self.take_back()
            while made.value < n and not wrong.value:
                before, used.value = made.value, 0
                words, available = self._look(count)
                kernel(words, *arguments, self.progress, self.normals, n, available // 2, 1, 1)
                if used.value:
                    self._position, self._fresh = self._position + 2 * used.value, False
                if made.value == before and count >= SLAB:
                    self._notes[NOTES - 1] = 1
                    break
                count = min(2 * count, SLAB)

    def call(self, kernel, *arguments):
        """Call a kernel that draws nothing."""
        self.take_back()
        kernel(*arguments)

    def room(self, nbytes):
        """(memory to work in, its address)."""
        memory = np.empty(nbytes, dtype=np.uint8)
        return memory, memory.ctypes.data

    def verify(self, *messages):
        """RuntimeError with the first of two messages that a kernel has found to be so."""
        wrong = self._notes[NOTES - 2:]
        if wrong.any():
            found = messages[0 if wrong[0] else 1]
            wrong[:] = 0
            raise RuntimeError(found)

    def discard(self, count):
        """Draw words that nothing uses."""
        for _ in self.take(count):
            pass

    def lend(self, head):
        """Let machine code draw, for the holder of `lock`: head becomes [address of the words, how many are ready,
        position, whether nothing was drawn, room for words, notes]. Its owner may go on while it is the `borrower`,
        which it is until something else is done with the state: lending for each run takes 3 us, 25 to 60 where what
        ran before has pushed Python's objects out of the caches."""
        self.take_back()
        if len(self._words) < SLAB + BLOCK:
            words = np.empty(SLAB + BLOCK, dtype=np.uint32)
            words[: self._ready] = self._words[: self._ready]
            self._hold(words)
        head[:OWN] = self._address, self._ready, self._position, self._fresh, len(self._words)
        head[OWN:OWN + 2] = self._notes[:2]
        self.borrower = head

    def take_back(self):
        """Go on from where machine code has come to, if it has drawn."""
        with self.lock:
            head, self.borrower = self.borrower, None
            if head is not None:
                self._ready, self._position, self._fresh = int(head[1]), int(head[2]), bool(head[3])
                self._notes[:2] = head[OWN:OWN + 2]

    def go_back(self, kept):
        """Take over what machine code has copied (stages.remember): a head, and at SAVED the block of its position."""
        with self.lock:
            self.take_back()
            self._hold(kept[SAVED:].view(np.uint32).copy())
            self._ready, self._position, self._fresh = BLOCK, int(kept[2]), bool(kept[3])
            self._notes[:2] = kept[OWN:OWN + 2]

    def _look(self, count):
        """(address, length) of the next words, `count` of them or more (a slab at most), to be drawn."""
        length = self._ready - self._position
        if length < count:
            length = self._extend(count)
        return self._address + 4 * self._position, length

    def _extend(self, count):
        """Make words until there are `count` to be drawn, or a slab full; returns how many there are."""
        kept = self._block() * BLOCK
        words, self._position, ready = self._words, self._position - kept, self._ready - kept
        target = min(max(-(-(self._position + count) // BLOCK) * BLOCK, 8 * BLOCK), SLAB + BLOCK)
        if target > len(words):
            self._hold(np.empty(target, dtype=np.uint32))
        self._words[:ready] = words[kept : kept + ready]
        made = target - ready
        kernels.extend()(self._address + 4 * (ready - BLOCK), made, made)
        self._ready = target
        return target - self._position

    def _block(self):
        """Number of the block that the last drawn word is in."""
        return max(self._position - 1, 0) // BLOCK

    def get_state(self):
        """The 5056 bytes that PyTorch's `get_state` gives for this state, as a NumPy array."""
        with self.lock:
            self.take_back()
            block, state = self._block(), np.zeros(_LEGACY_BYTES, dtype=np.uint8)
            position = self._position - block * BLOCK
            head = state[:24].view(np.int32)
            state[:8].view(np.uint64)[0] = self.initial_seed
            head[2], head[3], head[4] = (1, 1, 0) if self._fresh else (BLOCK + 1 - position, 1, position)
            state[24:5016].view(np.uint64)[:] = self._words[block * BLOCK : (block + 1) * BLOCK]
            if self.normal is not None:
                state[5024:5032].view(np.float64)[0] = self.normal
                state[5040:5044].view(np.int32)[0] = 1
            state[5048:] = np.frombuffer(self._float_normal, dtype=np.uint8)
            return state

    def set_state(self, state):
        """Take over bytes of `get_state`, PyTorch's or ours; RuntimeError if they cannot be a state."""
        state = np.ascontiguousarray(state)
        if state.dtype != np.uint8:
            raise TypeError(f"set_state: RNG state must be a torch.ByteTensor, got elements of {state.dtype}")
        if state.size != _LEGACY_BYTES:
            raise RuntimeError(f"set_state: RNG state is wrong size: expected {_LEGACY_BYTES} bytes, got {state.size}")
        state = state.reshape(-1)
        left, seeded, position = (int(number) for number in state[8:20].view(np.int32))
        if not (seeded and 0 < left <= BLOCK and 0 <= position <= BLOCK):
            raise RuntimeError(f"set_state: Invalid mt19937 state (left {left}, seeded {seeded}, next {position})")
        with self.lock:
            self.take_back()
            self.initial_seed = int(state[:8].view(np.uint64)[0])
            self._hold(state[24:5016].view(np.uint64).astype(np.uint32))
            self._ready, self._fresh = BLOCK, left == 1 and position == 0
            self._position = BLOCK if left == 1 else position
            valid = state[5040:5044].view(np.int32)[0] != 0
            self.normal = float(state[5024:5032].view(np.float64)[0]) if valid else None
            self._float_normal = state[5048:].tobytes()

    def copy(self):
        """Another generator in the same state."""
        with self.lock:
            self.take_back()
            other, block = MersenneState.__new__(MersenneState), self._block()
            other._begin()
            other._notes[:] = self._notes
            other.initial_seed, other._fresh, other._float_normal = self.initial_seed, self._fresh, self._float_normal
            other._hold(self._words[block * BLOCK:(block + 1) * BLOCK].copy())  # of which all others follow
            other._ready, other._position = BLOCK, self._position - block * BLOCK
            return other

    def become(self, other):
        """Take over the state of a copy, which is not to be used any more."""
        with self.lock:
            for state in (self, other):
                state.take_back()
            self._notes[:] = other._notes
            for name in ("initial_seed", "_words", "_address", "_ready", "_position", "_fresh", "_float_normal"):
                setattr(self, name, getattr(other, name))


_states: weakref.WeakSet[MersenneState] = weakref.WeakSet()
_held: list[MersenneState] = []


def _before_fork():
    """Let no other thread be in the middle of a draw: the child would find the state locked, and half moved on."""
    for state in list(_states):
        state.lock.acquire()
        _held.append(state)


def _after_fork():
    while _held:
        _held.pop().lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
