"""A GPU in NumPy: runs the PTX that kernels compile to on a machine without one, for learning, debugging and tests.

Every thread is a lane of NumPy arrays, so an instruction runs for all threads of some blocks at once; `schedule.py`
says which threads are next where they part. What is wrong on a GPU raises here: accesses outside of allocated memory
or misaligned, threads of a warp that miss each other at a shuffle, blocks that wait at a barrier for ever. It knows no
races between warps and no time. After the PTX ISA 8.0 manual, whose sections the modules name; a GPU is the judge.

    text.py           PTX text to instructions: labels, registers, parameters, shared and local variables
    operands.py       operands as functions of the state; the table of instructions
    arithmetic.py     integer and floating-point instructions, comparisons, bits
    conversion.py     cvt, cvta, mov and its packing forms
    access.py         loads, stores and atomic operations
    collective.py     barriers, shuffles, votes
    state.py          registers and memories of the threads that run together
    schedule.py       which threads run next
    arena.py          global memory: one NumPy array with addresses of its own
    device.py         all of it as a driver (see cuda/driver.py)
"""
