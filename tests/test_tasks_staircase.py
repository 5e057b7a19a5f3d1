"""Staircase runs from config to result, in this process: seconds at the smoke sizes."""

import json
from pathlib import Path

import pytest
import torch

from composed.cli.evaluate import main as evaluate_again
from composed.errors import TrainingError
from composed.experiment import evaluate
from composed.experiment.run import run as train_run
from composed.runs.folder import RunFolder
from composed.runs.result import Result
from composed.system.files import read_json, read_lines
from composed.tasks.staircase import _Loop
from composed.tasks.threads import threads
from tests.test_configs import config


def run(folder: Path, *words: str) -> RunFolder:
    settings = ["task=staircase", "profile=smoke", "logger=csv", f"runs={folder}", *words]
    return train_run(config(*settings), settings)


def test_a_run_leaves_predictions_metrics_and_values_of_every_staircase(tmp_path):
    folder = run(tmp_path)
    result = read_json(folder.result)
    assert [row["update"] for row in read_lines(folder.metrics)] == [10, 20, 30, 40]
    assert next(read_lines(folder.metrics)).keys() == {"stage", "split", "update", "composed_loss", "lr"}
    assert [entry["staircase"] for entry in result["staircases"]["ood"]] == folder.config()["task"]["staircases"]
    for split in ("id", "ood"):
        assert result["examples"][split] == len(list(read_lines(folder.predictions(split)))) == 6
        for output in ("base", "composition"):
            assert result["values"][output][split].keys() == {measure["name"] for measure in result["measures"]}


def test_rows_of_metrics_are_there_while_it_trains(tmp_path, monkeypatch):
    """What was recorded before a loss that is not finite can be read."""
    seen = []
    record = _Loop._record

    def watched(self, update, total, metrics):
        seen.append(self.folder.metrics.read_text().count("\n"))
        return record(self, update, total, metrics)

    monkeypatch.setattr(_Loop, "_record", watched)
    run(tmp_path)
    assert seen == [0, 1, 2, 3]


def test_values_are_what_the_predictions_say(tmp_path):
    folder = run(tmp_path)
    rows = list(read_lines(folder.predictions("id")))
    for row in rows:
        row["base"] = [y + 0.75 for y in row["target"]]
        row["composition"] = row["target"]
        row["complexity"], row["turns"] = 2.0, 3
    folder.predictions("id").write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = evaluate.conclude(folder, folder.trained()).scores.values
    assert values["base"]["id"] == {"error": 0.5625, "wrong steps, %": 100.0, "complexity": 2.0, "turns": 3.0}
    assert values["composition"]["id"]["error"] == 0.0
    assert "f(x)      id    error 0.5625, wrong steps, % 100" in evaluate.summary(
        Result.read(folder.result), folder.path
    )
    assert evaluate.metrics(Result.read(folder.result))["test/id/base/error"] == 0.5625


def test_the_same_seed_gives_the_same_bytes_and_predictions_can_be_made_again(tmp_path):
    first, second, other = (run(tmp_path / name, f"seed={seed}") for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    weights = [(folder.checkpoints / "best.safetensors").read_bytes() for folder in (first, second, other)]
    assert weights[0] == weights[1] != weights[2]
    predictions = first.predictions("ood").read_bytes()
    first.predictions("ood").unlink()
    assert evaluate_again(["--predict", str(first.path)]) == 0
    assert first.predictions("ood").read_bytes() == predictions


def test_rounding_lets_the_composition_be_right_where_f_alone_cannot_learn_the_steps(tmp_path):
    """Enough updates for a line, far too few units and updates for a staircase of six steps and its edges."""
    budget = ("optim.updates=400", "model.width=32")
    composed, direct = run(tmp_path, *budget), run(tmp_path, *budget, "finetuning=baseline")
    own = read_json(composed.result)["values"]["composition"]["id"]["error"]
    assert own < read_json(direct.result)["values"]["base"]["id"]["error"]


def test_a_run_that_is_done_again_and_stopped_goes_on_with_the_same_command(tmp_path):
    """Which clears what is finished, and not what it began itself."""
    folder = run(tmp_path)
    (folder.path / "begun").touch()
    folder.result.unlink()
    run(tmp_path, "redo=true")
    assert folder.finished()
    assert (folder.path / "begun").exists()
    run(tmp_path, "redo=true")
    assert folder.finished()
    assert not (folder.path / "begun").exists()


def test_the_runs_of_a_sweep_leave_each_other_the_threads(tmp_path):
    """Even one that asks for none of its own has few of them here, for its networks are small."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for words in ([], ["trainer.threads=1"]):
            run(tmp_path / str(len(words)), *words)
            assert torch.get_num_threads() == 2
        with threads(1):
            assert torch.get_num_threads() == 1
        with threads(None):
            torch.set_num_threads(1)  # as Lightning does for a training of several processes
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_a_loss_that_is_not_finite_stops_and_says_where(tmp_path):
    with pytest.raises(TrainingError, match="not finite at update"):
        run(tmp_path, "optim.lr=1e30")
