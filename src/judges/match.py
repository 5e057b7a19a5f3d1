"""Text that is right where it equals the gold output, blanks apart: labels, and whatever has one right form."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from composed.judges.interface import Row, TextJudge
from composed.judges.records import Class, JudgeError

LONGEST = 100_000  # characters that a pattern is asked about


@dataclass(frozen=True, kw_only=True)
class Judge(TextJudge):
    """labels: valid outputs, or a file with one a line; pattern: what the whole of a valid output matches.

    None of either asks for nothing: every output is valid.
    """

    method: ClassVar[str] = "outputs compared with the gold ones, blanks apart"
    strict: ClassVar[bool] = False

    labels: Sequence[str] | str | None = None
    pattern: str | None = None

    @property
    def validity(self) -> bool:  # type: ignore[override]
        return self.labels is not None or self.pattern is not None

    def verdict(self, row: Row) -> Class:
        return "correct" if row["text"].split() == row["target"].split() else "wrong"

    def fault(self, row: Row) -> str:
        text = " ".join(row["text"].split())
        if self.labels is not None and text not in self._known:
            return f"{_quoted(text)} is no label"
        if self.pattern is not None:
            if len(text) > LONGEST:
                return f"longer than {LONGEST} characters"
            if not self._pattern.fullmatch(text):
                return f"{_quoted(text)} does not match {self.pattern}"
        return ""

    @cached_property
    def _known(self) -> frozenset[str]:
        if not isinstance(self.labels, str):
            return frozenset(" ".join(label.split()) for label in self.labels or ())
        try:
            lines = Path(self.labels).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise JudgeError(f"judge.labels={self.labels}: no file of lines in UTF-8 ({error})") from error
        return frozenset(filter(None, (" ".join(line.split()) for line in lines)))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        try:
            return re.compile(self.pattern or "", re.DOTALL)
        except (re.error, RecursionError, OverflowError) as error:
            raise JudgeError(f"judge.pattern={self.pattern}: no regular expression ({error})") from error


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}...")
