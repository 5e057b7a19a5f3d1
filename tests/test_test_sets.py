"""Any number of test sets, of any names: in the data, and in every table, picture and page."""

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from composed.cli.report import main
from composed.datamodules.sanstype import load
from composed.errors import DataError
from composed.reporting.exhibits.console import console as shown_of
from composed.reporting.formats import to_csv, to_latex, to_markdown
from composed.reporting.runs import find_runs
from composed.reporting.table import build_table
from composed.system.files import read_json
from tests.commands import command
from tests.run_folders import write_predictions, write_run
from tests.test_reporting_page import Elements, text_of
from tests.test_reporting_programs import REPAIRED, SOURCE, WRONG

SETS = [("id",), ("test",), ("id", "ood", "long"), ("Test", "test", "größe.2", "new-writers", "a_b", "six", "seven")]


def write_runs(top: Path, sets: tuple[str, ...]) -> Path:
    for mode in ("baseline", "composed"):
        for seed in (0, 1):
            counted = {
                output: {
                    split: {"n": 10 + place, "correct": place + seed, "wrong_output": 10 - seed}
                    for place, split in enumerate(sets)
                }
                for output in ("base", "composition")
            }
            run = write_run(top / f"{mode}-{seed}", mode, seed, counted)
            for split in sets:
                write_predictions(run, split, [REPAIRED, WRONG], SOURCE)
    return top


@pytest.fixture(params=SETS, ids=lambda sets: str(len(sets)) + sets[0])
def sets(request) -> tuple[str, ...]:
    return request.param


def test_every_format_has_every_test_set_with_its_numbers(tmp_path, sets):
    table = build_table(find_runs([write_runs(tmp_path, sets)]).runs)
    assert table.splits == [*sets]
    lines = [*csv.DictReader(io.StringIO(to_csv(table)))]
    rates = {
        line["split"]: float(line["correct"]) for line in lines if (line["row"], line["reference"]) == ("composed", "")
    }
    assert rates == {
        split: pytest.approx(100 * (place + 0.5) / (10 + place), abs=1e-4) for place, split in enumerate(sets)
    }
    headings = [f"({10 + place} programs)" for place in range(len(sets))]
    for text in (to_markdown(table), to_latex(table)):
        assert [text.count(each) for each in headings] == [1] * len(sets)
    assert len(set(to_markdown(table).split("Paired differences, ")[1:])) >= len(sets)


def test_the_report_of_a_run_is_whole_whatever_its_test_sets(tmp_path, sets, capsys):
    assert main([str(write_runs(tmp_path / "runs", sets)), "--programs", "9", "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "table.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().err == ""
    text = text_of(tmp_path / "runs", count=2 * len(sets))
    Elements(text)
    assert text.count('<article class="sample"') == 2 * 2 * len(sets)


def test_programs_are_shown_of_every_test_set_in_turn(tmp_path, sets):
    (run, *_) = find_runs([write_runs(tmp_path, sets)]).runs
    console = Console(file=io.StringIO(), width=160)
    console.print(shown_of(run, 2 * len(sets)))
    shown = console.file.getvalue()
    words = [{"id": "ID", "ood": "OOD"}.get(split, split) for split in sets]
    assert all(f"{word} example 0: repaired by Pi" in shown for word in words)
    assert (f"{' and '.join(words)} in turn" in " ".join(shown.split())) == (len(sets) > 1)


def test_runs_of_other_test_sets_are_no_rows_of_one_table(tmp_path, capsys):
    for mode, sets in (("baseline", ("id",)), ("standard", ("id", "ood"))):
        splits = {split: {"n": 4, "correct": 4} for split in sets}
        write_run(tmp_path / mode, mode, counted={"base": splits})
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "report them apart" in capsys.readouterr().err


def test_a_run_that_was_tested_on_nothing_is_told_as_that(tmp_path, capsys):
    write_run(tmp_path / "run", "baseline", counted={"base": {}})
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "it was tested on nothing" in capsys.readouterr().err


def write_data(folder: Path, *splits: str) -> Path:
    folder.mkdir()
    for split in splits:
        for suffix, line in (("src", "show 1;"), ("tgt", "int main () { $ cout << 1 ; $ return 0; }")):
            (folder / f"{split}.{suffix}").write_text(f"{line}\n" * 4)
        for suffix, line in (("inp", ""), ("out", "1")):
            (folder / f"{split}.{suffix}").write_text(f"{line}\n" * 4)
    return folder


def of(folder: Path) -> list[str]:
    settings = {"grammar": {"max_variables": 1, "max_rounds": 1}, "folder": str(folder)}
    return [*load(settings, lambda codes, _: [SimpleNamespace(verdict="correct", stdout=b"1")] * len(codes)).tests]


def test_every_labeled_split_of_a_folder_that_does_not_train_is_a_test_set(tmp_path):
    assert of(write_data(tmp_path / "one", "train", "val", "test")) == ["id"]
    folder = write_data(tmp_path / "many", "train", "val", "test", "long", "new-writers", "ood")
    (folder / "half.src").write_text("no test set\n")
    assert of(folder) == ["id", "ood", "long", "new-writers"]


@pytest.mark.parametrize("name", ["id", "two words", "_hidden"])
def test_a_test_set_whose_name_is_none_is_named(tmp_path, name):
    with pytest.raises(DataError, match=rf"{name}\.\*: no name for a test set.*rename"):
        of(write_data(tmp_path / "data", "train", "val", "test", name))


@pytest.mark.slow("a whole training of each of its cases")
@pytest.mark.parametrize("more", [(), ("long", "short")], ids=["one", "three"])
def test_a_run_on_any_test_sets_is_reported_and_a_further_one_is_predicted_later(train, one, tmp_path, more):
    folder = write_data(tmp_path / "mine", "train", "val", "test", *more)
    train(f"task.folder={folder}", "finetuning=baseline", "pretraining=none", "judge.workers=1")
    assert [*read_json(one() / "result.json")["verdicts"]["base"]] == ["id", *more]
    reported = command("report", "runs", cwd=tmp_path)
    assert reported.returncode == 0, reported.stderr
    write_data(tmp_path / "late", "late")
    for path in (tmp_path / "late").iterdir():
        path.rename(folder / path.name)
    again = command("evaluate", "--predict", str(one()), cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert [*json.loads((one() / "result.json").read_text())["verdicts"]["base"]] == ["id", *sorted([*more, "late"])]
