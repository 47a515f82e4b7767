"""Whether a number that a function reads is only put into its result: told by the instructions that follow the read."""

import dis
import sys


def is_returned(frame, code):
    """Whether what the current call of a frame gives is only put into the result of the function with this code.

    The instructions that follow are walked with the number of values above it on the stack, as far as they are known.
    """
    if frame.f_code is not code:
        return False
    above = target = 0
    for instruction in dis.get_instructions(code):
        if instruction.offset <= frame.f_lasti or instruction.offset < target:
            continue
        name, arg = instruction.opname, instruction.arg or 0
        if name == "RETURN_VALUE":
            return above == 0
        if name == "JUMP_FORWARD":
            target = instruction.argval
            continue
        known = _effect(name, arg)
        if known is None:
            return False
        taken, given = known
        if taken <= above:
            above += given - taken
        elif name.startswith("BUILD_"):
            above = 0  # a container with it, which stands for it from now on
        else:
            return False
    return False


def _effect(name, arg):
    """(values taken from the stack, values put onto it) by an instruction; None for those that are not known."""
    if name in ("CACHE", "NOP", "PRECALL", "KW_NAMES", "RESUME"):
        return 0, 0
    if name in ("LOAD_CONST", "LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_DEREF", "PUSH_NULL"):
        return 0, 1
    if name == "LOAD_GLOBAL":
        return 0, 1 + (arg & 1)
    if name == "LOAD_METHOD":
        return 1, 2
    if name == "LOAD_ATTR":
        return 1, 1 + (arg & 1 if sys.version_info >= (3, 12) else 0)
    if name in ("BINARY_SUBSCR", "BINARY_OP", "COMPARE_OP"):
        return 2, 1
    if name == "CALL":
        return arg + 2, 1
    if name in ("BUILD_TUPLE", "BUILD_LIST"):
        return arg, 1
    if name in ("BUILD_MAP", "BUILD_CONST_KEY_MAP"):
        return (2 * arg if name == "BUILD_MAP" else arg + 1), 1
    return None


__all__ = ["is_returned"]
