"""The predictions of a run that is not on disk, as judges read them."""

from collections.abc import Mapping, Sequence
from typing import Any

from composed.judges.interface import NO_RECORD, Judged, Row
from composed.judges.records import Verdict


class Predicted:
    """Of rows by test set; `verdicts` stand for what the judge would say of them."""

    facts: Mapping[str, Any] = {}

    def __init__(self, rows: Mapping[str, Sequence[Row]], verdicts: Mapping[str, list[Verdict]] | None = None) -> None:
        self.tests, self.rows = [*rows], rows.__getitem__
        self._verdicts = verdicts

    def verdicts(self, test: str, rows: Sequence[Row], judge: Judged) -> list[Verdict]:
        return judge(rows, NO_RECORD) if self._verdicts is None else self._verdicts[test]
