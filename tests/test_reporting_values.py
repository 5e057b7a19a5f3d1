"""Tables of values, where lower or higher is better, by the statistics of the tables of verdicts."""

from pathlib import Path

import pytest

from composed.errors import ConfigError
from composed.judges.scores import Measure
from composed.reporting.formats import to_csv, to_latex, to_markdown
from composed.reporting.page import page
from composed.reporting.plot import draw
from composed.reporting.runs import find_runs
from composed.reporting.table import Table, build_table
from tests.run_folders import measured, write_run

MEASURES = [Measure("MSE", "lower"), Measure("SSIM", "higher"), Measure("sharpness")]
NAMES = [measure.name for measure in MEASURES]
VALUES = {  # by mode and output: a tuple of the measures for each seed
    "baseline": {"base": [(0.30, 0.5, 2.0), (0.32, 0.6, 2.1), (0.31, 0.7, 2.2)]},
    "composed_pathwise": {
        "base": [(0.9, 0.1, 1.0), (0.8, 0.1, 1.0), (0.9, 0.2, 1.0)],
        "composition": [(0.20, 0.6, 1.0), (0.23, 0.6, 1.0), (0.21, 0.6, 1.0)],
    },
}


@pytest.fixture
def table(tmp_path: Path) -> Table:
    for mode, outputs in VALUES.items():
        for seed in range(3):
            values = {name: {"test": dict(zip(NAMES, seeds[seed], strict=True))} for name, seeds in outputs.items()}
            write_run(
                tmp_path / f"{mode}-{seed}",
                mode,
                seed,
                task="fonts",
                title="Fonts",
                **measured(values, {"test": 40}, MEASURES),
            )
    return build_table(find_runs([tmp_path])[0])


def test_the_best_is_the_lowest_where_lower_is_better_and_only_with_evidence(table: Table) -> None:
    assert table.best("test", "MSE").label == "composed_pathwise"  # type: ignore[union-attr]
    assert table.best("test", "SSIM") is None
    assert table.compared == ["MSE", "SSIM"]


def test_means_intervals_and_paired_differences_are_those_of_the_values(table: Table) -> None:
    rows = {row.label: row for row in table.rows}
    assert rows["baseline"].rate("test", "MSE").mean == pytest.approx(0.31)
    difference = rows["composed_pathwise"].minus(rows["baseline"], "test", "MSE")
    assert difference.mean == pytest.approx((-0.10 - 0.09 - 0.10) / 3)  # type: ignore[union-attr]
    assert difference.p < 0.01  # type: ignore[union-attr]


def test_every_format_shows_every_measure_with_its_better_side(table: Table, tmp_path: Path) -> None:
    text = to_markdown(table)
    assert "| Test (40 examples) | MSE ↓ | SSIM ↑ | sharpness | replicates |" in text
    assert "**0.2133 ±0.0379**" in text
    assert "| composed\\_pathwise − baseline | −0.0967 ±0.0143 | 0.002 | lower | 3 |" in text
    assert "compiling" not in text
    assert to_latex(table).isascii()
    assert (
        to_csv(table)
        .splitlines()[0]
        .startswith("row,reference,split,replicates,examples,family,MSE,MSE_half_width,MSE_p,SSIM")
    )
    draw(table, tmp_path / "table.png")
    assert (tmp_path / "table.png").stat().st_size > 10_000


def test_one_measure_in_per_cent_that_is_no_part_has_a_table_a_plot_and_a_page(tmp_path: Path) -> None:
    for mode, right in (("baseline", 92.5), ("standard", 95.0)):
        for seed in (0, 1):
            values = {"base": {"id": {"right": right + seed}, "ood": {"right": right - seed}}}
            numbers = measured(values, {"id": 40, "ood": 30}, [Measure("right", "higher", "%")])
            write_run(tmp_path / f"{mode}{seed}", mode, seed, **numbers)
    found = find_runs([tmp_path])
    table = build_table(found.runs)
    text = to_markdown(table)
    assert "| In distribution (40 examples) | right ↑ | replicates |" in text
    assert "93.0 ±6.4" in text
    assert "Differences are in percentage points between" in text
    assert "add up to 100" not in text
    draw(table, tmp_path / "table.png")
    assert "Out of distribution <small>right, %</small>" in page(table, found.runs, found.left_out, 4)


def test_runs_of_other_measures_are_in_no_table_together(tmp_path: Path) -> None:
    for mode, name in (("baseline", "MSE"), ("standard", "SSIM")):
        numbers = measured({"base": {"test": {name: 0.5}}}, {"test": 40}, [Measure(name, "lower")])
        write_run(tmp_path / mode, mode, **numbers)
    with pytest.raises(ConfigError, match="their list of measures differs"):
        build_table(find_runs([tmp_path]).runs)


def test_what_a_result_says_of_its_measures_is_escaped(tmp_path: Path) -> None:
    numbers = measured({"base": {"test": {"a|b": 0.5}}}, {"test": 40}, [Measure("a|b", "lower")])
    numbers |= {"noun": "<b>", "method": "by <i>", "remark": "See [this](x)."}
    found = find_runs([write_run(tmp_path / "run", "baseline", **numbers)])
    table = build_table(found.runs)
    text = to_markdown(table)
    assert "\\[this\\](x)" in text
    assert "(40 \\<b\\>) | a\\|b ↓ |" in text
    shown = page(table, found.runs, found.left_out, 4)
    assert "<i>" not in shown.partition("<main>")[0]
    assert "&lt;b&gt;" in shown


def test_a_share_beside_those_that_add_up_has_a_column_and_comparisons_of_its_own(tmp_path: Path) -> None:
    for mode, (right, same) in {"baseline": (60.0, 10.0), "standard": (60.0, 30.0)}.items():
        for seed in (0, 1):
            shares = {
                "correct": right + seed,
                "strict": same + 2 * seed * (mode == "standard"),
                "wrong output": 40.0 - seed,
            }
            measures = [Measure("correct", "higher", "%", part=True), Measure("strict", "higher", "%")]
            measures.append(Measure("wrong output", "", "%", part=True))
            numbers = measured({"base": {"id": shares}}, {"id": 40}, measures)
            write_run(tmp_path / f"{mode}{seed}", mode, seed, **numbers)
    found = find_runs([tmp_path])
    text = to_markdown(build_table(found.runs))
    assert "| correct | strict ↑ | wrong output | replicates |" in text
    assert "| standard | 60.5 ±6.4 | 31.0 ±12.7 |" in text
    assert "| standard − baseline | +21.0 ±12.7 | 0.061 | not distinguishable | 2 |" in text  # of two measures
    assert "corrected over 2 comparisons (Holm)" in text
    assert "Per cent of the examples; correct and wrong output of a row add up to 100." in text
