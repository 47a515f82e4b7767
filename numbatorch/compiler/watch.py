"""Seeing what a function does to memory: every launch of a kernel, block of memory, draw and value read.

For as long as a Watch is on, the plans that exist and those that are made carry recorders instead of their kernels, the
CPU's allocator and random fills are wrapped, and so are the ways from a tensor to a Python number or array. Eager code
is untouched: when no watch is on, nothing of this exists. What other threads do meanwhile passes through unseen.
"""

import functools
import os
import sys
import threading
from collections import deque

from .. import calls, from_data, interception, plan as planning, recording
from ..autograd import written
from ..cpu import backend
from ..device import CPU, device as device_of
from ..generator import Generator
from ..ops import join
from ..ops.declare import OPS
from ..storage import UntypedStorage, window
from ..tensor import Tensor

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_ONE = threading.RLock()
current: list = []  # the Watch that is on
_streams: deque = deque(maxlen=32)  # `print` of another thread holds no reference to the one that it writes to

# Which arguments of the random fills are addresses: of what they write, then of what they read.
FILLS = {"fill": (2, ()), "fill_bernoulli_tensor": (1, (4,)), "fill_randperm": (1, ()), "fill_multinomial": (1, (2,)),
         "fill_poisson": (1, (4,)), "fill_gamma": (1, (4,)), "fill_binomial": (1, (4, 5)), "gamma_slope": (1, (3, 4)),
         "dirichlet_slope": (1, (3, 4, 5))}


@functools.lru_cache(4096)
def inside_library(filename):
    """Whether a code's file is one of this library (calls are written out under names of their own)."""
    return filename.startswith(_ROOT) or filename.startswith("<") and not filename.startswith("<stdin")


def place(depth=2):
    """"file:line" of the caller outside this library."""
    frame = sys._getframe(depth)
    while frame is not None and inside_library(frame.f_code.co_filename):
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def from_library(depth=2):
    """Whether the caller of the caller is library code."""
    return inside_library(sys._getframe(depth).f_code.co_filename)


def all_plans():
    """Every plan of every written call, those of backward ops included."""
    return [plan for plans in all_call_plans() for plan in list(plans.values())]


def all_call_plans():
    """The plans of each written call."""
    found, seen = [], set()
    stack = [f._plans for op in dict.fromkeys(OPS.values()) for f in (op.call, op.call_inplace) if hasattr(f, "_plans")]
    while stack:
        plans = stack.pop()
        if id(plans) in seen:
            continue
        seen.add(id(plans))
        found.append(plans)
        for plan in list(plans.values()):
            for rule in list(plan.rules.values()):
                for own in (rule, *getattr(rule, "sums", ()), getattr(rule, "together", None)) if rule else ():
                    call = getattr(own, "call", None)
                    if hasattr(call, "_plans"):
                        stack.append(call._plans)
    return found


def here():
    """The watches that are on in this thread."""
    return [own for own in current if own.thread == threading.get_ident()]


