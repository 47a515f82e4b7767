"""Registers and memories of the threads that run together: some blocks of a launch, every thread a lane."""

import numpy as np

from .operands import LOCAL_WINDOW, SHARED_WINDOW
from .text import PTXError

WARP = 32


class State:
    """Lanes of the blocks `numbers` of a launch. Blocks have whole warps; lanes beyond their threads are not alive."""

    def __init__(self, program, arena, grid, block, numbers, parameters, dynamic):
        threads = block[0] * block[1] * block[2]
        width = -(-threads // WARP) * WARP
        self.arena, self.parameters, self.blocks, self.width = arena, parameters, len(numbers), width
        self.lanes = lanes = len(numbers) * width
        thread = np.tile(np.arange(width), len(numbers))
        number = np.repeat(np.asarray(numbers), width)
        self.block = np.repeat(np.arange(len(numbers)), width)
        self.lane = thread % WARP
        self._special = {
            "%tid.x": thread % block[0], "%tid.y": thread // block[0] % block[1],
            "%tid.z": thread // (block[0] * block[1]), "%ctaid.x": number % grid[0],
            "%ctaid.y": number // grid[0] % grid[1], "%ctaid.z": number // (grid[0] * grid[1]),
            "%laneid": self.lane, "%warpid": thread // WARP, "%dynamic_smem_size": np.array([dynamic])}
        for k, axis in enumerate("xyz"):
            self._special[f"%ntid.{axis}"], self._special[f"%nctaid.{axis}"] = np.array([block[k]]), np.array([grid[k]])
        self.shared_size = program.entry.sizes["shared"] + dynamic
        self.shared_step = -(-max(self.shared_size, 1) // 16) * 16
        self.shared = np.full(len(numbers) * self.shared_step, 0xCB, np.uint8)
        self.local_size = -(-max(program.entry.sizes["local"], 1) // 16) * 16
        self.local = np.full(lanes * self.local_size, 0xCB, np.uint8)
        self.local_base = (np.arange(lanes) * self.local_size).astype("u8")
        self.registers = [np.zeros(lanes, kind if kind == np.bool_ else f"u{kind.itemsize}")
                          for kind in program.entry.registers.values()]
        self.copies: list = []  # (lanes, their number of groups, addresses, words) of copies that are under way
        self.groups = np.zeros(lanes, np.int64)
        self.alive = thread < threads
        self.at = np.zeros(lanes, np.int64)
        self.at_barrier = np.zeros(lanes, bool)

    def special(self, name):
        """The values of a special register."""
        found = self._special.get(name)
        if found is None:
            raise PTXError(f"unknown special register {name}")
        return found

    def places(self, space, address, dtype, mask):
        """(memory as integers of a size, index of each lane); PTXError for what a GPU faults for."""
        size, at = dtype.itemsize, address.astype("i8")
        if space == "generic" and mask.any():
            chosen = at[mask]
            if (chosen >= LOCAL_WINDOW).all():
                space, at = "local", at - LOCAL_WINDOW
            elif ((chosen >= SHARED_WINDOW) & (chosen < LOCAL_WINDOW)).all():
                space, at = "shared", at - SHARED_WINDOW
            elif (chosen < SHARED_WINDOW).all():
                space = "global"
            else:
                raise PTXError("one instruction accesses several state spaces through generic addresses")
        if mask.any() and (at[mask] % size).any():
            raise PTXError(f"misaligned {space} access of {size} bytes at {int(at[mask][at[mask] % size != 0][0]):#x}")
        if space == "shared":
            self._check(space, at[mask], size, self.shared_size)
            return self.shared.view(f"u{size}"), np.where(mask, at + self.block * self.shared_step, 0) // size
        if space == "local":
            own = at - self.local_base.astype("i8")
            self._check(space, own[mask], size, self.local_size)
            return self.local.view(f"u{size}"), np.where(mask, at, 0) // size
        return self.arena.places(at, size, mask)

    @staticmethod
    def _check(space, at, size, limit):
        if at.size and (at.min() < 0 or at.max() + size > limit):
            raise PTXError(f"{space} access outside of {limit} bytes: {size} bytes at "
                           f"{int(at.min() if at.min() < 0 else at.max())}")

    def load(self, space, address, dtype, count, mask):
        """`count` neighbouring values of each lane."""
        self._check_vector(address, dtype, count, mask)
        for k in range(count):
            memory, at = self.places(space, address + np.uint64(k * dtype.itemsize), dtype, mask)
            yield memory[at].view(dtype)

    def store(self, space, address, values, dtype, mask):
        """Store neighbouring values; of lanes that write one place the last one stays."""
        self._check_vector(address, dtype, len(values), mask)
        for k, value in enumerate(values):
            memory, at = self.places(space, address + np.uint64(k * dtype.itemsize), dtype, mask)
            memory[at[mask]] = np.ascontiguousarray(value).view(memory.dtype)[mask]

    def start_copy(self, mask, address, words):
        """Words on their way to shared memory."""
        self.copies.append((mask.copy(), self.groups.copy(), address.copy(), words))

    def end_copies(self, mask):
        """What these lanes copied since the last time is one group."""
        self.groups = self.groups + mask

    def finish_copies(self, mask, left):
        """Copies of all groups of these lanes but the last `left` have arrived."""
        kept = []
        for lanes, group, address, words in self.copies:
            now = lanes & mask & (group < self.groups - left)
            if now.any():
                self.store("shared", address, words, np.dtype("u4"), now)
            if (lanes & ~now).any():
                kept.append((lanes & ~now, group, address, words))
        self.copies = kept

    @staticmethod
    def _check_vector(address, dtype, count, mask):
        if count > 1 and (address[mask] % np.uint64(count * dtype.itemsize)).any():
            raise PTXError(f"misaligned access of {count} x {dtype.itemsize} bytes")
