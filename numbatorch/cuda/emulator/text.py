"""PTX text to kernels as data: instructions with their operands as text, and the variables that they name.

Sections 4 and 5 of the PTX ISA manual: syntax, state spaces, types and variables.
"""

import re
from dataclasses import dataclass, field

import numpy as np


class PTXError(RuntimeError):
    """PTX that the emulator does not know, or that does what a GPU would fault for."""


TYPES = {name: np.dtype(code) for name, code in {
    "u8": "u1", "s8": "i1", "b8": "u1", "u16": "u2", "s16": "i2", "b16": "u2", "f16": "f2", "u32": "u4", "s32": "i4",
    "b32": "u4", "f32": "f4", "u64": "u8", "s64": "i8", "b64": "u8", "f64": "f8", "pred": "?"}.items()}
_ENTRY = re.compile(r"\.entry\s+([\w$]+)\s*\((.*?)\)(.*?)\{", re.S)
_PARAMETER = re.compile(r"\.param\s+(?:\.align\s+\d+\s+)?\.(\w+)"
                        r"(?:\s+\.ptr(?:\s+\.(?:global|shared))?(?:\s+\.align\s+\d+)?)?"
                        r"\s+([\w$]+)(?:\[(\d+)\])?", re.S)
_VARIABLE = re.compile(r"(?:\.(?:visible|weak|extern)\s+)*\.(shared|local|global|const)\s+\.align\s+(\d+)\s+\.(\w+)\s+"
                       r"([\w$]+)(?:\[(\d*)\])?\s*(?:=\s*\{(.*?)\})?\s*$", re.S)
_WORD = re.compile(r"(?<![\w$%.])([%$]?[A-Za-z_$][\w$.]*)")


@dataclass
class Variable:
    """A named part of a state space; `offset` is its place there."""

    space: str
    name: str
    size: int
    align: int
    data: bytes = b""
    offset: int = 0


@dataclass
class Instruction:
    """One instruction: `opcode` with its modifiers, operands as text, and the predicate that guards it."""

    text: str
    parts: list[str]
    operands: list[str]
    guard: str = ""
    negated: bool = False


