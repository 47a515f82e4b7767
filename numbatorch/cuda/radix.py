"""Sorting of integer keys, stable: rows of up to 1024 by a network in shared memory, longer ones by their digits.

A digit takes three kernels: how many keys of each digit value a tile has, how many are in earlier tiles, and where each
key goes. Threads of a warp that hold the same digit find each other by `match`, so there are no atomics, equal keys
keep their order, and no block waits for another. Merrill & Grimshaw 2011, "High performance and scalable radix
sorting"; the network is Batcher's, 1968.
"""

from . import geometry
from .launching import call

BLOCK = 256
TILE = 4096  # keys of a block: 16 a thread, in order 512 a warp
SHORT = 1024  # keys of a row that a block sorts by itself

_COUNTED = """    thread = int32(thread_index())
    lane = int32(thread & 31)
    warp = int32(thread >> 5)
    base = int32(shared_base())
    tile = block_index()
    row = tile // tiles
    tile = tile - row * tiles
    start = row * length
    first = tile * {tile} + warp * {part}
    last = min(first + {part}, length)
    below = uint32((int64(1) << lane) - 1){prefix}
    k = int32(0)
    while k < 8:
        shared_write(uint32(base + (k * 256 + thread) * {size}), {place}(0))
        k = int32(k + 1)
    barrier()
    at = first
    while at < last:
        digit = int32(256)
        if at + lane < last{only}:
            digit = int32(int64(keys[start + at + lane] >> shift) & 255)
        group = match_any(digit)
        if digit < 256 and (group & below) == 0:
            own = uint32(base + (warp * 256 + digit) * {size})
            shared_write(own, {place}(shared_read_{place}(own) + bits_set(group)))
        warp_barrier()
        at = at + 32
    barrier()
"""
_COUNTS = """
def {name}(keys, counts, length, tiles, shift):
""" + _COUNTED + """    total = {place}(0)
    k = int32(0)
    while k < 8:
        total = {place}(total + shared_read_{place}(uint32(base + (k * 256 + thread) * {size})))
        k = int32(k + 1)
    counts[(row * 256 + thread) * tiles + tile] = total
"""
_UP = """{pad}reach = int64(1)
{pad}while reach < 32:
{pad}    other = shuffle_up(total, reach)
{pad}    if lane >= reach:
{pad}        total = {place}(total + other)
{pad}    reach = reach << 1
"""
_EARLIER = """
def {name}(counts, wholes, tiles):
    lane = int32(thread_index() & 31)
    unit = block_index() * 8 + (thread_index() >> 5)
    carry = {place}(0)
    first = int64(0)
    while first < tiles:
        own = {place}(0)
        if first + lane < tiles:
            own = counts[unit * tiles + first + lane]
        total = own
""" + _UP.replace("{pad}", " " * 8) + """        if first + lane < tiles:
            counts[unit * tiles + first + lane] = {place}(carry + total - own)
        carry = {place}(carry + shuffle_down(total, int64(31 - lane)))
        first = first + 32
    if lane == 0:
        wholes[unit] = carry
"""
_MOVED = """
def {name}(keys, order, to_keys, to_order, counts, wholes, length, tiles, shift):
""" + _COUNTED + """    own = wholes[row * 256 + thread]
    total = own
""" + _UP.replace("{pad}", " " * 4) + """    if lane == 31:
        shared_write(uint32(base + {sums} + warp * {size}), total)
    barrier()
    total = {place}(total - own + counts[(row * 256 + thread) * tiles + tile])
    k = int32(0)
    while k < warp:
        total = {place}(total + shared_read_{place}(uint32(base + {sums} + k * {size})))
        k = int32(k + 1)
    k = int32(0)
    while k < 8:
        spot = uint32(base + (k * 256 + thread) * {size})
        own = shared_read_{place}(spot)
        shared_write(spot, total)
        total = {place}(total + own)
        k = int32(k + 1)
    barrier()
    at = first
    while at < last:
        digit = int32(256)
        key = {key}(0)
        if at + lane < last:
            key = keys[start + at + lane]
            digit = int32(int64(key >> shift) & 255)
        group = match_any(digit)
        spot = uint32(base + (warp * 256 + (digit & 255)) * {size})
        before = shared_read_{place}(spot)
        warp_barrier()
        if digit < 256:
            rank = bits_set(uint32(group & below))
            if rank == 0:
                shared_write(spot, {place}(before + bits_set(group)))
            to_keys[start + before + rank] = key
            to_order[start + before + rank] = order[start + at + lane]
        warp_barrier()
        at = at + 32
"""
_NETWORK = """
def {name}(keys, order, to_keys, to_order, length, width, shift, rows):
    thread = int32(thread_index())
    names = shared_uint64(){second}
    first = block_index() * ({short} >> shift)
    e = int32(thread)
    while e < {short}:
        row = first + (e >> shift)
        at = int32(e & (width - 1))
        one = uint64(0xffffffffffffffff)
        if row < rows and at < length:
            one = {one}
        names[e] = one{set_second}
        e = int32(e + {block})
    size = int32(2)
    while size <= width:
        apart = int32(size >> 1)
        while apart > 0:
            barrier()
            t = int32(thread)
            while t < {short} // 2:
                i = int32(2 * t - (t & (apart - 1)))
                j = int32(i + apart)
                a = names[i]
                b = names[j]{get_second}
                is_up = (i & size & (width - 1)) == 0
                if (a > b{or_second}) == is_up:
                    names[i] = b
                    names[j] = a{swap_second}
                t = int32(t + {block})
            apart = int32(apart >> 1)
        size = int32(size << 1)
    barrier()
    e = int32(thread)
    while e < {short}:
        row = first + (e >> shift)
        at = int32(e & (width - 1))
        if row < rows and at < length:
            from_ = row * length + {found}
            to_keys[row * length + at] = keys[from_]
            to_order[row * length + at] = order[from_]
        e = int32(e + {block})
"""


