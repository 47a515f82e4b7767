"""Capturing a call: the function runs as ever, and what it does to memory is noted.

A capture is judged afterwards. What it cannot vouch for, values that went to Python, memory from elsewhere, changes of
Python objects, raises Unsupported with the reason, and the function is then run eagerly.
"""

import bisect
import contextlib
import gc
import sys

from .. import dtypes
from ..device import CPU
from ..generator import default_of
from ..layout import Layout, layout as layout_of
from . import contents, launches, requests, stored, traced
from .checks import checks_first
from .graph import Buffer, Number, Place, Step
from .places import Unsupported
from .returned import is_returned
from .sizes import is_size
from .traced import Traced, Whole
from .watch import FILLS, inside_library, place

LARGE = 1 << 16  # bytes of a block that a capture gives back as soon as the call does
MOST = 4096  # plans of which something is known
_harmless: dict = {}  # {id: plan} of those whose kernels were seen to leave their operands as they are
_reads: dict = {}  # {(id of a plan, whether in place): (the plan, names of the operands that its formulas read)}


def _known(table, key, value):
    """Put in a value that costs time to find; no more than MOST of them."""
    if len(table) >= MOST:
        table.clear()
    table[key] = value
    return value


def _names_read(plan, inplace):
    found = _reads.get((id(plan), inplace))
    if found is None:
        found = _known(_reads, (id(plan), inplace), (plan, requests.names_read(plan, inplace)))
    return found[1]


