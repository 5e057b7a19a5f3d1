"""The curve over a key's numbers: its points are those of the table."""

from pathlib import Path

import pytest

from composed.errors import ConfigError
from composed.reporting.curve import draw_curve, lines
from composed.reporting.runs import find_runs
from composed.reporting.table import Table, build_table
from tests.run_folders import counts, write_run

KEY = "task.sizes.train"


def table(folder: Path, *sizes: object, by: tuple[str, ...] = (KEY,)) -> Table:
    for number, size in enumerate(sizes):
        for mode in ("standard", "composed"):
            task = {"name": "sanstype", "sizes": {"train": size}}
            config = {"task": task, "finetuning": {"name": mode}, "replicate": 0, "seed": 0}
            write_run(folder / f"{mode}-{number}", mode, counted=counts((10 * number, 5), (50, 40)), config=config)
    return build_table(find_runs([folder], by).runs)


def test_each_line_joins_the_rates_of_the_rows_that_differ_in_the_key_alone(tmp_path):
    shown = table(tmp_path, 1000, 250, 4000)
    found = lines(shown, "train", "id", "correct")
    assert {"standard", "composed", "composed, base predictor alone"} <= {*found}
    for label, line in found.items():
        assert [number for number, _ in line] == [250, 1000, 4000]
        rows = {row.values["train"]: row for row in shown.rows if row.name == label}
        assert line == [(number, rows[number].rate("id", "correct")) for number in (250, 1000, 4000)]


@pytest.mark.parametrize("sizes", [(1000,), ("all", "few"), (True, False), (None, 1000)])
def test_what_is_no_axis_is_refused(tmp_path, sizes):
    with pytest.raises(ConfigError, match="--curve train: a curve needs at least two numbers of it"):
        lines(table(tmp_path, *sizes), "train", "id", "correct")


def test_it_is_drawn_the_same_again(tmp_path):
    shown = table(tmp_path / "runs", 250, 1000, 4000)
    for name in ("first.png", "second.png"):
        draw_curve(shown, "train", tmp_path / name)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    assert (tmp_path / "first.png").read_bytes().startswith(b"\x89PNG")
