"""Named files of shared memory, and who holds them: the last holder deletes the file.

A file begins with a list of its holders, a line each: process id, start time of that process, how many leases it has.
The list is changed under a lock of the file. Holders that are dead count for nothing: whoever next looks strikes them
out, so a killed process leaves no file behind for longer than the program runs, and takes none from the others. A
segment on its way to another process is held by the parent of the sender.
"""

import contextlib
import mmap
import os
import secrets
import tempfile
import threading
import time
from multiprocessing import parent_process, util

HEADER_BYTES = max(16384, mmap.ALLOCATIONGRANULARITY)
_PREFIX = "numbatorch-"
_registered: list[int] = []  # the process that sweeps at its end
_lock = threading.Lock()
_given_up: list[str] = []  # leases to return when the lock is free


def _folder():
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()


def _family():
    """What the names of files begin with: processes of another user or namespace have ids that mean nothing here."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = 0
    return f"{_PREFIX}{os.getuid()}-{namespace}-"


def _started(pid):
    """When a process started, "-" where the system does not tell; None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except OSError:
        if os.path.exists("/proc/self/stat"):
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "-"


def _courier():
    """The process that holds what is on its way."""
    parent = parent_process()
    return os.getpid() if parent is None or parent.pid is None else parent.pid


@contextlib.contextmanager
def _holders(descriptor):
    """{process id: [start time, leases]} of the living holders, written back at the end."""
    import fcntl
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        held = {}
        for line in os.pread(descriptor, HEADER_BYTES, 0).rstrip(b"\0").decode().splitlines():
            pid, started, count = line.split()
            if _started(int(pid)) == started:
                held[int(pid)] = [started, int(count)]
        yield held
        lines = "".join(f"{pid} {started} {count}\n" for pid, (started, count) in held.items() if count > 0)
        if len(lines) > HEADER_BYTES:
            raise RuntimeError(f"share_memory_: {len(held)} processes hold one piece of shared memory, too many for "
                               "the strategy 'file_system'; use 'file_descriptor'")
        os.pwrite(descriptor, lines.encode().ljust(HEADER_BYTES, b"\0"), 0)
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _change(held, pid, by):
    entry = held.setdefault(pid, [_started(pid), 0])
    entry[1] += by


def create(nbytes):
    """(descriptor, path) of a new file with room for the list and `nbytes` bytes, held by this process."""
    _sweep_at_exit()
    path = os.path.join(_folder(), _family() + secrets.token_hex(8))
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with _lock:
            _change_holders(descriptor, path, {os.getpid(): 1})
        if hasattr(os, "posix_fallocate"):  # too little room is an error here, and would be a signal later
            os.posix_fallocate(descriptor, 0, HEADER_BYTES + nbytes)
        else:
            os.ftruncate(descriptor, HEADER_BYTES + nbytes)
    except BaseException:
        os.close(descriptor)
        os.unlink(path)
        raise
    return descriptor, path


def _change_holders(descriptor, path, changes):
    """Add to the leases of processes; delete the file when nobody holds it any more."""
    with _holders(descriptor) as held:
        for pid, by in changes.items():
            _change(held, pid, by)
        if not any(count > 0 for _, count in held.values()):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def _at(path, changes):
    """Change the holders of a file; False when it is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        with _lock:
            _change_holders(descriptor, path, changes)
    finally:
        os.close(descriptor)
        _return_leases()
    return True


def take(path):
    """One more lease of this process."""
    _sweep_at_exit()
    return _at(path, {os.getpid(): 1})


def give_up(path):
    """One lease of this process less, now or as soon as it can be: the garbage collector calls this anywhere."""
    _given_up.append(path)
    _return_leases()


def _return_leases():
    while _given_up and _lock.acquire(blocking=False):
        try:
            path = _given_up.pop() if _given_up else None
            descriptor = None if path is None else os.open(path, os.O_RDWR | os.O_CLOEXEC)
            if descriptor is not None:
                try:
                    _change_holders(descriptor, path, {os.getpid(): -1})
                finally:
                    os.close(descriptor)
        except FileNotFoundError:
            pass  # deleted already
        finally:
            _lock.release()


def send(path):
    """A lease for a segment on its way; returns who holds it. RuntimeError when the file is gone."""
    courier = _courier()
    if not _at(path, {courier: 1}):
        raise RuntimeError(f"multiprocessing: the shared memory {path} was deleted by another process")
    return courier


def accept(path, courier):
    """The descriptor of a file that arrived: the lease of its way is this process's from now on."""
    _sweep_at_exit()
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise RuntimeError(f"multiprocessing: the shared memory {path} is gone: the processes that held it have "
                           "ended") from None
    own = os.getpid()
    with _lock:
        _change_holders(descriptor, path, {} if courier == own else {own: 1, courier: -1})
    _return_leases()
    return descriptor


def sweep(leaving=False):
    """Delete the files whose holders are dead; and, when this process is leaving, those that only it holds."""
    own = {os.getpid(): -10**9} if leaving else {}
    for entry in os.scandir(_folder()):
        if entry.name.startswith(_family()):
            with contextlib.suppress(OSError):  # another process deletes it as well
                facts = entry.stat()
                if facts.st_size == 0 and abs(time.time() - facts.st_mtime) < 60:
                    continue  # its maker is about to write the list
                _at(entry.path, own)


def _sweep_at_exit():
    """Sweep now and at the end of this process: asked in each, as children forget what was asked before a fork."""
    if _registered != [os.getpid()]:
        _registered[:] = [os.getpid()]
        util.Finalize(None, sweep, kwargs={"leaving": True}, exitpriority=-100)
        sweep()


def _forked():
    _lock._at_fork_reinit()
    _given_up.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
