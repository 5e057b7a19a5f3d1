"""How good the denoisers are, as the report says it."""

import csv
import io
from pathlib import Path

from composed.reporting.denoisers import denoisers
from composed.reporting.formats import to_csv_of_replicates, to_markdown
from composed.reporting.runs import find_runs
from composed.reporting.table import Table, build_table
from tests.run_folders import write_run


def quality(repaired: float, changed: float) -> dict[str, float]:
    return {"corrupted": 500, "gold": 1000, "repaired %": repaired, "gold changed %": changed}


def table(folder: Path, **qualities: list[dict[str, float]]) -> Table:
    for mode, of_mode in qualities.items():
        for replicate, of_replicate in enumerate(of_mode):
            write_run(folder / f"{mode}{replicate}", mode, replicate, quality=of_replicate)
    return build_table(find_runs([folder]).runs)


def test_one_line_where_all_rows_of_a_replicate_have_the_same_denoiser(tmp_path):
    both = [quality(80, 3), quality(90, 5)]
    shown = table(tmp_path, standard=both, composed=both[:1])
    assert [*denoisers(shown)] == ["of all rows"]
    lines = [line for line in to_markdown(shown).splitlines() if "of all rows" in line or "The denoiser" in line]
    assert lines == [
        "| The denoiser | corrupted | gold | repaired % | gold changed % |",
        "| of all rows | 500 | 1,000 | 85.0 ±63.5 | 4.0 ±12.7 |",  # 12.706 x 7.07 / sqrt 2 and 12.706 x 1.41 / sqrt 2
    ]


def test_a_line_for_each_denoiser_that_is_another(tmp_path):
    shown = table(tmp_path, standard=[quality(80, 3)], composed=[quality(60, 9)], baseline=[{}])
    means = {label: values["repaired %"].mean for label, values in denoisers(shown).items()}
    assert means == {"standard": 80, "composed": 60}


def test_nothing_is_said_without_a_denoiser(tmp_path):
    shown = table(tmp_path, baseline=[{}])
    assert denoisers(shown) == {}
    assert "The denoiser" not in to_markdown(shown)


def test_the_numbers_of_every_replicate_are_in_its_file(tmp_path):
    shown = table(tmp_path, standard=[quality(80, 3), quality(90, 5)], baseline=[{}, {}])
    rows = [*csv.DictReader(io.StringIO(to_csv_of_replicates(shown)))]
    told = {(row["row"], row["replicate"]): row["Pi_repaired_%"] for row in rows}
    assert told["standard", "1"] == "90"
    assert told["baseline", "0"] == ""
