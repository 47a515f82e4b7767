"""What threads of a warp do together: shuffles, votes, matches; sections 9.7.9 and 9.7.13 of the manual.

The scheduler brings all lanes of the warp that are alive to such an instruction before it runs.
"""

import numpy as np

from .operands import instruction
from .text import PTXError

WARP = 32
TOGETHER = ("shfl", "vote", "match", "redux", "mma", "ldmatrix", "wgmma")  # what whole warps do; bar.warp besides


@instruction("shfl")
def shuffle(code, item):
    names = item.operands[0].split("|")
    target = code.target(names[0].strip())
    found_one = code.target(names[1].strip()) if len(names) > 1 else None
    value, by, limits = (code.source(o, "u32") for o in item.operands[1:4])
    mode = item.parts[2]

    def run(state, mask):
        lane, distance = state.lane.astype("i8"), by(state).astype("i8")
        clamp, segment = limits(state).astype("i8") & 31, limits(state).astype("i8") >> 8 & 31
        highest = (lane & segment) | (clamp & ~segment)
        lowest = lane & segment
        if mode == "up":
            chosen, inside = lane - distance, lane - distance >= highest
        elif mode in ("down", "bfly"):
            chosen = lane + distance if mode == "down" else lane ^ distance
            inside = chosen <= highest
        else:
            chosen = lowest | (distance & ~segment & 31)
            inside = chosen <= highest
        chosen = np.where(inside, chosen, lane)
        values = np.broadcast_to(value(state), state.lanes)
        target(state, values[np.arange(state.lanes) // WARP * WARP + chosen], mask)
        if found_one is not None:
            found_one(state, np.broadcast_to(inside, state.lanes), mask)
    return run


@instruction("vote")
def vote(code, item):
    target = code.target(item.operands[0])
    text = item.operands[1]
    source, flip, mode = code.source(text.lstrip("!"), "pred"), text.startswith("!"), item.parts[2]

    def run(state, mask):
        says = np.broadcast_to(source(state) != flip, state.lanes)
        yes, asked = ((v & mask).reshape(-1, WARP) for v in (says, np.ones_like(says)))
        if mode == "ballot":
            found = (yes << np.arange(WARP, dtype="u8")).sum(1).astype("u4")
        elif mode in ("any", "all"):
            found = yes.any(1) if mode == "any" else (yes | ~asked).all(1)
        else:
            raise PTXError(f"unknown vote: {item.text}")
        target(state, np.repeat(found, WARP), mask)
    return run


@instruction("activemask")
def active(code, item):
    target = code.target(item.operands[0])

    def run(state, mask):
        found = (mask.reshape(-1, WARP) << np.arange(WARP, dtype="u8")).sum(1).astype("u4")
        target(state, np.repeat(found, WARP), mask)
    return run


@instruction("match")
def match(code, item):
    """Lanes of a warp that have the same value."""
    if item.parts[1] != "any":
        raise PTXError(f"no such match here: {item.text}")
    target, value = code.target(item.operands[0]), code.source(item.operands[1], item.parts[-1])

    def run(state, mask):
        values = np.broadcast_to(value(state), state.lanes).reshape(-1, WARP)
        same = (values[:, :, None] == values[:, None, :]) & mask.reshape(-1, 1, WARP)
        target(state, (same << np.arange(WARP, dtype="u8")).sum(2).astype("u4").reshape(-1), mask)
    return run
