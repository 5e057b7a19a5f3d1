"""What goes into the judge and what comes out: plain, immutable, and free of any other part of the project."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Literal, get_args

Class = Literal[
    "correct",
    "invalid",
    "wrong",
    "compile_error",
    "wrong_output",
    "runtime_error",
    "time_limit",
    "memory_limit",
    "output_limit",
    "not_judged",
]
Compare = Literal["exact", "tokens"]
MEBIBYTE = 1 << 20


class JudgeError(Exception):
    """The judge cannot do its work: no compiler, no space, no containment. Says what is missing and how to mend it."""

    code = 1


@dataclass(frozen=True, slots=True)
class Test:
    """Standard input and the exact standard output that it must give."""

    __test__ = False  # for pytest, which collects what is called Test

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class Program:
    """One prediction: a complete C++ translation unit, and the tests that it has to pass."""

    id: str
    code: str
    tests: tuple[Test, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one output; `not_judged` is a fault of the judge's, and `diagnostics` says which.

    A judge of programs says in which way an output is invalid (compile_error) or wrong; others have the two words.

    Seconds are summed over the tests up to the deciding one; `peak_memory` is in bytes. `exit` is the exit
    code, or minus the signal's number, of the deciding test (of the compiler for a compile error), `key` a hash of all
    that the verdict depends on.
    """

    id: str
    verdict: Class
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    peak_memory: int = 0
    exit: int = 0
    failed_test: int | None = None
    diagnostics: str = ""
    key: str = ""

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str | bytes) -> Verdict:
        """Raises ValueError, TypeError or RecursionError if `line` is not what to_json writes."""
        verdict = cls(**json.loads(line))
        texts = (verdict.id, verdict.verdict, verdict.diagnostics, verdict.key)
        seconds = (verdict.cpu_seconds, verdict.wall_seconds)
        failed = 0 if verdict.failed_test is None else verdict.failed_test
        if not (
            all(type(text) is str for text in texts)
            and verdict.verdict in get_args(Class)
            and all(type(number) in (int, float) and 0 <= number < math.inf for number in seconds)
            and all(type(number) is int and 0 <= number < 1 << 63 for number in (verdict.peak_memory, failed))
            and type(verdict.exit) is int
        ):
            raise ValueError("not the fields of a verdict")
        return verdict


@dataclass(frozen=True, slots=True)
class Execution:
    """What one trusted program printed on each input, up to one on which it failed.

    `verdict` is "correct" if it always ended with exit code 0 within the limits.
    """

    verdict: Class
    printed: tuple[bytes, ...]
    diagnostics: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and bytes. CPU time is the main limit; the wall limit is for programs that sleep.

    `cpu`, `wall`, `memory` (resident) and `output` hold for one test, `compile_*` for the compiler on one program.
    `diagnostics` is the number of characters kept. Raises ValueError for a limit that is no number above 0.
    """

    cpu: float = 2.0
    wall: float = 20.0
    memory: int = 1024 * MEBIBYTE
    output: int = 16 * MEBIBYTE
    stack: int = 8 * MEBIBYTE
    compile_cpu: float = 10.0
    compile_wall: float = 60.0
    compile_memory: int = 2048 * MEBIBYTE
    compile_output: int = 64 * MEBIBYTE
    diagnostics: int = 2000

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not 0 < value < math.inf:
                raise ValueError(f"the limit {name} has to be a number above 0, not {value}")
