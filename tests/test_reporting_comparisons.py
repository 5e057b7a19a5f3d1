"""What a table decides: paired by replicate and example, corrected over its family."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from composed.errors import ConfigError
from composed.judges.scores import Measure, Scores
from composed.judges.shares import CPP
from composed.reporting.comparisons import Family
from composed.reporting.formats import notes, to_csv_of_replicates, to_markdown
from composed.reporting.runs import Run
from composed.reporting.statistics import estimate, estimate_crossed, estimate_of_examples
from composed.reporting.table import Table, build_table
from composed.runs.result import Result
from tests.run_folders import MEASURES

RIGHT = (Measure("right", "higher", "%"),)


def run(mode: str, replicate: int, outcomes: Mapping[str, Sequence[float]], tests: Mapping[str, str]) -> Run:
    """Whose f is right in these examples of each test set."""
    values = {"base": {test: {"right": float(np.mean(of))} for test, of in outcomes.items()}}
    of_examples = {"base": {test: {"right": [*of]} for test, of in outcomes.items()}}
    examples = dict.fromkeys(outcomes, len(next(iter(outcomes.values()))))
    scores = Scores(RIGHT, values, examples, tests, noun="labels", outcomes=of_examples)
    seeds = {"seed": replicate, "task.seed": replicate}
    return Run(Path(f"{mode}{replicate}"), Result("t", "T", "p", mode, replicate, seeds, None, mode, 1, {}, {}, scores))


def drawn(
    modes: Mapping[str, float], count: int, *, crossed: bool, tests: Sequence[str] = ("id",), seed: int = 0
) -> Table:
    """Modes that are right with these probabilities, in `count` replicates of 40 examples, on the same ones or not."""
    rng = np.random.default_rng(seed)
    runs = []
    for replicate in range(count):
        for mode, right in modes.items():
            outcomes = {test: 100.0 * (rng.random(40) < right) for test in tests}
            digests = {test: test if crossed else f"{test} {replicate}" for test in tests}
            runs.append(run(mode, replicate, outcomes, digests))
    return build_table(runs)


def matrix(table: Table, label: str, test: str = "id") -> np.ndarray:
    row = next(row for row in table.rows if row.label == label)
    return np.array([row.outcomes[test]["right"][number] for number in row.numbers])


def test_on_the_same_examples_rows_and_differences_are_crossed() -> None:
    table = drawn({"baseline": 0.4, "standard": 0.7}, 3, crossed=True)
    baseline, standard = (matrix(table, label) for label in ("baseline", "standard"))
    assert table.rows[0].rate("id", "right") == estimate_crossed(baseline)
    [comparison] = table.comparisons
    assert comparison.difference == estimate_crossed(standard - baseline)
    assert "with the spread over labels in it" in notes("Bold", table)


def test_on_examples_of_their_own_replicates_are_the_units() -> None:
    table = drawn({"baseline": 0.4, "standard": 0.7}, 3, crossed=False)
    baseline, standard = (matrix(table, label) for label in ("baseline", "standard"))
    assert table.rows[0].rate("id", "right") == estimate(baseline.mean(1))
    assert table.comparisons[0].difference == estimate(standard.mean(1) - baseline.mean(1))
    assert "Every replicate draws data and fine-tuning anew." in notes("Bold", table)


def test_of_one_replicate_the_interval_is_over_examples_and_nothing_is_decided() -> None:
    table = drawn({"baseline": 0.1, "standard": 0.9}, 1, crossed=True)
    [comparison] = table.comparisons
    assert comparison.difference == estimate_of_examples((matrix(table, "standard") - matrix(table, "baseline"))[0])
    assert (comparison.p, comparison.sign, comparison.word) == (None, 0, "one replicate")
    assert table.best("id", "right") is None
    said = notes("Bold", table)
    assert "One replicate: ± is half the 95% interval over its labels alone" in said
    assert "It is no interval over replicates, and no difference is decided." in said


def test_rows_on_other_examples_that_stay_the_same_in_all_replicates_have_no_interval_between_them() -> None:
    first, second = (
        [run(mode, number, {"id": of}, {"id": mode}) for number, of in enumerate(([0, 100], [100, 100]))]
        for mode in ("a", "b")
    )
    rows = [build_table(runs).rows[0] for runs in (first, second)]
    difference = rows[0].minus(rows[1], "id", "right")
    assert (difference.half_width, difference.p, difference.n) == (None, None, 2)  # type: ignore[union-attr]


def test_p_is_corrected_over_every_comparison_that_the_table_prints() -> None:
    """Two test sets, three pairs: six comparisons, in Holm's way by hand."""
    modes = {"baseline": 0.3, "standard": 0.6, "lora": 0.7, "ewc": 0.65}
    table = drawn(modes, 5, crossed=False, tests=("id", "ood"))
    pairs = {(each.row.label, each.reference.label) for each in table.comparisons}
    assert pairs == {("standard", "baseline"), ("lora", "standard"), ("ewc", "standard")}
    raw = sorted(each.difference.p for each in table.comparisons)  # type: ignore[union-attr,type-var]
    expected, largest = [], 0.0
    for left, p in zip(range(6, 0, -1), raw, strict=True):
        largest = max(largest, min(1.0, left * p))  # type: ignore[operator]
        expected.append(largest)
    assert sorted(each.p for each in table.comparisons) == pytest.approx(expected)  # type: ignore[type-var]
    assert table.family_size == 6
    assert "p is corrected over 6 comparisons (Holm)" in notes("Bold", table)
    for each in table.comparisons:
        assert (each.word in ("higher", "lower")) == (each.p <= 0.05)  # type: ignore[operator]


