from pathlib import Path

import pytest

from composed.errors import ComposedError
from composed.reporting.plot import draw
from composed.reporting.runs import find_runs
from composed.reporting.table import build_table
from tests.run_folders import counts, write_run, write_sweep


def size(png: Path) -> tuple[int, int]:
    header = png.read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    return int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")


def test_picture_is_1400_pixels_wide_and_taller_with_more_rows(tmp_path: Path) -> None:
    write_sweep(tmp_path / "runs")
    draw(build_table(find_runs([tmp_path / "runs"])[0]), tmp_path / "six.png")
    draw(build_table(find_runs([tmp_path / "runs" / "baseline-0"])[0]), tmp_path / "two.png")
    assert size(tmp_path / "six.png")[0] == size(tmp_path / "two.png")[0] == 1400
    assert size(tmp_path / "six.png")[1] > size(tmp_path / "two.png")[1]


def test_same_table_gives_the_same_bytes_whatever_the_users_style(tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    table = build_table(find_runs([write_sweep(tmp_path / "runs")])[0])
    draw(table, tmp_path / "first.png")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "savefig.dpi": 30}):
        draw(table, tmp_path / "second.png")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_nothing_correct_one_seed_and_a_dollar_in_the_title_are_drawn(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "a$b$", counted=counts((0, 0)), title="5$ \\frac 6$")
    draw(build_table(find_runs([tmp_path / "run"])[0]), tmp_path / "plot.png")
    assert size(tmp_path / "plot.png")[0] == 1400


def test_long_names_of_rows_leave_room_for_the_bars(tmp_path: Path) -> None:
    variant = {"estimator": "expected_embedding", "finetuning": {"name": "composed", "composed_weight": 0.1}}
    write_run(tmp_path / "run", config=variant)
    by = ["estimator", "finetuning.composed_weight"]
    table = build_table(find_runs([tmp_path / "run"], by).runs)
    assert max(len(row.label) for row in table.rows) > 70
    draw(table, tmp_path / "plot.png")  # a warning of matplotlib's, which is an error here, says if there is none


def test_a_place_that_cannot_be_written_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    table = build_table(find_runs([write_run(tmp_path / "run")])[0])
    with pytest.raises(ComposedError, match="cannot write"):
        draw(table, tmp_path / "file" / "plot.png")
