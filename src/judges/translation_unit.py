"""Many programs in one translation unit, and which of them g++'s messages are about."""

from __future__ import annotations

import os
import re
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping

from composed.judges.lexer import MAIN_PLACE, PLACE, PRELUDE, SUFFIX
from composed.judges.toolchain import CLEARED

FIRST_LINE = PRELUDE.count("\n") + 1

# An error of these kinds may lie in the company that a program keeps.
_OF_COMPANY = re.compile("redecl|redefin|conflict|ambigu|previous|overload")
_PAGE = os.sysconf("SC_PAGESIZE")
# Sections begin at pages of their own and lie side by side, in the order of the programs, main's last: what is taken
# out is one range before the program's own section and one after it.
_MAIN = """\
extern "C" {{
{bounds}int munmap(void *, size_t) noexcept;
}}
static void clear() {{
    char space[{cleared}];
    memset(space, 0, sizeof space);
    __asm__ volatile("" : : "r"(space) : "memory");
}}
__attribute__((section("{own}"), aligned({page}))) int main(int, char **words) {{
    static const struct {{ char *from, *to; int (*run)(); }} programs[] = {{
{rows}    }};
    const size_t chosen = atoi(words[1]);
    char *from = 0, *to = 0;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {{
        if (i == chosen) continue;
        if (programs[i].from != to) {{
            if (to && munmap(from, to - from)) _Exit(125);
            from = programs[i].from;
        }}
        to = programs[i].from + (programs[i].to - programs[i].from + {page} - 1) / {page} * {page};
    }}
    if (to && munmap(from, to - from)) _Exit(125);
    clear();
    return programs[chosen].run();
}}
"""


class Names:
    """The names of a unit's programs, of their parts and of the lines in messages about them.

    All of them hold a random number that no program can know: what a program writes, be it code or a text that g++
    quotes, is never taken for a name or a message of the judge's.
    """

    def __init__(self, nonce: str | None = None) -> None:
        self.nonce = nonce = nonce or f"u{secrets.token_hex(8)}"
        number = r"(\d{1,9})"  # longer ones are none of ours
        self._message = re.compile(rf"{nonce}-(program|guard)-{number}:(?:\d{{1,9}}:)*\s*(error: )?(.*)")
        self._owner = re.compile(rf"(?:\b{nonce}-program-{number}:|_{nonce}_{number}\b)")
        self._suffix = re.compile(rf"_{nonce}_\d{{1,9}}\b")
        self._file = re.compile(rf"{nonce}-program-\d{{1,9}}\b")
        self._uninitialized = re.compile(rf"^{nonce}-program-{number}:.* \[-Wuninitialized\]$", re.MULTILINE)

    def unit(self, programs: Mapping[int, str], guarded: bool = False) -> str:
        """A translation unit of the shareable texts, each under its number.

        Its main runs the program whose place in the mapping it is given as an argument, after it has taken the code of
        all others out of the process's memory. With `guarded` an error of known text follows each program: g++ reports
        it as it should if, after the program, it is back at file scope.
        """
        parts = []
        for number, text in programs.items():
            section = f'section("p{self.nonce}_{number}")'
            marks = {
                SUFFIX: f"_{self.nonce}_{number}",
                MAIN_PLACE: f"__attribute__(({section}, aligned({_PAGE}))) ",
                PLACE: f"__attribute__(({section})) ",
            }
            for mark, meaning in marks.items():
                text = text.replace(mark, meaning)
            parts.append(f'#line {FIRST_LINE} "{self.nonce}-program-{number}"\n{text}\n')
            if guarded:
                guard = f"{self.nonce}-guard-{number}"
                parts.append(f'#line 1 "{guard}"\nnamespace {{ static_assert(false, "{guard}"); }}\n')
        numbers = [f"{self.nonce}_{number}" for number in programs]
        bounds = "".join(f"extern char __start_p{number}[], __stop_p{number}[];\n" for number in numbers)
        rows = "".join(f"{{__start_p{number}, __stop_p{number}, main_{number}}},\n" for number in numbers)
        entry = f"p{self.nonce}_main"
        main = _MAIN.format(bounds=bounds, rows=rows, page=_PAGE, own=entry, cleared=CLEARED)
        parts.append(f'#line 1 "{self.nonce}-unit"\n{main}')
        return "".join(parts)

    def mentioned(self, messages: str) -> set[int]:
        """The programs that messages of the compiler or the linker are about or could be about."""
        return {int(first or second) for first, second in self._owner.findall(messages)}

    def uninitialized(self, messages: str) -> set[int]:
        """The programs that read a variable before it has a value: what they do depends on where they are."""
        return {int(number) for number in self._uninitialized.findall(messages)}

    def rejected(self, order: Iterable[int], messages: str) -> dict[int, str]:
        """The programs of a guarded unit that g++ certainly rejects, each with its diagnostics.

        Certain is an error of the program's own kind, at a place in the program, that g++ met with the text before it
        well understood.
        """
        errors: dict[tuple[str, int], list[str]] = defaultdict(list)
        lines: dict[int, list[str]] = defaultdict(list)
        for line in messages.splitlines():
            if message := self._message.match(line):
                owner = message[1], int(message[2])
                if message[1] == "program":
                    lines[owner[1]].append(self.readable(line))
                if message[3]:
                    errors[owner].append(message[4])
        certain, clean = {}, True
        for number in order:
            messages_of_program = errors["program", number]
            if clean and messages_of_program and not any(_OF_COMPANY.search(text) for text in messages_of_program):
                certain[number] = "\n".join(lines[number])
            clean = errors["guard", number] == [f"static assertion failed: {self.nonce}-guard-{number}"]
        return certain

    def readable(self, text: str) -> str:
        """`text` of the compiler or of a program, with names as they are in the program's own text."""
        return self._file.sub("program.cpp", self._suffix.sub("", text))
