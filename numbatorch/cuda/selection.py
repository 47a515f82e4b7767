"""The smallest keys of long rows, or one of them, without sorting the rows: the last that is wanted is found by digits.

From the highest digit on, the keys that begin as the wanted one does are counted by their next digit; whose turn it is
follows. What is below that key goes to the front of a short row, in order, and behind it as many of its equals as there
is room for; only these are sorted. Where one key is wanted its equals alone are looked at. Each row is read by several
blocks, whose counts are added in order. After Alabi et al. 2012, "Fast k-selection algorithms for graphics processing
units", with digits of 8 bits.
"""

from . import geometry, radix
from .launching import call

BLOCK = 256
MOST = 512  # blocks of a row, whose counts one block adds
SHARE = 4  # part of a row up to which it pays to select what is sorted

_DIGITS = """
def {name}(keys, state, counts, length, tiles, span, shift):
""" + radix._COUNTED + """    total = {place}(0)
    k = int32(0)
    while k < 8:
        total = {place}(total + shared_read_{place}(uint32(base + (k * 256 + thread) * {size})))
        k = int32(k + 1)
    counts[(row * tiles + tile) * 256 + thread] = total
"""
_FOUND = """
def {name}(counts, state, tiles, shift):
    thread = thread_index()
    lane = thread & 31
    warp = thread >> 5
    row = block_index()
    sums = shared_int64()
    total = int64(0)
    tile = int64(0)
    while tile < tiles:
        total = total + int64(counts[(row * tiles + tile) * 256 + thread])
        tile = tile + 1
    own = total
""" + radix._UP.replace("{pad}", "    ").replace("{place}", "int64") + """    if lane == 31:
        sums[warp] = total
    rank = state[3 * row + 1]
    barrier()
    k = int64(0)
    while k < warp:
        total = total + sums[k]
        k = k + 1
    if total - own <= rank and rank < total:
        state[3 * row] = state[3 * row] | (thread << shift)
        state[3 * row + 1] = rank - (total - own)
"""
_PART = """    lane = thread_index() & 31
    part = block_index() * 8 + (thread_index() >> 5)
    row = part // parts
    first = (part - row * parts) * span
    last = min(first + span, length)
    start = row * length
    wanted = {key}(state[3 * row])
"""
_SIDES = """
def {name}(keys, state, sides, length, parts, span):
""" + _PART + """    less, same = int64(0), int64(0)
    at = first + lane
    while at < last:
        less = less + int64(keys[start + at] < wanted)
        same = same + int64(keys[start + at] == wanted)
        at = at + 32
    apart = int64(16)
    while apart > 0:
        less = less + shuffle_xor(less, apart)
        same = same + shuffle_xor(same, apart)
        apart = apart >> 1
    if lane == 0:
        sides[2 * part] = less
        sides[2 * part + 1] = same
"""
_BEFORE = """
def {name}(sides, state, parts, rows):
    lane = thread_index() & 31
    row = block_index() * 8 + (thread_index() >> 5)
    if row < rows:
        side = int64(0)
        while side < 2:
            carry = int64(0)
            first = int64(0)
            while first < parts:
                own = int64(0)
                if first + lane < parts:
                    own = sides[2 * (row * parts + first + lane) + side]
                total = own
""" + radix._UP.replace("{pad}", " " * 16).replace("{place}", "int64") + """                if first + lane < parts:
                    sides[2 * (row * parts + first + lane) + side] = carry + total - own
                carry = carry + shuffle_down(total, int64(31 - lane))
                first = first + 32
            if side == 0 and lane == 0:
                state[3 * row + 1] = carry
            side = side + 1
"""
_TAKEN = """
def {name}(keys, state, sides, to_keys, to_order, length, parts, span, count):
""" + _PART + """    below = uint32((int64(1) << lane) - 1)
    less = sides[2 * part] - state[3 * row + 2]
    same = state[3 * row + 1] + sides[2 * part + 1] - state[3 * row + 2]
    at = first
    while at < last:
        key = {key}(0)
        is_less, is_same = int32(0), int32(0)
        if at + lane < last:
            key = keys[start + at + lane]
            is_less, is_same = int32(key < wanted), int32(key == wanted)
        lower = match_any(is_less)
        equal = match_any(is_same)
        place = count
        if is_less:
            place = less + int64(bits_set(uint32(lower & below)))
        if is_same:
            place = same + int64(bits_set(uint32(equal & below)))
        if 0 <= place and place < count:
            to_keys[row * count + place] = key
            to_order[row * count + place] = {place}(at + lane)
        less = less + int64(bits_set(lower) if is_less else 32 - bits_set(lower))
        same = same + int64(bits_set(equal) if is_same else 32 - bits_set(equal))
        at = at + 32
"""
_START = """
def {name}(state, key, rank, first, units):
    i = grid()
    if i < units:
        state[3 * i] = key
        state[3 * i + 1] = rank
        state[3 * i + 2] = first
"""
_RANK = """
def {name}(state, wanted, length, units):
    i = grid()
    if i < units:
        present = state[3 * i + 1]
        rank = {rank}
        state[3 * i] = 0
        state[3 * i + 1] = rank
        state[3 * i + 2] = rank
"""
_RANKS = {"nan": "present if present < length else wanted",
          "numbers": "(present - 1) // 2 if present > 0 else int64(0)"}


