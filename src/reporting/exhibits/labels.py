"""Labels: as text, and how often each gold label was taken for each other one, by f and by Pi(f)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from composed.judges.scores import OUTPUTS
from composed.reporting.exhibits import text
from composed.reporting.exhibits.examples import Example
from composed.reporting.exhibits.interface import Section
from composed.reporting.exhibits.samples import Read, leading
from composed.reporting.exhibits.text import Piece
from composed.reporting.runs import split_name

MOST_LABELS = 12  # with a row and a column of their own
OTHERS, NO_LABEL = "\0others", "\0none"  # further labels together, and what the judge calls invalid


@dataclass(frozen=True)
class Cell:
    """How many examples, how many of them are right, their share of the row; and whether gold and predicted agree."""

    count: int
    right: int
    share: float
    diagonal: bool


@dataclass(frozen=True)
class Matrix:
    """Of one output on one test set: a row for each gold label, with its number of examples."""

    split: str
    output: str
    columns: Sequence[str]
    rows: list[tuple[str, int, list[Cell]]]


@dataclass(frozen=True)
class Confusions:
    """modes: the matrices of each; leading: the mode to look at first; left: how many labels are counted as others."""

    modes: dict[str, list[Matrix]]
    leading: str
    left: int

    @property
    def names(self) -> dict[str, str]:
        """Of what is no label."""
        return {OTHERS: f"{self.left} other{'s' * (self.left != 1)}", NO_LABEL: "no label"}


class Exhibit(text.Exhibit):
    def lines(self, text: str) -> list[list[Piece]]:
        return [[Piece("", _label(text))]]

    def of(self, read: Read, count: int) -> list[Section]:
        return [Section("confusions", "Confusions", "confusions.html", confusions(read)), *super().of(read, count)]


def confusions(read: Read) -> Confusions:
    """Of every mode, test set and output, all with the same labels: those that are gold most often, then those that
    are predicted most often.
    """
    ordered = _ordered([example for _, tests in read.values() for examples in tests.values() for example in examples])
    shown = ordered[:MOST_LABELS]
    columns = [*shown, *([OTHERS] if len(ordered) > len(shown) else [])]
    modes = {
        name: [
            _matrix(split, output, examples, columns)
            for split, examples in tests.items()
            for output in OUTPUTS
            if examples and output in examples[0].texts
        ]
        for name, (_, tests) in read.items()
    }
    return Confusions(modes, leading(read), len(ordered) - len(shown))


def _label(text: str) -> str:
    return " ".join(text.split())


def _ordered(examples: Sequence[Example]) -> list[str]:
    gold = Counter(_label(example.target) for example in examples)
    predicted = Counter(
        _label(text)
        for example in examples
        for output, text in example.texts.items()
        if example.verdicts[output] != "invalid"
    )
    return sorted({*gold, *predicted}, key=lambda label: (-gold[label], -predicted[label], label))


def _matrix(split: str, output: str, examples: Sequence[Example], columns: Sequence[str]) -> Matrix:
    counts: Counter[tuple[str, str]] = Counter()
    right: Counter[tuple[str, str]] = Counter()
    for example in examples:
        gold, text = (_label(each) for each in (example.target, example.texts[output]))
        predicted = NO_LABEL if example.verdicts[output] == "invalid" else text if text in columns else OTHERS
        place = gold if gold in columns else OTHERS, predicted
        counts[place] += 1
        right[place] += example.verdicts[output] == "correct"
    every = [*columns, *([NO_LABEL] if any(column == NO_LABEL for _, column in counts) else [])]
    rows = [label for label in columns if any(gold == label for gold, _ in counts)]
    return Matrix(split_name(split), output, every, [_row(label, every, counts, right) for label in rows])


def _row(
    label: str, columns: Sequence[str], counts: Mapping[tuple[str, str], int], right: Mapping[tuple[str, str], int]
) -> tuple[str, int, list[Cell]]:
    of_row = {column: counts[label, column] for column in columns}
    total = sum(of_row.values())
    cells = [Cell(count, right[label, at], count / total, at == label) for at, count in of_row.items()]
    return label, total, cells
