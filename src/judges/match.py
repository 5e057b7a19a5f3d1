"""Text that is right where it equals the gold output, blanks apart: labels, and whatever has one right form.

A pattern is held against outputs in processes of its own, since one such as (a+)+$ can take for ever.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from composed.judges.interface import NO_RECORD, Record, Row, TextJudge
from composed.judges.records import Class, JudgeError, Verdict
from composed.judges.workers import Failure, answers

LONGEST = 100_000  # characters that a pattern is asked about
MEMORY = 1024  # MiB of a process
SAID_OF_PATTERN = 200  # characters


@dataclass(frozen=True, kw_only=True)
class Judge(TextJudge):
    """labels: valid outputs, or a file with one a line; pattern: what the whole of a valid output matches; seconds: CPU
    time that it has for one. None of both asks for nothing: every output is valid.
    """

    method: ClassVar[str] = "outputs compared with the gold ones, blanks apart"
    strict: ClassVar[bool] = False

    labels: Sequence[str] | str | None = None
    pattern: str | None = None
    seconds: float = 1.0
    workers: int | None = None

    @property
    def validity(self) -> bool:  # type: ignore[override]
        return self.labels is not None or self.pattern is not None

    @property
    def exhibit(self) -> str:  # type: ignore[override]
        return "text" if self.labels is None else "labels"

    def judge(self, rows: Sequence[Row], record: Record = NO_RECORD) -> list[Verdict]:
        """What the pattern fails on is not judged."""
        verdicts = []
        for row, fault in zip(rows, self._faults(rows), strict=True):
            failed = isinstance(fault, Failure)
            word: Class = "not_judged" if failed else "invalid" if fault else self.verdict(row)
            verdicts.append(Verdict(row["id"], word, diagnostics=self._told(fault, row)))
        return verdicts

    def verdict(self, row: Row) -> Class:
        return "correct" if row["text"].split() == row["target"].split() else "wrong"

    def faults(self, rows: Sequence[Row]) -> list[str]:
        return [self._told(fault, row) for row, fault in zip(rows, self._faults(rows), strict=True)]

    def check(self) -> None:
        self.faults([{"text": ""}])

    def _faults(self, rows: Sequence[Row]) -> list[str | Failure]:
        texts = [" ".join(row["text"].split()) for row in rows]
        found: dict[str, str | Failure] = {text: self._fault(text) for text in texts}
        if self.pattern is not None:
            asked = [text for text, fault in found.items() if not fault]
            how: Any = {"seconds": self.seconds, "memory": MEMORY, "workers": self.workers}
            for text, match in zip(asked, answers("judges.match", self.pattern, asked, **how), strict=True):
                other = f"{_quoted(text)} does not match {self.pattern}"
                found[text] = match if isinstance(match, Failure) else "" if match else other
        return [found[text] for text in texts]

    def _fault(self, text: str) -> str:
        if self.labels is not None and text not in self._known:
            return f"{_quoted(text)} is no label"
        if self.pattern is not None and len(text) > LONGEST:
            return f"longer than {LONGEST} characters"
        return ""

    def _told(self, fault: str | Failure, row: Row) -> str:
        if not isinstance(fault, Failure):
            return fault
        slow = f"took longer than {self.seconds:g} s of CPU time"
        how = slow if fault.slow else f"failed, its process {fault.reason},"
        return (
            f"judge.pattern={(self.pattern or '')[:SAID_OF_PATTERN]} {how} on {_quoted(row['text'])}; write it without "
            "repetitions in repetitions, such as (a+)+, or raise judge.seconds"
        )

    @cached_property
    def _known(self) -> frozenset[str]:
        if not isinstance(self.labels, str):
            return frozenset(" ".join(label.split()) for label in self.labels or ())
        try:
            lines = Path(self.labels).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise JudgeError(f"judge.labels={self.labels}: no file of lines in UTF-8 ({error})") from error
        return frozenset(filter(None, (" ".join(line.split()) for line in lines)))


def answerer(pattern: str) -> Callable[[str], bool]:
    """What a process does: an item is a text. Raises JudgeError where the pattern is none."""
    try:
        compiled = re.compile(pattern, re.DOTALL)
    except (re.error, RecursionError, OverflowError) as error:
        raise JudgeError(f"judge.pattern={pattern}: no regular expression ({error})") from error
    return lambda text: compiled.fullmatch(text) is not None


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}...")
