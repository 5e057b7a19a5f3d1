"""Launcher and sweeper of others, which `composed[sweeps]` installs: the real command with two runs each."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.commands import command, result, run_folders

pytestmark = pytest.mark.slow("sweeps of whole commands")

STAIRCASE = (
    *("profile=smoke", "logger=csv", "task=staircase", "finetuning=baseline"),
    *("optim.updates=20", "optim.record_every=10"),
)
JOBLIB = ("-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", *STAIRCASE, "replicate=0,1")
SEARCH = (
    *("-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=2", "hydra.sweeper.sampler.seed=0", *STAIRCASE),
    "optim.lr=tag(log,interval(0.001,0.1))",
)


def test_joblib_runs_two_at_a_time_and_one_that_fails_leaves_the_other_alone(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    ended = command("train", *JOBLIB, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "warning" not in ended.stderr.lower()
    first, second = run_folders(tmp_path / "runs")
    assert {result(folder)["seeds"]["seed"] for folder in (first, second)} == {0, 1}
    for folder in (first, second):
        shutil.rmtree(folder)
    second.mkdir()
    (second / "checkpoints").touch()  # where a folder has to be made
    ended = command("train", *JOBLIB, cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(f"error: cannot write runs/{second.name}/checkpoints")
    assert "Traceback" not in ended.stderr
    assert result(first)


@pytest.mark.parametrize(
    "launcher", [(), ("hydra/launcher=composed", "hydra.launcher.jobs=2")], ids=["one by one", "two at a time"]
)
def test_optuna_minimises_the_loss_that_selects_weights_and_a_seeded_search_goes_on(
    launcher: tuple[str, ...], tmp_path: Path
) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    words = (*SEARCH, *launcher, f"hydra.sweeper.n_jobs={2 if launcher else 1}")
    first = command("train", *words, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert not any(word in first.stderr.lower() for word in ("warning", "alembic"))
    found = yaml.safe_load((tmp_path / "runs/optimization_results.yaml").read_text())
    folders = run_folders(tmp_path / "runs")
    tried = {
        yaml.safe_load((folder / "config.yaml").read_text())["optim"]["lr"]: result(folder)["best"]["selection"]
        for folder in folders
    }
    assert len(tried) == 2
    assert all(0.001 <= rate <= 0.1 for rate in tried)
    assert found["best_value"] == min(tried.values())
    assert tried[found["best_params"]["optim.lr"]] == found["best_value"]
    again = command("train", *words, cwd=tmp_path)  # the same two trials, finished already
    assert again.returncode == 0, again.stderr
    assert run_folders(tmp_path / "runs") == folders
