"""What a judge answers, whatever outputs are: the page to read before one is added.

A judge is the class `Judge` of a module of this package, and takes the keys of its file in conf/judge. One of text is
below `TextJudge`, and gives a verdict for each output; any other is below `Judge`, with `score` alone. None loads
torch.
"""

import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

from composed.judges.records import Class, JudgeError, Verdict
from composed.judges.scores import Scores
from composed.judges.shares import KINDS, score

# A prediction: `id`; `text`, the output, and `target`, the gold one, as lines; `code`, the output as it is run, where
# that is another text; `source`; `tests`; and whatever the data say of the example.
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """Where verdicts are looked up and kept, for judges whose verdicts cost more than that.

    kept: a file that verdicts are looked up in and added to as soon as they are known.
    earlier: files of verdicts to look in as well.
    progress: called with (finished, all).
    """

    kept: Path | None = None
    earlier: Sequence[Path] = ()
    progress: Callable[[int, int], None] | None = None


NO_RECORD = Record()

# What gives each row a verdict, in their order.
Judged = Callable[[Sequence[Row], Record], list[Verdict]]


class Predictions(Protocol):
    """What a run predicted of its test sets."""

    @property
    def tests(self) -> Sequence[str]: ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the kind of output says of the training beside them."""

    def rows(self, test: str) -> Sequence[Row]:
        """Of outputs that are lines of JSON."""

    def arrays(self, test: str) -> Path:
        """The file of NumPy of those that are not."""

    def verdicts(self, test: str, rows: Sequence[Row], judge: Judged) -> list[Verdict]:
        """Of rows by a judge, written down; joined processes share them."""


class Judge(ABC):
    """Of any output."""

    def check(self) -> None:  # noqa: B027 (nothing is missing for most)
        """Raises JudgeError where nothing can be judged on this machine."""

    @abstractmethod
    def score(self, predictions: Predictions) -> Scores:
        """Of all test sets. Raises KeyError or TypeError for a row that is no prediction."""


class TextJudge(Judge):
    """A verdict for every text. One of your own says `verdict`, and `fault` where an output can be invalid.

    noun: what an example is, in the plural.
    method: how right and wrong are told, for a title.
    remark: a sentence on the classes, below a table.
    exhibit: how a report shows outputs, a module of composed.reporting.exhibits.
    classes: what each verdict counts as, in the order of a table's columns.
    strict: whether the share of outputs that are the gold ones says more than `correct` does.
    validity: whether it can tell valid outputs from others without a target.
    needs: the keys of a row beside `id` and the output.
    """

    noun: ClassVar[str] = "outputs"
    method: ClassVar[str] = ""
    remark: ClassVar[str] = ""
    exhibit: str = "text"
    classes: ClassVar[Mapping[str, str]] = KINDS
    strict: ClassVar[bool] = True
    validity: bool = True
    needs: ClassVar[tuple[str, ...]] = ("target",)

    def judge(self, rows: Sequence[Row], record: Record = NO_RECORD) -> list[Verdict]:
        """One for each row, in their order. Raises JudgeError where nothing can be judged here; KeyError or TypeError
        for a row that is no prediction.
        """
        reasons = self.faults(rows)
        return [
            Verdict(row["id"], "invalid" if reason else self.verdict(row), diagnostics=reason)
            for row, reason in zip(rows, reasons, strict=True)
        ]

    def verdict(self, row: Row) -> Class:
        """Of a valid output: correct or wrong."""
        raise NotImplementedError

    def faults(self, rows: Sequence[Row]) -> list[str]:
        """For each output why it is invalid, "" where it is valid; nothing of the rows but what was predicted is read
        where the rest is not there. Raises JudgeError as `judge` does.
        """
        return [self.fault(row) for row in rows]

    def fault(self, row: Row) -> str:
        return ""

    def tell(self, rows: Sequence[Row]) -> list[str]:
        """Of outputs without targets, for a person. Raises JudgeError as `judge` does."""
        return [f"invalid: {reason}" if reason else "valid" for reason in self.faults(rows)]

    def score(self, predictions: Predictions) -> Scores:
        """Raises as `shares.score`."""
        rows = {test: predictions.rows(test) for test in predictions.tests}
        return score(
            rows,
            {test: predictions.verdicts(test, rows[test], self.judge) for test in rows},
            self.classes,
            strict=self.strict,
            noun=self.noun,
            method=self.method,
            remark=self.remark,
            exhibit=self.exhibit,
        )


def written(row: Row) -> str:
    """The output as it is run or read. Raises KeyError and TypeError where there is none."""
    text = row["code"] if "code" in row else row["text"]
    if not isinstance(text, str):
        raise TypeError(f"an output is {text!r}, not a text")
    return text


def class_of(name: Any) -> type | None:
    """The class `Judge` of the module of this package by this name; None where there is none, with a way to judge."""
    place = f"composed.judges.{name}"
    if not isinstance(name, str) or not re.fullmatch("[a-z_]+", name):
        return None
    module = import_module(place) if place in sys.modules or find_spec(place) else None
    made = getattr(module, "Judge", None)
    return made if getattr(made, "__module__", None) == place and hasattr(made, "score") else None


def open_judge(name: str, keys: Mapping[str, Any]) -> Judge:
    """The judge, with the keys of its group. Raises JudgeError where there is none, or it does not take the keys."""
    made = class_of(name)
    if made is None:
        raise JudgeError(f"there is no judge {name!r}: no module src/judges/{name}.py with a class Judge")
    try:
        return cast(Judge, made(**keys))
    except TypeError as error:
        raise JudgeError(f"judge={name}: {error}") from error
