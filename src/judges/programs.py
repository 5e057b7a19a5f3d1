"""C++ programs: compiled by g++, run on every test in confinement, what they print compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from composed.judges import engine
from composed.judges.interface import NO_RECORD, Record, Row, TextJudge, written
from composed.judges.lexer import PRELUDE
from composed.judges.records import MEBIBYTE, Compare, Limits, Program, Test, Verdict
from composed.judges.shares import CPP

MOST_TOLD = 1000  # bytes of what a program prints
_LIMITS = Limits()
COMPILED_ONLY = Limits(cpu=0.05, wall=1.0)  # what compiles is run on no input, and its verdict does not matter


@dataclass(frozen=True, kw_only=True)
class Judge(TextJudge):
    """compare: "tokens" takes outputs of the same words for equal; seconds: CPU time of one test; memory: its MiB.

    shared: whether programs may be compiled together; reuse: whether verdicts of equal programs are looked up.
    """

    noun: ClassVar[str] = "programs"
    method: ClassVar[str] = "verdicts from compiling and running every program"
    remark: ClassVar[str] = "Runtime error includes the time, memory and output limits."
    classes = CPP
    exhibit = "programs"

    needs = ("tests",)

    compare: Compare
    seconds: float
    memory: int
    workers: int | None = None
    unsafe: bool = False
    shared: bool = True
    reuse: bool = True

    def judge(self, rows: Sequence[Row], record: Record = NO_RECORD) -> list[Verdict]:
        return engine.judge(
            [program(row) for row in rows],
            limits=limits(self.seconds, self.memory),
            compare=self.compare,
            workers=self.workers,
            unsafe=self.unsafe,
            shared=self.shared,
            cache=record.kept,
            earlier=record.earlier if self.reuse else (),
            progress=record.progress,
        )

    def faults(self, rows: Sequence[Row]) -> list[str]:
        programs = [Program(str(number), written(row)) for number, row in enumerate(rows)]
        how = {"workers": self.workers, "unsafe": self.unsafe, "shared": self.shared}
        verdicts = engine.judge(programs, limits=COMPILED_ONLY, **how)  # type: ignore[arg-type]
        return [each.diagnostics or "compile error" if each.verdict == "compile_error" else "" for each in verdicts]

    def tell(self, rows: Sequence[Row]) -> list[str]:
        """What each prints on empty input, or how it fails."""
        done = engine.execute([written(row) for row in rows], [[""]] * len(rows), workers=self.workers)
        return [told(each.verdict, each.printed, each.diagnostics) for each in done]

    def check(self) -> None:
        engine.containment(unsafe=self.unsafe)

    @staticmethod
    def shown(code: str) -> str:
        """A program without what all begin with."""
        return code.removeprefix(PRELUDE)


def program(row: Row) -> Program:
    """Raises KeyError and TypeError for a row that is no prediction of a program."""
    return Program(row["id"], written(row), tuple(Test(**test) for test in row["tests"]))


def limits(seconds: float, memory: int) -> Limits:
    """Of one test, of CPU seconds and MiB; asleep it may take as much longer as programs that wait do."""
    return Limits(cpu=seconds, wall=max(_LIMITS.wall, 10 * seconds), memory=memory * MEBIBYTE)


def told(verdict: str, printed: Sequence[bytes], diagnostics: str) -> str:
    """Of a program that was run once, for a person."""
    if verdict != "correct":
        return f"{verdict.replace('_', ' ')} {diagnostics.strip()}"
    more = "..." if len(printed[0]) > MOST_TOLD else ""
    return f"prints {printed[0][:MOST_TOLD].decode(errors='replace')!r}{more}"
