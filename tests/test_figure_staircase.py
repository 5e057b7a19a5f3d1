"""The staircase figure: from finished runs to the picture and its numbers."""

import importlib.util
import json
from pathlib import Path

import pytest

from composed.errors import DataError
from tests.test_tasks_staircase import run

SCRIPT = Path(__file__).parents[1] / "scripts/figure_staircase.py"
specification = importlib.util.spec_from_file_location("figure_staircase", SCRIPT)
figure = importlib.util.module_from_spec(specification)  # type: ignore[arg-type]
specification.loader.exec_module(figure)  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def runs(once) -> Path:
    def make(folder: Path) -> None:
        for mode in ("baseline", "composed_pathwise"):
            for seed in (0, 1):
                run(folder, f"finetuning={mode}", f"seed={seed}")

    return once("staircases", make)


def test_the_picture_is_drawn_and_the_same_runs_give_the_same_bytes(runs, tmp_path):
    for name in ("a.png", "b.png"):
        figure.draw(figure.find(runs), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_ratios_are_paired_by_seed_and_stand_beside_the_theory(runs):
    by_mode = figure.find(runs)
    entries = {
        (mode, seed): json.loads((run.folder / "result.json").read_text())["staircases"]["id"][2]["complexity"]
        for mode, by_seed in by_mode.items()
        for seed, run in by_seed.items()
    }
    expected = [entries["baseline", seed] / entries["composed_pathwise", seed] for seed in (0, 1)]
    assert figure.ratio(by_mode, 2).mean == pytest.approx(sum(expected) / 2)
    text = figure.describe(by_mode, "make it")
    assert "    make it\n" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| 6 | 1 | 0.25 |")]
    assert line.endswith(f"{figure.ratio(by_mode, 2).mean:.1f} ±{figure.ratio(by_mode, 2).half_width:.1f} (25.0) |")


def test_the_least_complexities_and_the_rounded_rival_are_in_the_table(runs):
    by_mode = figure.find(runs)
    text = figure.describe(by_mode, "make it")
    header, *lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    lines = lines[1:]
    assert {len(line) for line in (header, *lines)} == {17}
    column = {name: [line[place] for line in lines] for place, name in enumerate(header)}
    assert column["least, alone"][:4] == ["10.0", "20.0", "40.0", "80.0"]
    ratios = [float(each) for each in column["their ratio"][:4]]
    assert ratios == sorted(ratios)
    assert ratios[3] > 4 * ratios[0]
    rounded = figure.over_seeds(by_mode["baseline"], 0, "id", "error", "composition")
    assert lines[0][4].startswith(f"{rounded.mean:.3f}")


def test_a_missing_mode_is_named(tmp_path):
    run(tmp_path)
    with pytest.raises(DataError, match="both baseline and composed_pathwise"):
        figure.find(tmp_path)