class Watch:
    """`with Watch(observer):` tells the observer, for this thread:

    launched(plan, kernel, arguments) before a launch, act(kernel, arguments) for the launch itself, and looked(plan,
    what launched returned) after it; join(function, tensors, dim) for tensors that are joined, and joined(launch,
    tensors, result) when they are; allocate(function, nbytes, device) for memory, and allocated(block, address, nbytes,
    device);
    copied(name, function, target, source, nbytes, wait) before bytes are moved, by what can do it again;
    drawn(name, function, arguments); number(tensor) for a value that becomes a Python number (what it returns is
    returned); truth(tensor); seen(what) when memory is looked at in ways that cannot be followed;
    numbered(op, inplace, values), for calls with traced numbers; plain(value), for values as they go to kernels.
    """

    def __init__(self, observer):
        self.observer, self.thread, self._undo = observer, threading.get_ident(), []
        self._lock, self._over = threading.RLock(), False  # other threads make plans, to be undone too
        self._plans: dict = {}  # {id: plan} of those that are watched
        self._allocators: dict = {}  # id of an allocator: (it, the one in its place)
        self._accompanied = False  # by other threads, one of which may have begun to make a plan before

    def _set(self, holder, name, value):
        before = getattr(holder, name) if not isinstance(holder, type) else holder.__dict__[name]
        self._undo.append((holder, name, before))
        setattr(holder, name, value)
        return before

    def __enter__(self):
        try:  # from before the lock: Ctrl-C may come between any two steps, and who held it would hold it for ever
            _ONE.acquire()
            for left in [*current]:  # Ctrl-C came before its end could begin; it was this thread's, who has the lock
                left._remove()
            self._install()
            current.append(self)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, kind=None, *_):
        try:
            if kind is None and self._accompanied:
                self._look_for_others()
        finally:
            try:
                self._remove()
            finally:
                self._remove()  # what Ctrl-C has left
                while _ONE._is_owned():
                    _ONE.release()

    def _look_for_others(self):
        """Refuse what was seen where a plan is there that is not watched: nobody knows whether it has run."""
        with self._lock:
            others = [p for p in all_plans() if p.kernel is not None and id(p) not in self._plans]
        for plan in others:
            _allocates_as_ever(plan, self._allocators)
        if others:
            self.observer.refuse("not yet: another thread was making a plan as the capture began")

    def _remove(self):
        if self in current:
            current.remove(self)
        with self._lock:
            self._over = True
            self._plans, self._allocators = {}, {}
            while self._undo:
                holder, name, value = self._undo[-1]
                own = holder.__dict__.get(name) if holder is sys else None
                setattr(holder, name, value)
                self._undo.pop()
                if type(own) is _Stream:
                    own.end()

    def _mine(self):
        return threading.get_ident() == self.thread and not self._over

    def _install(self):
        observer, mine = self.observer, self._mine
        watched = self._allocators
        for place, own in all_backends():
            watched[id(own.allocate)] = own.allocate, _allocator(own, place, observer, mine)
            self._set(own, "allocate", watched[id(own.allocate)][1])

        def watch(plan):
            kernel = plan.kernel
            if kernel is None or id(plan) in self._plans:
                return
            self._plans[id(plan)] = plan

            def launch(*arguments):
                if not mine():
                    return kernel(*arguments)
                listening = sys.getprofile()  # outside.py: what is done for the library itself is no matter
                sys.setprofile(None)
                try:
                    before = observer.launched(plan, kernel, arguments)
                    observer.act(kernel, arguments)
                    observer.looked(plan, before)
                finally:
                    sys.setprofile(listening)
            self._set(plan, "kernel", launch)
            if id(plan.allocate) in watched:
                self._set(plan, "allocate", watched[id(plan.allocate)][1])
        make = planning.make

        def make_watched(*arguments):
            listening = sys.getprofile()
            sys.setprofile(None)
            try:
                plan = make(*arguments)
            finally:
                sys.setprofile(listening)
            _allocates_as_ever(plan, watched)
            with self._lock:
                if not self._over:
                    watch(plan)
            return plan
        self._set(planning, "make", make_watched)
        self._accompanied = len(sys._current_frames()) > 1
        with self._lock:
            for plan in all_plans():
                watch(plan)
        for module, name in ((recording, "make_rule"), (calls, "_source"), (calls, "_composite_source"),
                             (written, "_compile")):
            self._set(module, name, _unheard(getattr(module, name)))
        self._set(interception.state, "traced", lambda *given: observer.numbered(*given) if mine() else NotImplemented)
        together = join._together

        def joined(parts, dim):
            if not mine() or join._writer(own := tuple([t._layout for t in parts]), dim) is None:
                return together(parts, dim)
            with observer.aside():  # the kernel takes addresses as they are
                result = observer.join(together, parts, dim)
            observer.joined(join._planned(own, dim)[1], parts, result)
            return result
        self._set(join, "_together", joined)
        for _, own in all_backends():
            self._set(own, "random", _Fills(own.random, observer, mine))
        self._looks()
        for name in ("stdout", "stderr"):  # not `print` itself: what is imported meanwhile would keep that
            stream = _Stream(getattr(sys, name), observer, mine)
            _streams.append(stream)
            self._set(sys, name, stream)

    def _looks(self):
        observer, mine, devices = self.observer, self._mine, [own for _, own in all_backends()]
        for name in ("_of_integers", "_of_floats", "_take"):
            self._set(from_data, name, _filled(getattr(from_data, name), observer, mine))
        item, truth = Tensor.__dict__["item"], Tensor.__dict__["__bool__"]

        def number(self):
            return observer.number(self, item, from_library()) if mine() else item(self)

        def as_bool(self):
            return observer.truth(self, item) if mine() and self._layout.numel == 1 else truth(self)
        self._set(Tensor, "item", number)
        self._set(Tensor, "__bool__", as_bool)
        for name in ("manual_seed", "seed", "set_state", "initial_seed", "get_state"):
            act = "asks for" if name in ("initial_seed", "get_state") else "sets"
            self._set(Generator, name, _refused(getattr(Generator, name), f"{act} a generator's state", observer, mine))
        for holder, name, what in ((Tensor, "__dlpack__", "hands memory to another library"),
                                   (UntypedStorage, "data_ptr", "asks for an address"),
                                   *((m, "window", "looks at values as an array or list") for m in _users_of(window)),
                                   *((own, "fill", "clears bytes") for own in devices if hasattr(own, "fill"))):
            self._set(holder, name, _noted(
                holder.__dict__[name] if isinstance(holder, type) else getattr(holder, name), what, observer, mine))
        for own in devices:
            for name in ("move", "upload", "download"):
                if hasattr(own, name):
                    self._set(own, name, _copying(getattr(own, name), name, observer, mine))