class Capture:
    """What is known of one call while it runs; `graph()` afterwards."""

    is_sure = True  # whether all kernels are known to leave their operands as they are
    refusing = None  # the error that ends the call where it is refused
    sizes = hints = None  # the Scope of sizes that are followed (sizes.py), and their values (binding.py)

    def __init__(self, name, code=None):
        """code: of the function, as far as it has some."""
        self.name, self.steps, self.buffers = name, [], []
        self._code = code
        self.returned: dict = {}  # {id(a number): (the number, which read it is)}, of those that are only returned
        self.refusals, self.options, self.checked = [], [], set()
        # Lines of the function: where it was refused, asks for values, draws from generators of others.
        self.refused, self.asked, self.drawn_at = set(), set(), set()
        self.before = contents.Copies()  # of memory that was there and is written or looked at
        self._large: list = []  # buffers made meanwhile whose memory is given back when the call drops it
        self.gradients: list = []  # [(tensor, its gradient before the call, the buffer)], for the same
        self.given_up: list = []  # such gradients, which have no memory any more
        self.reads, self.kept = 0, []
        self._starts, self._ranges = [], {}
        self._pending, self._reading = None, False
        self.filled: set = set()  # memory made meanwhile that Python data was copied to

    # ------------------------------------------------------------ memory

    def know(self, kind, address, nbytes, name, storage, device=CPU):
        """Memory that was there before the call."""
        if nbytes and address not in self._ranges:
            self._add(Buffer(len(self.buffers), kind, nbytes, name, storage, address, device=device))

    def _add(self, buffer):
        self.buffers.append(buffer)
        bisect.insort(self._starts, buffer.address)
        self._ranges[buffer.address] = buffer

    def allocated(self, block, address, nbytes, device):
        buffer = Buffer(len(self.buffers), "temporary", nbytes, "", block, address, device=device)
        self._add(buffer)
        # Smaller blocks stay until the end, so that the call takes about as much memory as ever.
        if self.plain(nbytes) >= LARGE:
            self._drop()
            self._large.append(buffer)

    def _drop(self):
        """Give back what the call has dropped."""
        self._large = [b for b in self._large if not self._dropped(b)]
        if self.gradients:
            self.gradients = [held for held in self.gradients if not self._forgotten(held)]

    def _forgotten(self, held):
        """Whether the call has dropped a gradient that nothing has looked at, nor will if it is undone and run again.

        held: (tensor, its gradient, the buffer). A gradient is held by the Attempt's places, its snapshot twice, `held`
        and the argument; its storage by the gradient, the snapshot, the buffer, the Attempt's table of versions and the
        argument. No variable is counted: some Pythons do not count what a variable lends to a call.
        """
        if (held[0]._grad is held[1] or sys.getrefcount(held[1]) > 5 or sys.getrefcount(held[1]._storage) > 5
                or sys.getrefcount(held[1]._storage.block) > 2):
            return False
        _, grad, buffer = held
        if buffer in self.before or any(buffer in s.reads() or buffer in s.writes() for s in self.steps):
            return False
        self._forget(buffer)
        self.given_up.append(grad)
        grad._storage.block = None
        return True

    def _dropped(self, buffer):
        """Whether only this capture held the memory of a buffer, which is then free, and its address another's."""
        if sys.getrefcount(buffer.storage) > 2 or buffer.kind != "temporary" or buffer in self.filled:
            return False
        self._forget(buffer)
        return True

    def _forget(self, buffer):
        """Know nothing of a buffer's memory any more, and let it go."""
        del self._starts[bisect.bisect_left(self._starts, buffer.address)], self._ranges[buffer.address]
        buffer.storage = None

    def find(self, address):
        """The buffer that an address is in, or None."""
        address = self.plain(address)
        at = bisect.bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        buffer = self._ranges[self._starts[at]]
        return buffer if address < buffer.address + max(1, self.plain(buffer.nbytes)) else None

    def allocate(self, give, nbytes, device):
        """Memory for the call: a block of `give`."""
        return give(self.plain(nbytes))

    def is_known(self, plan, inplace=False):
        """Whether a plan's kernel is known to leave its operands as they are."""
        if _names_read(plan, inplace) is not None or id(plan) in _harmless:
            return True
        with self.aside():
            return stored.is_harmless(plan)

    def acts(self):
        """Whether the last step, which was noted, also runs; in rehearsals (rehearsal.py) not all do."""
        return True

    def act(self, function, arguments):
        """Run the last step."""
        return function(*self.plain(arguments))

    def join(self, together, parts, dim):
        """Tensors joined by the kernel of `together`."""
        return together(parts, dim)

    def plain(self, value):
        """Numbers as they are, for what only passes them on."""
        return value if self.sizes is None else self.hints.of(value)

    def _place(self, address, layout, reads, writes, what):
        buffer = self.find(address)
        if buffer is None:
            if layout.nbytes:
                self.refuse(f"{what} uses memory that the function cannot be seen to hold (a tensor of shape "
                            f"{list(layout.shape)})")
            buffer = Buffer(-1, "temporary", 0, "", None, address)
        if writes:
            self._keep(buffer)
        return Place(buffer, address - buffer.address, layout, reads, writes)

    def _keep(self, buffer):
        """Note what is in memory that was there before the call, before it is changed."""
        if buffer.kind in ("state", "input") and buffer not in self.before:
            self._drop()
            with self.aside():
                self.before.keep(buffer)

    # ------------------------------------------------------------ what the watch tells

    def refuse(self, why, depth=3):
        self.refusals.append(f"{why} ({place(depth)})")
        if self.refusing is not None:
            raise self.refusing(self.refusals[0])
        self.refused |= self.line()

    def line(self):
        """The line of the function itself that is running, in a set; nothing where it is not known."""
        frame = sys._getframe(1)
        while frame is not None and frame.f_code is not self._code:
            frame = frame.f_back
        return set() if frame is None else {frame.f_lineno}

    def launched(self, plan, kernel, arguments):
        pending = {}
        if self._pending is not None and self._pending[0] is plan.op:
            pending, self._pending = self._pending[1], None
        specs = list(plan.specs.values())
        count = len(specs)
        inplace = len(arguments) - 3 == count + 1 and count > 0 and (
            self.plain(arguments[count]) == self.plain(arguments[0]))
        used, names = _names_read(plan, inplace), list(plan.specs)
        values: list = []
        for k, value in enumerate(arguments[:-3]):
            if k >= count:
                own = plan.layouts[k - count]
                values.append(self._place(value, own, False, True, plan.op.name))
            elif isinstance(specs[k], Layout):
                reads = used is None or names[k] in used
                writes = plan.op.name == "_write" and k == 0  # which combines into its first operand
                values.append(self._place(value, specs[k], reads, writes, plan.op.name))
            elif is_size(value):
                values.append(Number(value.hint, ("number", value)))
            else:
                values.append(Number(value, pending.get(k)))
        if len(arguments) - 3 != count + len(plan.layouts):
            self.refuse(f"{plan.op.name} is called in a way of its own")
        meta, units, grain = arguments[-3:]
        self.steps.append(Step("launch", plan.op.name, values, kernel, meta, units, grain, plan, where=place(3),
                               keep=plan.keep))
        if used is not None or id(plan) in _harmless or not self.acts():
            return ()
        with self.aside():
            if stored.is_harmless(plan):
                return ()
            operands = [v for v in values[:count] if isinstance(v, Place) and not v.writes and v.layout.nbytes]
            return [(v, contents.read(v.layout.device, v.buffer.address + v.offset, v.layout.nbytes))
                    for v in operands if v.buffer.number >= 0]

    def looked(self, plan, before):
        """After a launch: operands must be as they were, for kernels whose formulas do not say so."""
        if not before:
            return
        with self.aside():
            changed = any(contents.read(v.layout.device, v.buffer.address + v.offset, len(content)) != content
                          for v, content in before)
            if not changed:
                _known(_harmless, id(plan), plan)
                stored.harmless(plan)
        if changed:
            self.refuse(f"{plan.op.name} changes an operand")

    def joined(self, launch, parts, result):
        values = [self._place(t._ptr, t._layout, True, False, "cat") for t in parts]
        values.append(self._place(result._ptr, result._layout, False, True, "cat"))
        self.steps.append(Step("join", "cat", values, launch.kernel, launch.meta, launch.units, launch.grain,
                               where=place(3), keep=launch.keep))

    def drawn(self, name, function, arguments):
        target, others = FILLS[name]
        arguments = list(arguments)
        state = arguments[1] if name == "fill" else arguments[0]
        own = self.find(arguments[target])
        if state is not default_of(CPU if own is None else own.device).state:
            self.refuse("draws from a generator of its own")
        values: list = []
        for k, value in enumerate(arguments):
            if value is state:
                values.append(Number("state"))
            elif k == target or k in others:
                own = self._extent(name, arguments, k)
                values.append(self._place(value, own, k != target, k == target, name))
            else:
                values.append(Number(value))
        self.steps.append(Step("draw", name if name != "fill" else arguments[0].__name__, values, function,
                               where=place(3)))

    def _extent(self, name, arguments, k):
        """Layout of what a fill writes or reads at an address: as many bytes as the buffer has from there on."""
        buffer = self.find(arguments[k])
        device = CPU if buffer is None else buffer.device
        if name == "fill":
            return layout_of(dtypes.by_name(arguments[5]), arguments[3], arguments[4], device)
        rest = 0 if buffer is None else buffer.nbytes - (arguments[k] - buffer.address)
        return layout_of(dtypes.uint8, (rest,), None, device)

    def seen(self, what, how):
        """Memory is looked at or written in ways that cannot be followed, as when Python data becomes a tensor."""
        if self._reading:
            return
        address = what if isinstance(what, int) else getattr(what, "ptr", None)
        buffer = None if address is None else self.find(address)
        known = buffer is not None and (buffer.kind != "temporary" or self._was_written(buffer))
        if buffer is not None:
            self._keep(buffer)
        if known or buffer is None:
            self.refuse(f"{_running() or 'the function'} {how}", 4)
        else:
            self.filled.add(buffer)

    def copied(self, name, function, target, source, nbytes, wait=True):
        """Memory is copied, from or to a GPU mostly: a step, where it is not Python data that becomes a tensor."""
        if self._reading or not nbytes:
            return
        of, to = self.find(source), self.find(target)
        if of is None or to is None or of in self.filled and not self._was_written(of):
            int(nbytes)  # which ties the program to a size
            self.seen(target, "copies bytes")
        elif name == "move":
            self.refuse("the function copies bytes from one place to another", 4)
        else:
            values = [self._place(at, layout_of(dtypes.uint8, (nbytes,), None, own.device), not writes, writes, name)
                      for at, own, writes in ((target, to, True), (source, of, False))]
            self.steps.append(Step("move", name, [*values, Number(nbytes), Number(wait)], function, where=place(3)))

    def _was_written(self, buffer):
        return any(buffer in step.writes() for step in self.steps)

    def _read(self, tensor, value):
        own = self._place(tensor._ptr, tensor._layout, True, False, "item")
        self.steps.append(Step("read", "read", [own], read=self.reads, where=place(4)))
        self.reads += 1
        return Traced(value, ("read", self.reads - 1), self)

    def number(self, tensor, item, library):
        """A value that becomes a number: one that the library compares and computes with is followed."""
        if self._reading:
            return item(tensor)
        value = self._value(tensor, item)
        if isinstance(value, complex):
            self.refuse("the function reads a complex number")
            return value
        found = self._read(tensor, value)
        if library:
            return found
        self.asked |= self.line()
        if type(value) in (float, int) and self._code is not None and is_returned(sys._getframe(2), self._code):
            self.steps[-1].returned = True
            value = Whole(value) if type(value) is int else value
            self.returned[id(value)] = value, found.expression[1]
            return value
        return found.tie()

    def _value(self, tensor, item):
        """The value as it is: a reader may read another tensor itself, of a dtype that Python knows."""
        with self.aside():
            return item(tensor)

    @contextlib.contextmanager
    def aside(self):
        """Memory is looked at for the capture itself, or in ways that it notes."""
        before, self._reading = self._reading, True
        try:
            with self.sizes.aside() if self.sizes is not None else contextlib.nullcontext():
                yield
        finally:
            self._reading = before

    def truth(self, tensor, item):
        """A value that decides a branch."""
        self.asked |= self.line()
        return bool(self._read(tensor, self._value(tensor, item)))

    def check(self, expression, outcome):
        """Note that later runs have to find the same outcome of a comparison."""
        if self.sizes is not None and not traced.sources(expression):
            if not self.sizes.paused:
                self.sizes.checks.append((expression, outcome))
            return outcome
        pinned = expression[0] == "eq" and expression[1][0] == "option"
        if expression[0] == "eq" and any(kind == "read" for kind, _ in traced.sources(expression)):
            self.asked |= self.line()
        if not pinned and expression not in self.checked:
            self.steps.append(Step("check", "check", check=expression, expected=bool(outcome), where=place(4)))
        if pinned:
            self.checked.add(expression[1])
        self.checked.add(expression)
        return outcome

    def numbered(self, op, inplace, values):
        """A call with traced numbers: their values go to the kernel, their expressions to the step."""
        if not any(v.__class__ is Traced for v in values):
            return NotImplemented
        from ..interception import call
        places, position, given = {}, 0, []
        for p, v in zip(op.parameters, values, strict=True):
            if v.__class__ is Traced:
                if p.role == "static" or p.role == "neutral" and v.value == p.default or isinstance(v.value, bool):
                    v = v.tie()
                else:
                    places[position] = v.expression
                    v = v.value
            given.append(v)
            position += p.role != "static"
        self._pending = (op, places) if places else None
        result = call(op, inplace, given)
        if self._pending is not None:
            self.refuse(f"{op.name} does not pass on a number that changes")
            self._pending = None
        return result

    # ------------------------------------------------------------ afterwards

    def escaped(self):
        """Buffers made in the call whose memory something still holds."""
        for buffer in self.buffers:
            if buffer.kind == "temporary" and buffer.storage is not None and buffer.nbytes:
                if sys.getrefcount(buffer.storage) > 2:  # here: the buffer and the argument
                    yield buffer

    def parts(self, boundary=None):
        """The steps before and after `boundary`. Unsupported where the call cannot be repeated from them."""
        if self.refusals:
            raise Unsupported(self.refusals[0])
        boundary = len(self.steps) if boundary is None else boundary
        first, second = checks_first(_used(self.steps[:boundary]), self.buffers), _used(self.steps[boundary:])
        self._constants([*first, *second])
        return first, second

    def _constants(self, steps):
        written: set = set()
        for step in steps:
            for v in step.places:
                b = v.buffer
                if v.reads and b.kind == "temporary" and b not in written and v.layout.nbytes:
                    if b not in self.filled:
                        raise Unsupported(f"{step.name} ({step.where}) reads memory that nothing was seen to write")
                    b.kind, b.name = "constant", f"made from Python data, first used by {step.name} ({step.where})"
            written |= step.writes()
        for b in self.buffers:
            if b.kind == "constant":
                if b in written:
                    raise Unsupported(f"memory {b.name}, is changed afterwards")
                b.content = contents.read(b.device, b.address, b.nbytes)


def _running():
    """The name of the op whose call (calls.py) Python is in; "" where there is none."""
    frame = sys._getframe(2)
    while frame is not None and inside_library(frame.f_code.co_filename):
        if frame.f_code.co_filename.startswith("<call of "):
            return frame.f_code.co_filename[len("<call of "):-1]
        frame = frame.f_back
    return ""


def _used(steps):
    """Without reads whose numbers nothing uses, and launches of no units."""
    needed = set()
    for step in steps:
        for expression in [v.expression for v in step.values if isinstance(v, Number) and v.expression] + (
                [step.check] if step.check else []):
            needed |= {k for kind, k in traced.sources(expression) if kind == "read"}
    return [s for s in steps if not (s.kind == "read" and s.read not in needed and not s.returned)
            and not (s.kind in ("launch", "join") and s.units == 0 and launches.is_native(s.kernel))]


def unexplained(capture, held):
    """Escaped buffers that are not in `held`; after a collection of garbage where there seem to be some."""
    found = [b for b in capture.escaped() if b not in held]
    if found:
        gc.collect()
        found = [b for b in capture.escaped() if b not in held]
    return found


__all__ = ["Capture", "unexplained"]