@dataclass
class Entry:
    """A kernel: parameters as (name, dtype), registers as {name: dtype}, labels as {name: place of an instruction}."""

    name: str
    parameters: list[tuple[str, np.dtype]] = field(default_factory=list)
    registers: dict[str, np.dtype] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=lambda: {"shared": 0, "local": 0})
    instructions: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    tables: dict[str, list[str]] = field(default_factory=dict)

    def place(self, variable):
        """Give a shared or local variable its offset."""
        used = self.sizes[variable.space]
        variable.offset = -(-used // variable.align) * variable.align
        self.sizes[variable.space] = variable.offset + variable.size
        self.variables[variable.name] = variable


def parse(ptx, name):
    """The Entry `name` of a PTX text, and the module's global and constant variables. PTXError where there is none."""
    ptx = re.sub(r"//[^\n]*|/\*.*?\*/", "", ptx, flags=re.S)
    match = next((m for m in _ENTRY.finditer(ptx) if m[1] == name), None)
    if match is None:
        raise PTXError(f"PTX has no kernel {name!r}")
    entry = Entry(name)
    for kind, label, _ in _PARAMETER.findall(match[2]):
        entry.parameters.append((label, TYPES[kind]))
    constants, shared, given = [], [], []
    for statement in ptx[: match.start()].split(";"):
        variable = _variable(statement.strip())
        if variable is not None and variable.space == "shared":
            (given if not variable.size else shared).append(variable)
        elif variable is not None:
            constants.append(variable)
            entry.variables[variable.name] = variable
    for variable in shared:
        entry.place(variable)
    _read(entry, _body(ptx, match.end()))
    for variable in given:  # behind all others: the launch says how much
        entry.place(variable)
    return entry, constants


def _variable(text):
    match = _VARIABLE.search(text)
    if match is None:
        return None
    space, align, kind, name, count, data = match.groups()
    size = 0 if count == "" or text.startswith(".extern") else TYPES[kind].itemsize * int(count or 1)
    values = np.array([int(v, 0) for v in data.split(",")], dtype=f"u{TYPES[kind].itemsize}").tobytes() if data else b""
    return Variable(space, name, size, int(align), values.ljust(size, b"\0") if data else b"")


def _body(ptx, start):
    depth, at = 1, start
    while depth:
        depth += {"{": 1, "}": -1}.get(ptx[at], 0)
        at += 1
    return ptx[start: at - 1]


def _statements(body):
    """(kind, text) of each part of a body: "statement", "label", "open" and "close" of a scope."""
    found, current, inside = [], "", 0
    for at, char in enumerate(body):
        if char == "{" and not current.strip():
            found.append(("open", ""))
            current = ""
        elif char == "}" and not inside:
            found.append(("close", ""))
            current = ""
        elif char == ";":
            found.append(("statement", current.strip()))
            current = ""
        elif char == ":" and body[at + 1: at + 2] != ":" and re.fullmatch(r"\s*[$\w]+", current):
            found.append(("label", current.strip()))
            current = ""
        else:
            inside += {"{": 1, "}": -1}.get(char, 0)
            current += char
    return found


def _read(entry, body):
    """Instructions, registers and labels; names of inner scopes get a number, as they hide outer ones."""
    statements = _statements(body)
    labels: list[dict[str, str]] = [{}]
    stack, number = [labels[0]], 0
    for kind, text in statements:
        if kind == "open":
            labels.append({})
            stack.append(labels[-1])
        elif kind == "close":
            stack.pop()
        elif kind == "label":
            number += 1
            stack[-1][text] = text if len(stack) == 1 else f"{text}.{number}"
    scopes, opened = [labels[0]], 0

    def proper(name):
        return next((scope[name] for scope in reversed(scopes) if name in scope), name)

    previous = ""
    for kind, text in statements:
        if kind == "open":
            opened += 1
            scopes.append(labels[opened])
        elif kind == "close":
            scopes.pop()
        elif kind == "label":
            previous = proper(text)
            entry.labels[previous] = len(entry.instructions)
        elif text.startswith(".reg"):
            _, kind_name, names = re.split(r"\s+", text, maxsplit=2)
            for name in _register_names(names):
                number += 1
                key = name if len(scopes) == 1 else f"{name}.{number}"
                scopes[-1][name] = key
                entry.registers[key] = TYPES[kind_name[1:]]
        elif text.startswith(".branchtargets"):
            entry.tables[previous] = [proper(t.strip()) for t in text.partition(" ")[2].split(",")]
        elif text.startswith((".shared", ".local")):
            variable = _variable(text)
            if variable is None:
                raise PTXError(f"unknown declaration: {text}")
            entry.place(variable)
        elif text and not text.startswith("."):
            entry.instructions.append(_instruction(_WORD.sub(lambda m: proper(m[1]), text)))


def _register_names(text):
    for name in text.split(","):
        numbered = re.fullmatch(r"(.*)<(\d+)>", name.strip())
        yield from ([f"{numbered[1]}{k}" for k in range(int(numbered[2]))] if numbered else [name.strip()])


def _instruction(text):
    guarded = re.match(r"@(!?)([%\w.$]+)\s+(.*)", text, re.S)
    rest = guarded[3] if guarded else text
    opcode, *operands = rest.split(None, 1)
    return Instruction(text, opcode.split("."), split(operands[0]) if operands else [],
                       guarded[2] if guarded else "", bool(guarded and guarded[1]))


def split(text):
    """Operands between commas that are in no brackets."""
    found, depth, current = [], 0, ""
    for char in text:
        depth += {"[": 1, "{": 1, "(": 1, "]": -1, "}": -1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            found.append(current.strip())
            current = ""
        else:
            current += char
    return [*found, current.strip()] if current.strip() else found
