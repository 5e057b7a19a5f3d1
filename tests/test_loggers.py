"""Metrics reach the logger that was asked for; a logger that fails is named once and never stops a run."""

import csv
import re
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from composed.config import Config
from composed.training.loggers import Sheltered, open_logger, wandb_settings
from tests.test_configs import config

CSV = "logger=csv"


def opened(word, folder):
    return open_logger(config("profile=smoke", word), folder)


def test_metrics_are_in_the_csv_file(tmp_path):
    with opened(CSV, tmp_path) as loggers:
        for step in (1, 2):
            loggers[0].log_metrics({"loss": 0.5 / step}, step)
    rows = (tmp_path / "csv" / "metrics.csv").read_text().splitlines()
    assert sorted(rows[0].split(",")) == ["loss", "step"]
    assert len(rows) == 3


def test_a_resumed_run_keeps_the_rows_of_the_csv_file_before_where_it_goes_on(tmp_path):
    """The last call judges what was predicted: its row joins those of the last update."""
    for updates, name in (((10, 20), "loss"), ((20, 30), "loss"), ((30,), "judged")):
        with opened(CSV, tmp_path) as loggers:
            for update in updates:
                loggers[0].log_metrics({name: update / 2}, update)
    with open(tmp_path / "csv" / "metrics.csv", newline="") as file:
        rows = [(int(row["step"]), row["loss"], row["judged"]) for row in csv.DictReader(file)]
    assert rows == [(10, "5.0", ""), (20, "10.0", ""), (30, "15.0", ""), (30, "", "15.0")]


def test_metrics_are_in_the_event_file_of_tensorboard(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with opened("logger=tensorboard", tmp_path) as loggers:
        for step in (10, 20):
            loggers[0].log_metrics({"training/loss": 5 / step}, step)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("training/loss")] == [(10, 0.5), (20, 0.25)]


def test_a_logger_that_is_not_installed_is_left_out(tmp_path, monkeypatch, capsys):
    for module in ("tensorboard", "torch.utils.tensorboard", "tensorboardX"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("pytorch_lightning.loggers.tensorboard.TensorBoardLogger.__init__", _not_there)
    with opened("logger=tensorboard", tmp_path) as loggers:
        loggers[0].log_metrics({"loss": 1.0}, 1)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("tensorboard gets no metrics from here on (")
    assert said.endswith("metrics.jsonl has them\n")


def _not_there(*_: object, **__: object) -> None:
    raise ModuleNotFoundError("tensorboard is not there\nmore about it")


def test_a_logger_that_dies_is_named_once(capsys):
    calls = []

    def log_metrics(metrics, step):
        calls.append(step)
        if step == 2:
            raise ConnectionError("the server is gone")

    logger = Sheltered("toy", lambda: SimpleNamespace(log_metrics=log_metrics))  # type: ignore[arg-type,return-value]
    for step in (1, 2, 3):
        logger.log_metrics({}, step)
    logger.close()
    assert calls == [1, 2]
    said = capsys.readouterr().err
    assert said == "toy gets no metrics from here on (the server is gone); metrics.jsonl has them\n"


def test_a_logger_that_fails_to_end_stops_nothing(capsys):
    def finalize(_status):
        raise OSError

    Sheltered("toy", lambda: SimpleNamespace(finalize=finalize)).close()  # type: ignore[arg-type,return-value]
    assert "toy gets no metrics from here on (OSError())" in capsys.readouterr().err


def test_only_the_main_process_logs(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    with opened(CSV, tmp_path) as loggers:
        assert loggers == []
    assert not [*tmp_path.iterdir()]


def test_an_error_of_the_run_passes_and_the_logger_is_closed(tmp_path):
    def fail() -> None:
        with opened(CSV, tmp_path) as loggers:
            loggers[0].log_metrics({"loss": 1.0}, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (tmp_path / "csv" / "metrics.csv").exists()


def test_a_run_of_w_and_b_is_known_by_its_folder_and_found_by_task_mode_and_seed():
    settings = wandb_settings(fonts(3, "logger.mode=online"), "fonts-quick-composed-s3-1234")
    assert (settings["id"], settings["resume"]) == ("fonts-quick-composed-s3-1234", "allow")
    assert settings["tags"] == ["fonts", "quick", "composed_pathwise", "replicate-0", "seed-3"]
    assert wandb_settings(fonts(3), "x")["resume"] is None


def test_a_group_of_w_and_b_is_the_runs_that_differ_in_their_seed_alone():
    def group(*of: Any) -> str:
        return wandb_settings(fonts(*of), "x")["group"]

    assert group(3) == group(4)
    assert group(3).startswith("fonts-quick-composed_pathwise-")
    groups = [group(0), group(0, "optim.l2=0.1"), group(0, "noise=emboss"), group(0, "pretraining.seed=1")]
    assert len({*groups}) == len(groups)


def fonts(seed: int, *words: str) -> Config:
    return config("task=fonts", f"seed={seed}", *words)


@pytest.mark.parametrize("name", ["fonts-a:b;c,d#e?f-s0-1", "fonts-" + "n" * 200 + "-s0-1", "caf\u00e9 '-s0-1"])
def test_what_wandb_would_refuse_of_a_long_or_strange_name_is_not_given_to_it(name):
    named = replace(fonts(3), finetuning=replace(fonts(3).finetuning, name=name))
    settings, other = (wandb_settings(named, run) for run in (name, f"{name}:"))
    assert settings["name"] == name
    assert re.fullmatch(r"[\w.-]{1,128}", settings["id"], re.ASCII)
    assert settings["id"] != other["id"]
    assert max(map(len, settings["tags"])) <= 64


@pytest.mark.parametrize("variable", ["WANDB_MODE=disabled", "WANDB_DISABLED=true"])
def test_wandb_that_the_environment_switches_off_stays_off_and_that_is_said(tmp_path, monkeypatch, capsys, variable):
    monkeypatch.setenv(*variable.split("="))
    with opened("logger=wandb", tmp_path) as loggers:
        assert loggers == []
    assert capsys.readouterr().err == (
        f"{variable} in the environment: wandb gets nothing; metrics.jsonl has the metrics\n"
    )
    assert [*tmp_path.iterdir()] == []
