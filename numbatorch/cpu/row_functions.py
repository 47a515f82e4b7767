"""What a walk over a row does for each row function: its start, its step, and what becomes of the total."""

import math

import numpy as np

from ..expr import write

JOINED = {"row_sum": "{t} = {t} + {wide}({t}p)", "row_max": "{t} = larger_of({t}, {t}p)",
           "row_min": "{t} = smaller_of({t}, {t}p)"}
TOTAL = {"float32": "float64", "complex64": "complex128", "bool": "int64", "uint8": "int64", "int8": "int64",
          "int16": "int64", "int32": "int64"}


def row_function(op, total, text, type_, pad, index):
    """(statements before the loop, inside it, after it, (text, type) of the value) of a row function."""
    if op in ("row_sum", "row_prod"):
        wide = TOTAL.get(type_, type_)
        value = write.convert(text, type_, wide)
        result = type_ if type_ not in ("bool", "uint8", "int8", "int16", "int32") else "int64"
        if op == "row_prod":
            step = f"{pad}{total} = {total} * {value}"
        elif wide == "float64":
            step = f"{pad}{total} = add_reassoc({total}, {value})"
        else:
            step = f"{pad}{total} = {total} + {value}"
        start = write.literal(0 if op == "row_sum" else 1, wide)
        done = f"{total}_ = {write.convert(total, wide, result)}"
        return [f"{total} = {start}"], [step], [done], (f"{total}_", result)
    if op in ("row_any", "row_all"):
        value = write.convert(text, type_, "bool")
        start, sign = ("uint8(0)", "|") if op == "row_any" else ("uint8(1)", "&")
        return ([f"{total} = {start}"], [f"{pad}{total} = uint8({total} {sign} uint8({value}))"],
                [f"{total}_ = {total} != 0"], (f"{total}_", "bool"))
    if op == "row_first":
        found = f"{index} if {write.convert(text, type_, 'bool')} else length"
        return ([f"{total} = length"], [f"{pad}{total}i = {found}", f"{pad}{total} = min({total}, {total}i)"], [],
                (total, "int64"))
    largest = op == "row_max"
    if type_.startswith("float"):
        start = write.literal(-math.inf if largest else math.inf, type_)
    elif type_ == "bool":
        text, type_ = f"uint8({text})", "uint8"
        start = write.literal(0 if largest else 1, "uint8")
        step = [f"{pad}{total}v = {text}",
                f"{pad}{total} = {total}v if {total}v {'>' if largest else '<'} {total} else {total}"]
        return [f"{total} = {start}"], step, [f"{total}_ = {total} != 0"], (f"{total}_", "bool")
    else:
        info = np.iinfo(type_)
        start = write.literal(info.min if largest else info.max, type_)
    if type_.startswith("float"):
        step = [f"{pad}{total} = {'larger' if largest else 'smaller'}_of({total}, {text})"]
    else:
        step = [f"{pad}{total} = {text} if {text} {'>' if largest else '<'} {total} else {total}"]
    return [f"{total} = {start}"], step, [], (total, type_)


def complex_sum(total, text, pad):
    """(statements before a loop, inside it, after it) of a sum of complex numbers: its parts, which are vector code."""
    parts = ("real", "imag")
    step = [f"{pad}{total}v = {text}"]
    step += [f"{pad}{total}{p} = add_reassoc({total}{p}, float64({total}v.{p}))" for p in parts]
    joined = f"{total} = {total} + complex(" + ", ".join(f"{total}{p}" for p in parts) + ")"
    return [f"{total}{p} = float64(0)" for p in parts], step, joined
