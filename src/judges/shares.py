"""Programs and verdicts as scores: per cent of each class, and of the gold programs. Judging itself is engine.py's."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from composed.judges.records import Class, Verdict
from composed.judges.scores import Measure, Scores, digest

CLASS_OF_VERDICT: Mapping[str, str] = {
    "correct": "correct",
    "compile_error": "compile error",
    "runtime_error": "runtime error",
    "time_limit": "runtime error",
    "memory_limit": "runtime error",
    "output_limit": "runtime error",
    "wrong_output": "wrong output",
    "not_judged": "runtime error",
}
CLASSES = tuple(dict.fromkeys(CLASS_OF_VERDICT.values()))
STRICT = Measure("strict", "higher", "%")  # no class: such a program has a verdict, too
CORRECT, *WRONG = (Measure(name, "higher" if name == "correct" else "", "%", part=True) for name in CLASSES)
MEASURES = (CORRECT, STRICT, *WRONG)
METHOD = "verdicts from compiling and running every program"
REMARK = (
    "Strict: the gold program, up to what the data call style or blanks, whatever the verdict. "
    "Runtime error includes the time, memory and output limits."
)
GOLD = "gold"  # the output that are the programs that people wrote


def score(predictions: Mapping[str, Sequence[Mapping[str, Any]]], verdicts: Mapping[str, Sequence[Verdict]]) -> Scores:
    """Per test set the rows of predictions (`output`, `source`, `target`, `tests`, `strict`, `known`) and verdicts.

    `strict` says of a row that it is the gold program, `known` that this is a target of the training too. `extra` has
    the number of each verdict, which are finer than the classes: `verdicts[output][test]`, and `gold[test]` where there
    are programs that people wrote; `known[test][output]`, where some are known, has how many and how many of them are
    right. Raises ValueError where the outputs are of different numbers of programs, and KeyError where a row lacks
    something.
    """
    counts: dict[str, dict[str, dict[str, int]]] = {}
    outcomes: dict[str, dict[str, dict[str, list[float]]]] = {}
    for test, rows in predictions.items():
        for output in sorted({row["output"] for row in rows}):
            judged_rows = [(row, v) for row, v in zip(rows, verdicts[test], strict=True) if row["output"] == output]
            judged = [verdict for _, verdict in judged_rows]
            counts.setdefault(output, {})[test] = count(judged)
            strict = [100.0 * row["strict"] for row, _ in judged_rows]
            outcomes.setdefault(output, {})[test] = {**of_classes(judged), STRICT.name: strict}
    gold = counts.pop(GOLD, {})
    outcomes.pop(GOLD, None)
    examples: dict[str, int] = {}
    for by_test in counts.values():
        for test, of_output in by_test.items():
            if of_output["n"] != examples.setdefault(test, of_output["n"]):
                raise ValueError(f"the outputs {' and '.join(counts)} are judged on different numbers of programs")
    values = {
        output: {
            test: {**shares(counted), STRICT.name: _mean(outcomes[output][test])} for test, counted in by_test.items()
        }
        for output, by_test in counts.items()
    }
    tests = {test: _digest(rows) for test, rows in predictions.items()}
    known = _known(predictions, verdicts)
    extra = {"verdicts": counts, **({"gold": gold} if gold else {}), **({"known": known} if known else {})}
    told = {"noun": "programs", "method": METHOD, "remark": REMARK}
    return Scores(MEASURES, values, examples, tests, extra, outcomes=outcomes, **told)


def _known(
    predictions: Mapping[str, Sequence[Mapping[str, Any]]], verdicts: Mapping[str, Sequence[Verdict]]
) -> dict[str, dict[str, dict[str, int]]]:
    """Of every test set with gold programs that the training has: their number, and how many each output has right."""
    known: dict[str, dict[str, dict[str, int]]] = {}
    for test, rows in predictions.items():
        for row, verdict in zip(rows, verdicts[test], strict=True):
            if row["known"] and row["output"] != GOLD:
                counted = known.setdefault(test, {}).setdefault(row["output"], {"n": 0, "correct": 0})
                counted["n"] += 1
                counted["correct"] += verdict.verdict == "correct"
    return known


def of_classes(verdicts: Sequence[Verdict]) -> dict[str, list[float]]:
    """Of each class a number for every program: 100 where it is of that class, else 0."""
    classes = [CLASS_OF_VERDICT[verdict.verdict] for verdict in verdicts]
    return {name: [100.0 * (told == name) for told in classes] for name in CLASSES}


def _mean(outcomes: Mapping[str, Sequence[float]]) -> float:
    """Per cent of strict ones."""
    strict = outcomes[STRICT.name]
    return sum(strict) / len(strict)


def count(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """How many there are, `n`, and how many of each verdict."""
    seen = Counter(verdict.verdict for verdict in verdicts)
    return {"n": seen.total(), **{name: seen[name] for name in get_args(Class)}}


def shares(counts: Mapping[str, int]) -> dict[str, float]:
    """The per cent of each class, of what `count` says, which is of one program or more."""
    totals = dict.fromkeys(CLASSES, 0)
    for verdict, name in CLASS_OF_VERDICT.items():
        totals[name] += counts.get(verdict, 0)
    return {name: 100 * number / counts["n"] for name, number in totals.items()}


def _digest(rows: Iterable[Mapping[str, Any]]) -> str:
    examples = [[row.get("source"), row.get("target"), row["tests"]] for row in rows if row["output"] == "base"]
    return digest(json.dumps(examples, sort_keys=True).encode())
