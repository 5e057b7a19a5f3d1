from pathlib import Path

from composed.reporting.background import configurations
from composed.reporting.exhibits.programs import Exhibit
from composed.reporting.exhibits.samples import Samples
from composed.reporting.runs import find_runs
from tests.run_folders import counts, write_predictions, write_run
from tests.test_reporting_programs import BROKEN, REPAIRED, RIGHT, SOURCE, WRONG

SPLITS = ("id", "ood")


def write(folder: Path, mode: str, examples: list, **settings) -> None:
    write_run(folder, mode, **settings)
    for split in SPLITS:
        write_predictions(folder, split, examples, SOURCE)


def shown(folder: Path, count: int) -> Samples | None:
    sections = Exhibit().sections(configurations(find_runs([folder])[0]), count)
    return sections[0].shown if sections else None


def test_every_case_has_its_turn_and_every_mode_shows_the_same_programs(tmp_path: Path) -> None:
    write(tmp_path / "c", "composed", [RIGHT, RIGHT, RIGHT, REPAIRED, WRONG, BROKEN])
    write(tmp_path / "b", "standard", [WRONG] * 6)
    found = shown(tmp_path, 8)
    assert found is not None
    numbers = [(each.mode, each.number) for each in found.shown if each.split == "In distribution"]
    assert numbers == [(mode, number) for number in (0, 3, 4, 5) for mode in ("standard", "composed")]
    fates = {each.fate for each in found.shown if each.mode == "composed"}
    assert fates == {"right both times", "repaired by Pi", "wrong both times", "broken by Pi"}
    assert "composed, replicate 0" in found.rule


def test_fates_count_all_programs_not_the_shown_ones(tmp_path: Path) -> None:
    write(tmp_path / "c", "composed", [RIGHT, REPAIRED, REPAIRED])
    found = shown(tmp_path, 2)
    assert found is not None
    assert found.fates == {"composed": {"right both times": 2, "repaired by Pi": 4}}


def test_without_a_denoiser_there_is_one_output_and_no_fate(tmp_path: Path) -> None:
    write(tmp_path / "b", "baseline", [{"base": RIGHT["base"]}], counted=counts((1, 1)))
    found = shown(tmp_path, 2)
    assert found is not None
    assert [(each.fate, each.verdict, len(each.outputs)) for each in found.shown] == [("", "correct", 1)] * 2
    assert found.fates == {}
    assert all(token.kept for line in found.shown[0].outputs[0].lines for token in line)


def test_runs_without_predictions_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "c", "composed", [RIGHT])
    write_run(tmp_path / "s", "standard")
    found = shown(tmp_path, 4)
    assert found is not None
    assert {each.mode for each in found.shown} == {"composed"}
    assert shown(tmp_path / "s", 4) is None
    assert shown(tmp_path, 0) is None
