"""Verdicts as shares of classes, by hand."""

from typing import get_args

import pytest

from composed.judges.programs import Judge
from composed.judges.records import Class, Verdict
from composed.judges.scores import Scores
from composed.judges.shares import CLASS_OF_VERDICT, CPP, KINDS, SCRIPTS, STRICT, class_among, count, measures_of
from tests.predictions import Predicted
from tests.run_folders import CLASSES, shares

MEASURES = measures_of(CPP, strict=True)


def score(rows: dict[str, list[dict]], verdicts: dict[str, list[Verdict]]) -> Scores:
    return Judge(compare="exact", seconds=1, memory=1).score(Predicted(rows, verdicts))


def rows(output: str, number: int, strict: int = 0) -> list[dict]:
    """The first `strict` of them are the gold programs."""
    row = {"output": output, "target": "t", "tests": [], "known": False}
    return [{**row, "source": f"s{n}", "strict": n < strict} for n in range(number)]


def of(*verdicts: Class) -> list[Verdict]:
    return [Verdict(str(number), verdict) for number, verdict in enumerate(verdicts)]


def test_every_verdict_has_its_class():
    assert CLASS_OF_VERDICT.keys() == {*get_args(Class)}
    assert CLASSES == ("correct", "compile error", "runtime error", "wrong output")
    assert [(each.name, each.better) for each in MEASURES if each.better] == [
        ("correct", "higher"),
        ("strict", "higher"),
    ]
    assert [each.part for each in MEASURES] == [each is not STRICT for each in MEASURES]
    assert all(each.unit == "%" for each in MEASURES)


def test_a_verdict_is_named_by_the_classes_of_its_judge():
    of_programs, of_scripts, of_others = (
        [measure.name for measure in measures_of(each, strict=True)] for each in (CPP, SCRIPTS, KINDS)
    )
    assert of_scripts == ["correct", "strict", "invalid", "runtime error", "wrong output"]
    assert of_others == ["correct", "strict", "invalid", "wrong"]
    for classes, names in ((CPP, of_programs), (SCRIPTS, of_scripts), (KINDS, of_others)):
        assert {word: class_among(word, names) for word in classes} == classes
    assert class_among("levitated", of_others) == "levitated"


def test_limits_count_as_runtime_errors():
    verdicts = dict(correct=1, compile_error=2, runtime_error=3, wrong_output=4)
    verdicts |= dict(time_limit=5, memory_limit=6, output_limit=7, n=28)
    expected = {"correct": 1, "compile error": 2, "runtime error": 21, "wrong output": 4}
    assert shares(verdicts) == {name: 100 * number / 28 for name, number in expected.items()}


def test_scores_are_per_cent_of_each_output_and_the_counts_are_beside_them():
    predictions = {"id": [*rows("base", 4, strict=1), *rows("composition", 4, strict=3), *rows("gold", 2, strict=2)]}
    verdicts = of("correct", "time_limit", "wrong_output", "wrong_output", *["correct"] * 4, "correct", "compile_error")
    scores = score(predictions, {"id": verdicts})
    assert scores.values["base"]["id"] == {
        "correct": 25.0, "strict": 25.0, "compile error": 0.0, "runtime error": 25.0, "wrong output": 50.0
    }  # fmt: skip
    assert scores.values["composition"]["id"]["strict"] == 75.0
    assert scores.outcomes["composition"]["id"]["strict"] == [100, 100, 100, 0]  # example by example
    assert scores.values.keys() == scores.extra["verdicts"].keys() == {"base", "composition"}
    assert scores.extra["verdicts"]["base"]["id"] == count(verdicts[:4], CPP)
    assert scores.extra["gold"]["id"]["n"] == 2
    assert scores.examples == {"id": 4}
    again = score({"id": rows("base", 4)}, {"id": verdicts[:4]})
    assert again.tests == scores.tests
    assert again.extra.keys() == {"verdicts"}
    assert score({"id": rows("base", 3)}, {"id": verdicts[:3]}).tests != scores.tests


def test_outputs_judged_on_different_programs_are_refused():
    with pytest.raises(ValueError, match="base and composition are judged on different numbers of programs"):
        score({"id": [*rows("base", 2), *rows("composition", 1)]}, {"id": of(*["correct"] * 3)})


def test_strict_is_no_class_and_says_nothing_of_the_verdict():
    """A gold program that the judge fails on, and a right one that is another program."""
    scores = score({"id": rows("base", 2, strict=1)}, {"id": of("time_limit", "correct")})
    assert scores.values["base"]["id"] == {
        "correct": 50.0, "strict": 50.0, "compile error": 0.0, "runtime error": 50.0, "wrong output": 0.0
    }  # fmt: skip


def test_a_prediction_of_which_nobody_knows_whether_it_is_the_gold_one_is_refused():
    old = [{key: value for key, value in row.items() if key != "strict"} for row in rows("base", 1)]
    with pytest.raises(KeyError, match="strict"):
        score({"id": old}, {"id": of("correct")})


def test_programs_that_the_training_has_are_counted_apart():
    predictions = [*rows("base", 3), *rows("composition", 3), *rows("gold", 3)]
    for row in predictions:
        row["known"] = row["source"] != "s1"
    verdicts = of("correct", "correct", "compile_error", "correct", "wrong_output", "correct", *["correct"] * 3)
    scores = score(
        {"id": predictions, "ood": rows("base", 3) + rows("composition", 3)}, {"id": verdicts, "ood": verdicts[:6]}
    )
    assert scores.extra["known"] == {"id": {"base": {"n": 2, "correct": 1}, "composition": {"n": 2, "correct": 2}}}
