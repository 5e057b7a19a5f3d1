import csv
import io
from pathlib import Path

import pytest
from rich.console import Console

from composed.reporting.formats import _escape_latex, _plain_cell, to_csv, to_latex, to_markdown, to_rich
from composed.reporting.missing import Missing
from composed.reporting.runs import find_runs
from composed.reporting.table import Table, build_table
from tests.run_folders import counts, write_run, write_sweep


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return build_table(find_runs([write_sweep(tmp_path)])[0])


def plain(table: Table, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(to_rich(table))
    return console.file.getvalue()


def lines_with(text: str, label: str) -> list[list[str]]:
    """The cells of the Markdown lines whose first cell is `label`."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return [line for line in cells if line[0] == label]


def test_markdown_holds_the_hand_computed_rates(table: Table) -> None:
    in_distribution, out_of_distribution = lines_with(to_markdown(table), "baseline")
    assert in_distribution == ["baseline", "32.0 ±5.0", "0.0 ±0.0", "0.0 ±0.0", "68.0 ±5.0", "3"]
    assert out_of_distribution == ["baseline", "11.0 ±2.5", "0.0 ±0.0", "0.0 ±0.0", "89.0 ±2.5", "3"]


def test_markdown_makes_only_a_proven_best_bold(table: Table) -> None:
    in_distribution, out_of_distribution = lines_with(to_markdown(table), "composed")
    assert in_distribution[1] == "**58.0 ±2.5**"
    assert out_of_distribution[1] == "26.0 ±6.6"


def test_claims_are_put_in_plain_words(table: Table) -> None:
    text = to_markdown(table)
    assert lines_with(text, "standard − baseline")[0][1:] == ["+18.0 ±6.6", "0.050", "higher", "3"]
    label = "composed − (standard + test-time denoiser)"
    assert lines_with(text, label)[1][1:] == ["+2.3 ±2.9", "0.291", "not distinguishable", "3"]


def test_one_replicate_shows_no_interval_and_no_verdict_on_the_difference(tmp_path: Path) -> None:
    write_run(tmp_path / "baseline", "baseline", counted=counts((50, 30)))
    write_run(tmp_path / "standard", "standard", counted=counts((49, 40)))
    text = to_markdown(build_table(find_runs([tmp_path])[0]))
    assert lines_with(text, "baseline")[0] == ["baseline", "50.0", "0.0", "0.0", "50.0", "1"]
    assert [line[1:] for line in lines_with(text, "standard − baseline")] == [
        ["−1.0", "–", "one replicate", "1"],
        ["+10.0", "–", "one replicate", "1"],
    ]
    assert "±0" not in text


def test_claims_between_rows_without_a_common_replicate_say_so(tmp_path: Path) -> None:
    write_run(tmp_path / "baseline", "baseline", replicate=0)
    write_run(tmp_path / "standard", "standard", replicate=1)
    table = build_table(find_runs([tmp_path])[0])
    assert lines_with(to_markdown(table), "standard − baseline")[0][1:] == ["–", "–", "no replicate in common", "0"]
    assert "standard,baseline" not in to_csv(table)


def test_every_format_explains_the_runtime_errors_and_the_interval(table: Table) -> None:
    for text in (to_markdown(table), to_latex(table), " ".join(plain(table).split())):
        assert "Runtime error includes the time, memory and output limits" in text
        assert "interval over replicates" in text


def test_terminal_table_fits_80_columns_without_breaking_a_row(table: Table) -> None:
    text = plain(table)
    assert max(map(len, text.splitlines())) <= 80
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "composed, base predictor alone 48.0 ±5.0 0.0 ±0.0 0.0 ±0.0 52.0 ±5.0 3" in rows
    assert "composed * 58.0 ±2.5 0.0 ±0.0 0.0 ±0.0 42.0 ±2.5 3" in rows


def test_terminal_table_takes_brackets_literally(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "[red]mode", title="[bold]T")
    text = plain(build_table(find_runs([tmp_path])[0]))
    assert "[red]mode" in text
    assert "[bold]T" in text


def test_csv_holds_rates_and_differences_as_numbers(table: Table) -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert len(lines) == 2 * (6 + 5)
    rate = next(line for line in lines if (line["row"], line["reference"], line["split"]) == ("baseline", "", "ood"))
    assert (float(rate["correct"]), float(rate["wrong_output"]), rate["programs"]) == (11.0, 89.0, "100")
    assert float(rate["correct_half_width"]) == pytest.approx(4.302653 / 3**0.5, abs=5e-5)
    difference = next(line for line in lines if line["reference"] == "baseline" and line["split"] == "id")
    assert (float(difference["correct"]), float(difference["wrong_output"])) == (18.0, -18.0)


def test_csv_leaves_the_interval_of_one_replicate_empty(tmp_path: Path) -> None:
    table = build_table(find_runs([write_run(tmp_path / "run", "baseline", counted=counts((50, 30)))])[0])
    line = next(csv.DictReader(io.StringIO(to_csv(table))))
    assert (line["correct"], line["correct_half_width"], line["replicates"]) == ("50.0000", "", "1")


def test_latex_escapes_what_latex_would_read_as_code(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "a_b", title="50% & $x$ #1 {~^\\}")
    text = to_latex(build_table(find_runs([tmp_path])[0]))
    caption = r"50\% \& \$x\$ \#1 \{\textasciitilde{}\textasciicircum{}\textbackslash{}\}"
    assert f"\\caption{{{caption}; 1 replicate" in text
    assert "a\\_b + test-time denoiser &" in text


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("<a|b>", r"\textless{}a\textbar{}b\textgreater{}"),
        ('a "b"', r"a {\ttfamily\char34}b{\ttfamily\char34}"),
        ("*best", "{}*best"),
        ("[1cm]", "{}[1cm]"),
        ("a---b", "a-{}-{}-b"),
        ("a\n\nb", "a b"),
    ],
)
def test_latex_prints_names_as_they_are_in_fonts_of_7_bits_and_takes_none_for_an_argument(name, written):
    assert _escape_latex(name) == written


@pytest.mark.parametrize("label", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_a_label_is_no_formula_to_a_spreadsheet(label):
    assert _plain_cell(label) == f"'{label}"
    assert _plain_cell(f"mode {label}") == f"mode {label}"


def test_latex_is_pure_ascii_with_balanced_environments_and_braces(table: Table) -> None:
    text = to_latex(table)
    assert text.isascii()
    assert text.count("\\begin{") == text.count("\\end{")
    assert text.count("{") == text.count("}")
    assert "composed & \\textbf{58.0 $\\pm$2.5}" in text


def test_latex_rows_have_as_many_cells_as_columns(table: Table) -> None:
    for tabular in to_latex(table).split("\\begin{tabular}{")[1:]:
        align, _, body = tabular.partition("}")
        rows = [line for line in body.splitlines() if line.endswith("\\\\")]
        assert {line.count(" & ") + 1 for line in rows} == {len(align)}


def test_markdown_escapes_bars_and_stars(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "a|b*c")
    assert "| a\\|b\\*c |" in to_markdown(build_table(find_runs([tmp_path])[0]))


def test_a_missing_cell_is_a_dash_and_its_command_follows_in_every_text(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "baseline", counted=counts((50, 30)))
    table = build_table(find_runs([tmp_path])[0], missing=[Missing("lora", (), 0, "composed-train replicate=0")])
    assert lines_with(to_markdown(table), "lora")[0] == ["lora", "–", "–", "–", "–", "0"]
    assert "- missing: lora, replicate 0: `composed-train replicate=0`" in to_markdown(table)
    assert "% missing: lora, replicate 0: composed-train replicate=0" in to_latex(table)
    assert "missing: lora, replicate 0:  composed-train replicate=0" in plain(table)
    rows = {row["row"]: row for row in csv.DictReader(io.StringIO(to_csv(table)))}
    assert (rows["lora"]["replicates"], rows["lora"]["correct"], rows["baseline"]["replicates"]) == ("0", "", "1")
