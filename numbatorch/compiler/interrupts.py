"""Interrupts (Ctrl-C) during a program that runs Python: held back until the step is whole."""

import signal
import threading


def hold():
    """Keep an interrupt of this thread back; what `let` needs. None where no interrupt can come."""
    if threading.current_thread() is not threading.main_thread():
        return None
    handler, held = signal.getsignal(signal.SIGINT), []
    if not callable(handler):
        return None
    signal.signal(signal.SIGINT, lambda *given: held.append(given))
    return handler, held


def let(kept):
    """Let interrupts come again, and the one that was held back: it raises KeyboardInterrupt, mostly."""
    if kept is None:
        return
    handler, held = kept
    signal.signal(signal.SIGINT, handler)
    if held:
        handler(*held[0])