def all_backends():
    """[(device, what allocates, draws and copies there)] of the CPU and of the GPUs that are in use."""
    gpus = sys.modules.get(f"{__package__.rpartition('.')[0]}.cuda.backend")
    return [(CPU, backend), *((device_of("cuda", own.index), own) for own in (gpus.used() if gpus is not None else ()))]


def _allocates_as_ever(plan, allocators):
    """See to it that a plan that was made meanwhile keeps no allocator of a watch."""
    for own, instead in allocators.values():
        if plan.kernel is not None and plan.allocate is instead:
            plan.allocate = own


def _allocator(own, place, observer, mine):
    allocate_there = own.allocate

    def allocate(nbytes):
        if not mine():
            return allocate_there(observer.plain(nbytes))
        block = observer.allocate(allocate_there, nbytes, place)
        observer.allocated(block, own.address(block), nbytes, place)
        return block
    return _unheard(allocate)


def _unheard(function):
    """The function, which runs no code of users, so that whoever listens to calls (outside.py) need not hear its own:
    that costs more than most of them."""
    def call(*arguments):
        listening = sys.getprofile()
        sys.setprofile(None)
        try:
            return function(*arguments)
        finally:
            sys.setprofile(listening)
    return call


def _users_of(function):
    """The modules of this library that call a function by its own name."""
    return [m for n, m in list(sys.modules.items()) if n.startswith("numbatorch.") and m is not None
            and m.__dict__.get(function.__name__) is function]


class _Stream:
    """A stream of text that tells the observer when the function prints."""

    def __init__(self, stream, observer, mine):
        self._stream, self._observer, self._mine = stream, observer, mine

    def end(self):
        """Hold no capture any more."""
        self._observer = self._mine = None

    def write(self, text):
        mine = self._mine
        if mine is not None and mine():
            self._observer.refuse("the function prints")
        return self._stream.write(text)

    def __getattr__(self, name):
        return getattr(self._stream, name)


def _filled(function, observer, mine):
    def make(*args):
        result = function(*args)
        if result is not None and result._layout.nbytes and mine():
            observer.seen(result._ptr, "makes a tensor of Python data")
        return result
    return make


def _noted(function, what, observer, mine):
    def call(*args, **kwargs):
        if mine():
            observer.seen(args[0], what)
        return function(*args, **kwargs)
    return call


def _copying(function, name, observer, mine):
    def call(target, source, nbytes, *wait):
        if mine():
            observer.copied(name, function, target, source, nbytes, *wait)
            target, source, nbytes = observer.plain((target, source, nbytes))
        return function(target, source, nbytes, *wait)
    return call


def _refused(function, what, observer, mine):
    def call(*args, **kwargs):
        if mine():
            observer.refuse(f"the function {what}")
        return function(*args, **kwargs)
    return call


class _Fills:
    """The backend's random fills, told to the observer."""

    def __init__(self, module, observer, mine):
        self._module, self._observer, self._mine = module, observer, mine

    def __getattr__(self, name):
        function = getattr(self._module, name)
        if name in FILLS:
            def call(*arguments):
                if self._mine():
                    self._observer.drawn(name, function, arguments)
                    return self._observer.act(function, arguments)
                return function(*arguments)
            return call
        return function


__all__ = ["FILLS", "Watch", "calls", "current", "from_library", "here", "place"]
