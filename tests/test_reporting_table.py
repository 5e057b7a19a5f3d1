from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.errors import ConfigError
from composed.judges.scores import Scores
from composed.reporting.compare import Compare
from composed.reporting.missing import Missing
from composed.reporting.runs import Run, find_runs
from composed.reporting.table import Table, build_table
from composed.runs.result import Result
from tests.run_folders import CLASSES, MEASURES, METHOD, REMARK, counts, write_run, write_sweep

HALF_WIDTH_OF_STEP_1 = 4.302653 / 3**0.5  # of three values with a standard deviation of 1


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return build_table(find_runs([write_sweep(tmp_path)])[0])


def run_of(mode: str, seed: int, *classes: int) -> Run:
    """One whose programs, ID and OOD alike, are of the classes so many times."""
    shares = {name: 100 * number / sum(classes) for name, number in zip(CLASSES, classes, strict=True)}
    values = {"base": {split: shares for split in ("id", "ood")}}
    examples = dict.fromkeys(("id", "ood"), sum(classes))
    scores = Scores(MEASURES, values, examples, {}, noun="programs", method=METHOD, remark=REMARK)
    return Run(Path(mode), Result("t", "T", "p", mode, seed, {"seed": seed}, None, mode, 1, {}, {}, scores))


def table_of(*modes: tuple[str, list[int]]) -> Table:
    """Per mode the number of correct programs of 100 by seed, ID and OOD alike; None where a seed is missing."""
    return build_table(
        run_of(mode, seed, number, 100 - number, 0, 0)
        for mode, numbers in modes
        for seed, number in enumerate(numbers)
        if number is not None
    )


def test_rows_stand_in_reporting_order(tmp_path: Path, table: Table) -> None:
    assert [row.label for row in table.rows] == [
        "baseline",
        "baseline + test-time denoiser",
        "standard",
        "standard + test-time denoiser",
        "composed",
        "composed, base predictor alone",
    ]


def test_further_modes_follow_alphabetically_with_their_variants(tmp_path: Path) -> None:
    for mode in ("zigzag", "bart", "baseline"):
        write_run(tmp_path / mode, mode, counted=counts((1, 1), (2, 2)))
    table = build_table(find_runs([tmp_path])[0])
    modes = ["baseline", "bart", "zigzag"]
    assert [row.label for row in table.rows] == [
        f"{mode}{end}" for mode in modes for end in ("", " + test-time denoiser")
    ]


def test_rates_are_means_over_seeds_in_per_cent(table: Table) -> None:
    baseline = table.rows[0].rate("id", "correct")
    assert (baseline.mean, baseline.n) == (32.0, 3)
    assert baseline.half_width == pytest.approx(2 * HALF_WIDTH_OF_STEP_1, rel=1e-6)
    assert table.rows[4].rate("ood", "correct").mean == 26.0


def test_difference_is_taken_seed_by_seed(table: Table) -> None:
    baseline, standard = table.rows[0], table.rows[2]
    difference = standard.minus(baseline, "ood", "correct")  # 12, 13, 11
    assert difference.mean == pytest.approx(12.0)
    assert difference.half_width == pytest.approx(HALF_WIDTH_OF_STEP_1, rel=1e-6)


def test_difference_uses_only_the_seeds_of_both_rows() -> None:
    first, second = table_of(("a", [50, None, 54, 70]), ("b", [49, 0, 53, None])).rows
    assert (first.minus(second, "id", "correct").mean, first.minus(second, "id", "correct").n) == (1.0, 2)


def test_rows_without_a_common_seed_have_no_difference() -> None:
    first, second = table_of(("a", [50, None]), ("b", [None, 50])).rows
    assert first.minus(second, "id", "correct") is None


def test_claims_name_the_pairs_whose_rows_are_here(table: Table) -> None:
    assert [(row.label, reference.label) for row, reference in table.claims()] == [
        ("standard", "baseline"),
        ("baseline + test-time denoiser", "baseline"),
        ("standard + test-time denoiser", "standard"),
        ("composed", "standard"),
        ("composed", "standard + test-time denoiser"),
    ]
    assert table_of(("baseline", [1]), ("composed", [2])).claims() == []


def test_best_row_beats_every_other_beyond_its_paired_interval() -> None:
    table = table_of(("a", [10, 20, 30]), ("b", [12.1, 22, 32.2]), ("c", [2, 11, 21]))
    assert table.best("id", "correct").label == "b"  # though the rows' own intervals overlap


@pytest.mark.parametrize(
    "modes",
    [
        [("a", [10, 20, 30]), ("b", [12, 22, 30])],
        [("a", [10]), ("b", [90])],
        [("a", [10, 20])],
        [("a", [10, 10, None, None]), ("b", [None, None, 90, 91])],
    ],
    ids=["interval-reaches-0", "one-seed", "one-row", "no-seed-in-common"],
)
def test_no_row_is_best_without_evidence(modes: list[tuple[str, list[int]]]) -> None:
    assert table_of(*modes).best("id", "correct") is None


