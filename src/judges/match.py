"""Text that is right where it equals the gold output, blanks apart: labels, SMILES, queries, anything that has one."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from composed.judges.records import Verdict
from composed.judges.scores import OUTPUTS, Measure, Scores, digest

MEASURES = (Measure("correct", "higher", "%", part=True), Measure("wrong output", "", "%", part=True))
METHOD = "outputs compared with the gold ones, blanks apart"


def judge(rows: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    """One for each prediction (`id`, `text`, `target`), in their order."""
    right = (row["text"].split() == row["target"].split() for row in rows)
    return [Verdict(row["id"], "correct" if same else "wrong_output") for row, same in zip(rows, right, strict=True)]


def score(predictions: Mapping[str, Sequence[Mapping[str, Any]]]) -> Scores:
    """Per cent of each class, of the predictions of each test set (`output`, `source` and what `judge` reads)."""
    values: dict[str, dict[str, dict[str, float]]] = {}
    counts: dict[str, dict[str, dict[str, int]]] = {}
    outcomes: dict[str, dict[str, dict[str, list[float]]]] = {}
    for test, rows in predictions.items():
        for output in OUTPUTS:
            words = [verdict.verdict for verdict in judge([row for row in rows if row["output"] == output])]
            seen = Counter(words)
            if not seen:
                continue
            number = {"n": seen.total(), "correct": seen["correct"], "wrong_output": seen["wrong_output"]}
            counts.setdefault(output, {})[test] = number
            shares = {measure.name: 100 * number[measure.name.replace(" ", "_")] / number["n"] for measure in MEASURES}
            values.setdefault(output, {})[test] = shares
            outcomes.setdefault(output, {})[test] = _of_classes(words)
    base = {test: [row for row in rows if row["output"] == "base"] for test, rows in predictions.items()}
    tests = {
        test: digest(json.dumps([[row["source"], row["target"]] for row in rows]).encode())
        for test, rows in base.items()
    }
    examples = {test: len(rows) for test, rows in base.items()}
    return Scores(MEASURES, values, examples, tests, {"verdicts": counts}, method=METHOD, outcomes=outcomes)


def _of_classes(verdicts: Sequence[str]) -> dict[str, list[float]]:
    """Of each class a number for every output: 100 where it is of that class, else 0."""
    names = [measure.name for measure in MEASURES]
    return {name: [100.0 * (verdict == name.replace(" ", "_")) for verdict in verdicts] for name in names}
