"""Verdicts as scores: per cent of each class, and of the gold outputs. Judging itself is each judge's.

Every output is correct, invalid or wrong: a valid output is one that is correct or wrong. What runs programs tells two
ways of being wrong apart, and C++ calls an invalid program a compile error.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from composed.judges.records import Class, Verdict
from composed.judges.scores import Measure, Scores, digest

KINDS: Mapping[str, str] = {"correct": "correct", "invalid": "invalid", "wrong": "wrong", "not_judged": "wrong"}
RAN: Mapping[str, str] = {
    "runtime_error": "runtime error",
    "time_limit": "runtime error",
    "memory_limit": "runtime error",
    "output_limit": "runtime error",
    "wrong_output": "wrong output",
    "not_judged": "runtime error",
}
CPP: Mapping[str, str] = {"correct": "correct", "compile_error": "compile error", **RAN}
SCRIPTS: Mapping[str, str] = {"correct": "correct", "invalid": "invalid", **RAN}
CLASS_OF_VERDICT: Mapping[str, str] = {**KINDS, **SCRIPTS, **CPP}
KIND_OF_CLASS = {"compile error": "invalid", "runtime error": "wrong", "wrong output": "wrong"}
STRICT = Measure("strict", "higher", "%")  # no class: such an output has a verdict, too
STRICT_REMARK = "Strict: the gold output, up to what the data call style or blanks, whatever the verdict."
GOLD = "gold"  # the output that are the programs that people wrote
# What of a row is no part of its example.
OF_PREDICTION = frozenset({"id", "example", "output", "text", "code", "known", "strict"})


def class_among(verdict: str, measures: Iterable[str]) -> str:
    """The class of a verdict, where the measures of its judge have it; else the last of them that are classes."""
    names = [*measures]
    name = CLASS_OF_VERDICT.get(verdict, verdict.replace("_", " "))
    return name if name in names else KIND_OF_CLASS.get(name, name)


def measures_of(classes: Mapping[str, str], *, strict: bool) -> tuple[Measure, ...]:
    """Of the classes, which are shares of a whole; `correct` first, then strict."""
    names = dict.fromkeys(classes.values())
    correct, *others = (Measure(name, "higher" if name == "correct" else "", "%", part=True) for name in names)
    return (correct, *([STRICT] if strict else []), *others)


def score(
    predictions: Mapping[str, Sequence[Mapping[str, Any]]],
    verdicts: Mapping[str, Sequence[Verdict]],
    classes: Mapping[str, str],
    *,
    strict: bool,
    noun: str,
    method: str,
    remark: str,
    exhibit: str = "",
) -> Scores:
    """Per test set the rows of predictions (`output`, `source`, `target`, `strict`, `known`, what is judged by).

    `classes` says what each verdict counts as. `strict` says of a row that it is the gold output, `known` that this is
    a target of the training too. `extra` has the number of each verdict, which may be finer than the classes:
    `verdicts[output][test]`, and `gold[test]` where there are outputs that people wrote; `known[test][output]`, where
    some are known, has how many and how many of them are right. Raises ValueError where the outputs are of different
    numbers of examples, and KeyError where a row lacks something.
    """
    counts: dict[str, dict[str, dict[str, int]]] = {}
    outcomes: dict[str, dict[str, dict[str, list[float]]]] = {}
    for test, rows in predictions.items():
        for output in sorted({row["output"] for row in rows}):
            judged_rows = [(row, v) for row, v in zip(rows, verdicts[test], strict=True) if row["output"] == output]
            judged = [verdict for _, verdict in judged_rows]
            counts.setdefault(output, {})[test] = count(judged, classes)
            of_test = of_classes(judged, classes)
            if strict:
                of_test[STRICT.name] = [100.0 * row["strict"] for row, _ in judged_rows]
            outcomes.setdefault(output, {})[test] = of_test
    gold = counts.pop(GOLD, {})
    outcomes.pop(GOLD, None)
    values = {
        output: {test: {name: _mean(of) for name, of in by_name.items()} for test, by_name in by_test.items()}
        for output, by_test in outcomes.items()
    }
    tests = {test: _digest(rows) for test, rows in predictions.items()}
    known = _known(predictions, verdicts)
    extra = {"verdicts": counts, **({"gold": gold} if gold else {}), **({"known": known} if known else {})}
    remark = " ".join(filter(None, [STRICT_REMARK * strict, remark]))
    told = {"noun": noun, "method": method, "remark": remark, "exhibit": exhibit}
    measures = measures_of(classes, strict=strict)
    return Scores(measures, values, _examples(counts), tests, extra, outcomes=outcomes, **told)


def _examples(counts: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[str, int]:
    """Of each test set. Raises ValueError where the outputs are of different numbers."""
    examples: dict[str, int] = {}
    for by_test in counts.values():
        for test, of_output in by_test.items():
            if of_output["n"] != examples.setdefault(test, of_output["n"]):
                raise ValueError(f"the outputs {' and '.join(counts)} are judged on different numbers of programs")
    return examples


def _known(
    predictions: Mapping[str, Sequence[Mapping[str, Any]]], verdicts: Mapping[str, Sequence[Verdict]]
) -> dict[str, dict[str, dict[str, int]]]:
    """Of every test set with gold outputs that the training has: their number, and how many each output has right."""
    known: dict[str, dict[str, dict[str, int]]] = {}
    for test, rows in predictions.items():
        for row, verdict in zip(rows, verdicts[test], strict=True):
            if row["known"] and row["output"] != GOLD:
                counted = known.setdefault(test, {}).setdefault(row["output"], {"n": 0, "correct": 0})
                counted["n"] += 1
                counted["correct"] += verdict.verdict == "correct"
    return known


def of_classes(verdicts: Sequence[Verdict], classes: Mapping[str, str]) -> dict[str, list[float]]:
    """Of each class a number for every output: 100 where it is of that class, else 0."""
    told = [classes[verdict.verdict] for verdict in verdicts]
    return {name: [100.0 * (each == name) for each in told] for name in dict.fromkeys(classes.values())}


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def count(verdicts: Iterable[Verdict], classes: Mapping[str, str]) -> dict[str, int]:
    """How many there are, `n`, and how many of each verdict that the judge gives."""
    seen: Counter[Class] = Counter(verdict.verdict for verdict in verdicts)
    return {"n": seen.total(), **{name: seen[name] for name in classes}}  # type: ignore[index]


def _digest(rows: Iterable[Mapping[str, Any]]) -> str:
    examples = [_example(row) for row in rows if row["output"] == "base"]
    return digest(json.dumps(examples, sort_keys=True).encode())


def _example(row: Mapping[str, Any]) -> list[Any]:
    """What the data say of it."""
    more = {key: value for key, value in row.items() if key not in {*OF_PREDICTION, "source", "target", "tests"}}
    return [row.get("source"), row.get("target"), row.get("tests", []), *([more] if more else [])]