class Sorter:
    """Sorts `rows` rows of `length` keys one after the other, and what goes with each.

    key: "uint32" or "uint64", of which the lower `bits` count; place: the integers that go with them. A call takes and
    returns addresses; `nbytes` of memory at `work` are for itself.
    """

    def __init__(self, key, bits, place, length, rows, device):
        self.nbytes = 0
        if not rows or length < 2:
            self._sort = lambda keys, order, other_keys, other_order, work, rest: (keys, order)
        elif length <= SHORT:
            self._network(key, place, length, rows, device)
        else:
            self._digits(key, bits, place, length, rows, device)

    def __call__(self, keys, order, other_keys, other_order, work, rest):
        """(keys, order) sorted: two of the four addresses given. rest: what launches pass on."""
        return self._sort(keys, order, other_keys, other_order, work, rest)

    def _network(self, key, place, length, rows, device):
        shift = (length - 1).bit_length()
        parts = {"one": "(uint64(keys[row * length + at]) << 32) | uint64(at)", "found": "int64(names[e] & 0xffffffff)",
                 "second": "", "set_second": "", "get_second": "", "or_second": "", "swap_second": ""}
        if key == "uint64":  # a key and its place do not fit one number
            parts = {"one": "keys[row * length + at]", "found": "int64(places[e])",
                     "second": "\n    places = shared_int32()",
                     "set_second": f"\n        places[e] = at if at < length and row < rows else int32({SHORT} + at)",
                     "get_second": "\n                p = places[i]\n                q = places[j]",
                     "or_second": " or (a == b and p > q)",
                     "swap_second": f"\n{' ' * 20}places[i] = q\n{' ' * 20}places[j] = p"}
        name = f"sort_network_{key}_{place}"
        text = _NETWORK.format(name=name, short=SHORT, block=BLOCK, **parts).lstrip()
        self._sort = one = call(name, text, (f"{key}*", f"{place}*", f"{key}*", f"{place}*", *["int64"] * 4), device,
                                (length, 1 << shift, shift, rows), -(-rows // (SHORT >> shift)), BLOCK)

        def sort(keys, order, other_keys, other_order, work, rest):
            one(keys, order, other_keys, other_order, *rest)
            return other_keys, other_order
        self._sort = sort

    def _digits(self, key, bits, place, length, rows, device):
        tiles = -(-length // TILE)
        count = "int32" if length < 2**31 else "int64"
        size = 4 if count == "int32" else 8
        self.nbytes = (geometry.rounded(rows * tiles * 256 * size) + rows * 256 * size)
        keys, places, counts = f"{key}*", f"{place}*", f"{count}*"
        filled = {"tile": TILE, "part": TILE // 8, "size": size, "place": count, "key": key, "sums": 2048 * size,
                  "prefix": "", "only": ""}

        def made(label, text, signature, values, blocks):
            name = f"radix_{label}"
            return call(name, text.format(name=name, **filled).lstrip(), signature, device, values, blocks, BLOCK,
                        shared=2064 * size)
        earlier = made(f"earlier_{count}", _EARLIER, (counts, counts, "int64"), (tiles,), rows * 32)
        steps = []
        for shift in range(0, bits, 8):
            values = length, tiles, shift
            steps.append((made(f"counts_{key}_{count}", _COUNTS, (keys, counts, "int64", "int64", key), values,
                               rows * tiles),
                          made(f"moved_{key}_{place}_{count}", _MOVED, (keys, places, keys, places, counts, counts,
                                                                        "int64", "int64", key), values, rows * tiles)))
        behind = geometry.rounded(rows * tiles * 256 * size)

        def sort(keys, order, other_keys, other_order, work, rest):
            for counted, moved in steps:
                counted(keys, work, *rest)
                earlier(work, work + behind, *rest)
                moved(keys, order, other_keys, other_order, work, work + behind, *rest)
                keys, order, other_keys, other_order = other_keys, other_order, keys, order
            return keys, order
        self._sort = sort