def test_title_tells_seeds_and_execution(tmp_path: Path, table: Table) -> None:
    ending = "verdicts from compiling and running every program"
    sizes = "SansType, quick profile: programs of at most 2 variables and 2 extra rounds"
    assert table.title == f"{sizes}; 3 replicates; {ending}"
    assert table_of(("a", [1])).title == f"T; 1 replicate; {ending}"
    assert table_of(("a", [1]), ("b", [1, 2, 3])).title == f"T; 1 to 3 replicates; {ending}"
    assert build_table(find_runs([tmp_path])[0], "Mine").title == f"Mine; 3 replicates; {ending}"


def test_no_run_is_refused() -> None:
    with pytest.raises(ConfigError, match="no finished run"):
        build_table([])


@given(st.lists(st.tuples(*[st.integers(0, 50)] * 4).filter(any), min_size=1, max_size=5))
def test_the_four_classes_of_a_row_add_up_to_100(seeds: list[tuple[int, ...]]) -> None:
    total = max(map(sum, seeds))
    padded = [(*rest, last + total - sum((*rest, last))) for *rest, last in seeds]
    runs = [run_of("m", seed, *classes) for seed, classes in enumerate(padded)]
    (row,) = build_table(runs).rows
    assert sum(row.rate("id", name).mean for name in CLASSES) == pytest.approx(100)


def test_a_further_mode_is_compared_with_the_one_of_its_kind(tmp_path: Path) -> None:
    for mode in ("standard", "composed", "composed_deep", "lora"):
        write_run(tmp_path / mode, mode)
    claims = [(row.label, reference.label) for row, reference in build_table(find_runs([tmp_path])[0]).claims()]
    assert claims[-2:] == [("lora", "standard"), ("composed_deep", "composed")]
    assert ("composed", "standard") in claims


def test_variants_are_rows_in_the_order_of_their_values_and_compared_within(tmp_path: Path) -> None:
    for samples in (10, 2):
        for mode in ("standard", "composed"):
            config = {"finetuning": {"name": mode}, "estimator": {"samples": samples}}
            write_run(tmp_path / f"{mode}{samples}", mode, config=config, config_key=f"{mode}{samples}")
    table = build_table(find_runs([tmp_path], ["estimator.samples"])[0])
    own = [row.label for row in table.rows if row.name in ("standard", "composed")]
    assert own == ["standard, samples 2", "standard, samples 10", "composed, samples 2", "composed, samples 10"]
    claims = [(row.label, reference.label) for row, reference in table.claims() if row.name == "composed"]
    assert claims[:2] == [
        ("composed, samples 2", "standard, samples 2"),
        ("composed, samples 10", "standard, samples 10"),
    ]


def test_the_only_reference_serves_every_variant(tmp_path: Path) -> None:
    write_run(tmp_path / "standard", "standard", config={"finetuning": {"name": "standard", "composed_weight": 0.0}})
    for weight in (0.1, 0.3):
        config = {"finetuning": {"name": "composed", "composed_weight": weight}}
        write_run(tmp_path / str(weight), config=config, config_key=str(weight))
    table = build_table(find_runs([tmp_path], ["finetuning.composed_weight"])[0])
    claims = [(row.label, ref.label) for row, ref in table.claims() if (row.name, ref.name) == ("composed", "standard")]
    assert [label for label, _ in claims] == ["composed, composed_weight 0.1", "composed, composed_weight 0.3"]


def test_a_mode_whose_runs_are_missing_has_an_empty_row(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "baseline", counted=counts((1, 1)))
    table = build_table(find_runs([tmp_path])[0], missing=[Missing("lora", (("rank", 2),), 0, "")])
    assert [(row.label, row.rate("id", "correct") is None) for row in table.rows] == [
        ("baseline", False),
        ("lora, rank 2", True),
    ]
    assert table.best("id", "correct") is None


def test_a_chosen_reference_is_compared_with_every_other_row(tmp_path: Path) -> None:
    table = build_table(find_runs([write_sweep(tmp_path)])[0], against="standard")
    assert {reference.label for _, reference in table.claims()} == {"standard"}
    assert [row.label for row, _ in table.claims()] == [row.label for row in table.rows if row.label != "standard"]
    with pytest.raises(ConfigError, match="no such row"):
        build_table(find_runs([tmp_path])[0], against="gold")


def test_pairs_of_a_table_stand_instead_of_the_default_ones(tmp_path: Path) -> None:
    compare = Compare([("composed", "baseline"), ("composed", "absent")])
    table = build_table(find_runs([write_sweep(tmp_path)])[0], compare=compare)
    assert [(row.label, reference.label) for row, reference in table.claims()] == [("composed", "baseline")]
