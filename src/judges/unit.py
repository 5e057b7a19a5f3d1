"""Many programs in one translation unit, and which of them g++'s messages are about."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from composed.judges.lexer import PRELUDE, SUFFIX

FIRST_LINE = PRELUDE.count("\n") + 1
_MESSAGE = re.compile(r"(program|guard)-(\d+):(?:\d+:)*\s*(error: )?(.*)")
_OWNER = re.compile(r"(?:\bprogram-(\d+):|__(\d+)\b)")
_SUFFIXED = re.compile(r"(?<=\w)__\d+\b")
_UNINITIALIZED = re.compile(r"^program-(\d+):.* \[-Wuninitialized\]$", re.MULTILINE)

# An error of these kinds may lie in the company that a program keeps.
_OF_COMPANY = re.compile("redecl|redefin|conflict|ambigu|previous|overload")


def unit_text(programs: Mapping[int, str], guarded: bool = False) -> str:
    """A translation unit of the shareable texts, each under its number; it defines `programs`, in the mapping's order.

    With `guarded` an error of known text follows each program: g++ reports it as it should if, after the program, it is
    back at file scope.
    """
    parts = []
    for number, text in programs.items():
        parts.append(f'#line {FIRST_LINE} "program-{number}"\n{text.replace(SUFFIX, f"__{number}")}\n')
        if guarded:
            guard = f"guard-{number}"
            parts.append(f'#line 1 "{guard}"\nnamespace {{ static_assert(false, "{guard}"); }}\n')
    mains = ", ".join(f"main__{number}" for number in programs)
    parts.append(f'#line 1 "unit"\nextern "C" int (*const programs[])() = {{{mains}}};\n')
    return "".join(parts)


def mentioned(messages: str) -> set[int]:
    """The programs that messages of the compiler or the linker are about or could be about."""
    return {int(first or second) for first, second in _OWNER.findall(messages)}


def uninitialized(messages: str) -> set[int]:
    """The programs that read a variable before it has a value: what they do depends on where they are."""
    return {int(number) for number in _UNINITIALIZED.findall(messages)}


def rejected(order: Iterable[int], messages: str) -> dict[int, str]:
    """The programs of a guarded unit that g++ certainly rejects, each with its diagnostics.

    Certain is an error of the program's own kind, at a place in the program, that g++ met with the text before it well
    understood.
    """
    errors: dict[str, list[str]] = defaultdict(list)
    lines: dict[str, list[str]] = defaultdict(list)
    for line in messages.splitlines():
        if message := _MESSAGE.match(line):
            owner = f"{message[1]}-{message[2]}"
            lines[owner].append(_SUFFIXED.sub("", line.replace(owner, "program.cpp", 1)))
            if message[3]:
                errors[owner].append(message[4])
    found, clean = {}, True
    for number in order:
        own = errors[f"program-{number}"]
        if clean and own and not any(_OF_COMPANY.search(text) for text in own):
            found[number] = "\n".join(lines[f"program-{number}"])
        clean = errors[f"guard-{number}"] == [f"static assertion failed: guard-{number}"]
    return found