def test_a_named_family_is_corrected_by_itself_and_the_rest_is_not_decided() -> None:
    whole = drawn({"baseline": 0.3, "standard": 0.6, "lora": 0.7}, 5, crossed=False, tests=("id", "ood"))
    family = Family(pairs=[("lora", "standard")], tests=["ood"])
    runs = [
        run(
            row.name,
            number,
            {test: row.outcomes[test]["right"][number] for test in ("id", "ood")},
            {"id": f"{number}", "ood": f"{number}"},
        )
        for row in whole.rows
        for number in row.numbers
    ]
    table = build_table(runs, family=family)
    inside = [each for each in table.comparisons if each.decided]
    assert [(each.row.label, each.split) for each in inside] == [("lora", "ood")]
    assert inside[0].p == inside[0].difference.p  # type: ignore[union-attr]
    assert {each.word for each in table.comparisons if not each.decided} == {"not in the family"}
    assert table.family_size == 1
    assert "| – | not in the family | 5 |" in to_markdown(table)


@pytest.mark.parametrize("family", [Family(tests=["odd"]), Family(measures=["left"]), Family(decodings=["b"])])
def test_a_family_of_what_no_run_has_is_refused_with_what_there_is(family: Family) -> None:
    runs = [run("baseline", 0, {"id": [0, 100]}, {})]
    known = "(tests names odd; there are id|measures names left; there are right|decodings names b; there are greedy)"
    with pytest.raises(ConfigError, match=f"family: {known}"):
        build_table(runs, family=family)


def test_a_family_may_be_of_some_decodings_alone() -> None:
    greedy = [run(mode, number, {"id": [0, 100]}, {}) for mode in ("baseline", "standard") for number in (0, 1)]
    beams = [replace(each, variant=(("", "beam 4"),)) for each in greedy]
    table = build_table([*greedy, *beams], family=Family(decodings=["beam 4"]))
    assert {each.row.decoding for each in table.comparisons if each.decided} == {"beam 4"}
    assert {each.row.decoding for each in table.comparisons} == {"", "beam 4"}


def with_rates(rates: Mapping[str, Mapping[str, Sequence[float]]]) -> Table:
    """By mode and test set one value for each replicate, nothing of the examples."""
    runs = []
    for mode, of_tests in rates.items():
        for number in range(len(next(iter(of_tests.values())))):
            values = {"base": {test: {"right": of[number]} for test, of in of_tests.items()}}
            scores = Scores(RIGHT, values, dict.fromkeys(of_tests, 50), {})
            result = Result("t", "T", "p", mode, number, {"seed": number}, None, mode, 1, {}, {}, scores)
            runs.append(Run(Path(f"{mode}{number}"), result))
    return build_table(runs)


def test_what_is_bold_is_corrected_over_the_cells_of_the_table() -> None:
    """Ahead by 2, 3 and 5, p is 0.063; by 2, 2.5 and 3 it is 0.013; by 2, 2.7 and 3.9 it is 0.036, doubled 0.071."""
    low, near, far = [10.0, 20.0, 30.0], [12.0, 22.5, 33.0], [12.0, 23.0, 35.0]
    assert with_rates({"a": {"id": low}, "b": {"id": far}}).best("id", "right") is None
    assert with_rates({"a": {"id": low}, "b": {"id": near}}).best("id", "right").label == "b"  # type: ignore[union-attr]
    both = {"a": {"id": low, "ood": low}, "b": {"id": near, "ood": low[::-1]}}
    assert with_rates(both).best("id", "right").label == "b"  # type: ignore[union-attr]
    wide = {"a": {"id": low, "ood": low}, "b": {"id": [12.0, 22.7, 33.9], "ood": low[::-1]}}
    alone = with_rates({mode: {"id": of["id"]} for mode, of in wide.items()})
    assert alone.best("id", "right").label == "b"  # type: ignore[union-attr]
    assert with_rates(wide).best("id", "right") is None


def test_every_pair_of_rows_is_there_both_ways_with_the_same_p() -> None:
    table = drawn({"a": 0.3, "b": 0.6, "c": 0.65}, 4, crossed=True)
    assert len(table.every_comparison) == 6
    for (first, second), [one] in table.every_comparison.items():
        [turned] = table.every_comparison[second, first]
        assert (one.p, one.sign, one.difference.mean) == (turned.p, -turned.sign, -turned.difference.mean)  # type: ignore[union-attr]


def test_values_of_every_replicate_are_in_a_file_of_their_own() -> None:
    table = drawn({"baseline": 0.4}, 2, crossed=False)
    lines = [line.split(",") for line in to_csv_of_replicates(table).splitlines()]
    assert lines[0] == ["row", "replicate", "split", "labels", "tests", "right"]
    assert [line[:5] for line in lines[1:]] == [
        ["baseline", "0", "id", "40", "id 0"],
        ["baseline", "1", "id", "40", "id 1"],
    ]
    assert [float(line[5]) for line in lines[1:]] == [*matrix(table, "baseline").mean(1)]


def test_shares_of_programs_have_an_outcome_for_every_class() -> None:
    from composed.judges.records import Verdict
    from composed.judges.shares import of_classes

    outcomes = of_classes([Verdict("a", "correct"), Verdict("b", "time_limit"), Verdict("c", "runtime_error")], CPP)
    assert [*outcomes] == [measure.name for measure in MEASURES if measure.part]
    assert outcomes["correct"] == [100, 0, 0]
    assert outcomes["runtime error"] == [0, 100, 100]
    assert [sum(of) for of in zip(*outcomes.values(), strict=True)] == [100, 100, 100]