def pays(count, length):
    """Whether the `count` smallest of so many keys are selected before they are sorted."""
    return length > radix.SHORT and 0 < count * SHARE <= length


class Selector:
    """Puts the `count` smallest keys of each of `rows` rows in front of it, equal ones in order.

    Or the key at place `rank` of the sorted row alone; rule: "nan" and "numbers" are those of cpu/sort.py, for which
    `nan` is the key of what is not a number.
    key: "uint32" or "uint64", of which the lower `bits` count; place: the integers of places. A call takes the address
    of the keys and where `count` keys and places of each row go; `nbytes` of memory at `work` are for itself.
    """

    def __init__(self, key, bits, place, length, count, rows, device, rank=None, rule="place", nan=None):
        tiles = min(-(-length // radix.TILE), MOST, max(1, 4 * MOST // rows))
        span = -(-length // (tiles * BLOCK)) * BLOCK
        tiles, number = -(-length // span), "int32" if length < 2**31 else "int64"
        size = 4 if number == "int32" else 8
        filled = {"tile": "span", "part": "(span // 8)", "size": size, "place": number, "key": key,
                  "prefix": f"\n    prefix = {key}(state[3 * row])",
                  "only": f" and ((keys[start + at + lane] ^ prefix) >> shift) >> {key}(8) == 0"}

        def made(label, text, signature, values, blocks, shared=0, **more):
            name = f"select_{label}"
            return call(name, text.format(name=name, **{**filled, **more}).lstrip(), signature, device, values, blocks,
                        BLOCK, shared=shared)
        keys, counts, whole = f"{key}*", f"{number}*", "int64*"
        depends = rule in _RANKS and nan is not None  # the rank is what the numbers of a row say
        last, low = (count - 1, 0) if rank is None else (rank, rank)
        start = made("start", _START, (whole, *["int64"] * 4), (nan if depends else 0, last, low, rows),
                     -(-rows // BLOCK))
        steps = [(made(f"digits_{key}_{number}", _DIGITS, (keys, whole, counts, "int64", "int64", "int64", key),
                       (length, tiles, span, shift), rows * tiles, 2064 * size),
                  made(f"found_{number}", _FOUND, (counts, whole, "int64", "int64"), (tiles, shift), rows))
                 for shift in range(bits - 8, -1, -8)]
        parts, part = tiles * 8, span // 8
        sides = made(f"sides_{key}", _SIDES, (keys, whole, whole, "int64", "int64", "int64"), (length, parts, part),
                     rows * tiles)
        before = made("before", _BEFORE, (whole, whole, "int64", "int64"), (parts, rows), -(-rows // 8))
        taken = made(f"taken_{key}_{place}", _TAKEN, (keys, whole, whole, keys, f"{place}*", *["int64"] * 4),
                     (length, parts, part, count), rows * tiles, place=place)
        ranked = made(f"rank_{rule}", _RANK, (whole, *["int64"] * 3), (rank, length, rows), -(-rows // BLOCK),
                      rank=_RANKS[rule]) if depends else None
        state_bytes = geometry.rounded(24 * rows)
        self.nbytes = state_bytes + max(rows * tiles * 256 * size, 16 * rows * parts)

        def select(keys, to_keys, to_order, work, rest):
            counts = work + state_bytes
            start(work, *rest)
            if ranked is not None:
                sides(keys, work, counts, *rest)
                before(counts, work, *rest)
                ranked(work, *rest)
            for counted, found in steps:
                counted(keys, work, counts, *rest)
                found(counts, work, *rest)
            sides(keys, work, counts, *rest)
            before(counts, work, *rest)
            taken(keys, work, counts, to_keys, to_order, *rest)
        self._select = select

    def __call__(self, keys, to_keys, to_order, work, rest):
        """Select. rest: what launches pass on."""
        self._select(keys, to_keys, to_order, work, rest)
