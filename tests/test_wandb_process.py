"""W&B runs are read back from disk; whatever happens to W&B, the training is told once and goes on."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from composed.training import wandb_process
from composed.training.wandb_process import WandbProcess
from tests.run_folders import write_predictions, write_run
from tests.test_reporting_programs import REPAIRED, RIGHT, SOURCE

SETTINGS: dict[str, Any] = {
    "project": "p",
    "mode": "offline",
    "name": "a-run",
    "id": "a-run",
    "group": "g",
    "tags": ["sanstype", "seed-3"],
    "config": {"optim": {"lr": 0.5}},
}


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def read_back(folder: Path) -> dict[str, Any]:
    """What the one offline run below `folder` holds: run, config, rows of history, last values, artefacts, files."""
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    words = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    of: dict[str, list[Any]] = {}
    for record in records:
        of.setdefault(record["type"], []).append(record[record["type"]])
    config: dict[str, Any] = {}
    for update in (of["run"][0]["config"], *of.get("config", [])):
        config |= update["update"]
    rows = [row["item"] for row in of.get("history", [])]
    last = {name: value for row in rows for name, value in row.items()}
    return {
        "run": of["run"][0],
        "config": config,
        "rows": rows,
        "last": last,
        "artifacts": of.get("artifact", []),
        "media": path.parent / "files" / "media",
    }


def finished_run(folder: Path) -> Path:
    write_run(folder)
    write_predictions(folder, "id", [REPAIRED, RIGHT], SOURCE)
    write_predictions(folder, "ood", [RIGHT], SOURCE)
    weights = folder / "store" / "denoiser-abc" / "best.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    (weights.parent / "key.json").write_text('{"noise": "template"}')
    facts = {"updates": 9, "best": {}, "resumed": False, "seconds": {}, "splits": ["id", "ood"]}
    facts |= {"quality": {}, "kept": {}}
    (folder / "training.json").write_text(json.dumps({**facts, "denoiser": str(weights)}))
    (folder / "pictures").mkdir()
    shutil.copy(Path(__file__).parents[1] / "results/staircase/staircase.png", folder / "pictures" / "test.png")
    return folder


def test_an_offline_run_read_back_holds_metrics_samples_pictures_and_the_denoiser(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = finished_run(tmp_path / "run")
    logger = WandbProcess(SETTINGS, folder)
    for step in (10, 20):
        logger.log_metrics({"training/loss": 1 / step}, step)
    logger.log_metrics({"test/id/own/correct": 0.75}, 20)
    logger.log_run(folder)
    logger.close()
    found = read_back(folder)
    assert (found["run"]["run_id"], found["run"]["run_group"]) == ("a-run", "g")
    assert found["run"]["tags"] == ["sanstype", "seed-3"]
    assert found["config"]["optim"] == {"lr": 0.5}
    assert [(row["update"], row["training/loss"]) for row in found["rows"][:2]] == [(10, 0.1), (20, 0.05)]
    assert found["last"]["test/id/own/correct"] == 0.75
    (table,) = (found["media"] / "table").glob("samples_*.json")
    samples = json.loads(table.read_text())
    assert samples["columns"][:3] == ["split", "program", "pseudocode"]
    fates = [dict(zip(samples["columns"], row, strict=True))["what Pi did"] for row in samples["data"]]
    assert fates == ["repaired by Pi", "right both times", "right both times"]
    assert len([*(found["media"] / "images").rglob("*.png")]) == 1
    (denoiser,) = [each for each in found["artifacts"] if each["type"] == "denoiser"]
    assert denoiser["name"] == "denoiser-abc" == found["config"]["denoiser_artifact"]
    assert "template" in denoiser["metadata"]
    assert len(found["config"]["denoiser_sha256"]) == 64
    assert capfd.readouterr() == ("", "")  # no library noise


def test_a_report_is_an_artefact_with_its_table(tmp_path: Path) -> None:
    from composed.cli.report import main

    run = write_run(tmp_path / "run")
    assert main([str(run), "--out", str(tmp_path / "out"), "--wandb", "offline"]) == 0
    found = read_back(tmp_path / "out")
    (artifact,) = [each for each in found["artifacts"] if each["type"] == "table"]
    assert {entry["path"] for entry in artifact["manifest"]["contents"]} == {
        f"{name}" for name in ("per_replicate.csv", "report.html", "table.csv", "table.md", "table.png", "table.tex")
    }
    (table,) = (found["media"] / "table").glob("table_*.json")
    assert json.loads(table.read_text())["columns"][:3] == ["row", "reference", "split"]
    (values,) = (found["media"] / "table").glob("per_replicate_*.json")
    assert json.loads(values.read_text())["columns"][:3] == ["row", "replicate", "split"]
    assert found["config"]["runs"] == ["run"]


def wait_for(condition, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_w_and_b_that_is_not_installed_is_named_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "wandb.py").write_text("raise ModuleNotFoundError(\"No module named 'wandb'\")")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    logger = WandbProcess(SETTINGS, tmp_path)
    for step in range(100):
        logger.log_metrics({"loss": 1.0}, step)
    logger.close()
    said = capsys.readouterr().err
    assert said == (
        "wandb gets no metrics from here on (ModuleNotFoundError: No module named 'wandb'); metrics.jsonl has them\n"
    )


def test_a_mirror_that_dies_in_the_middle_delays_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logger = WandbProcess(SETTINGS, tmp_path)
    logger.log_metrics({"loss": 1.0}, 1)
    wait_for(lambda: [*tmp_path.glob("wandb/offline-run-*")])
    os.killpg(logger._process.pid, signal.SIGKILL)
    logger._process.wait()
    before = time.monotonic()
    for step in range(1000):
        logger.log_metrics({"loss": 1.0}, step)
    logger.close()
    assert time.monotonic() - before < wandb_process.PATIENCE
    assert capsys.readouterr().err.count("wandb gets no metrics from here on") == 1


def test_a_mirror_that_hangs_is_left_alone_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wandb_process, "PATIENCE", 1)
    logger = WandbProcess(SETTINGS, tmp_path)
    os.killpg(logger._process.pid, signal.SIGSTOP)
    before = time.monotonic()
    for step in range(20_000):  # more than a pipe holds
        logger.log_metrics({"loss": 1.0}, step)
    logger.close()
    assert time.monotonic() - before < 60
    assert "(no answer for 1 s)" in capsys.readouterr().err


silent = pytest.param("no answer", marks=pytest.mark.slow("waits for its whole patience, as for a server that refuses"))


@pytest.fixture(params=["no account", "nobody there", silent])
def unreachable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three ways in which W&B cannot be reached."""
    if request.param != "no account":
        monkeypatch.setenv("WANDB_API_KEY", 40 * "a")
    with socket.create_server(("127.0.0.1", 0)) as server:  # a connection is taken, and nothing said
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        if request.param != "no answer":
            server.close()
        yield


def test_a_server_out_of_reach_delays_a_training_by_less_than_30_s_and_metrics_are_kept_offline(
    unreachable: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    logger = WandbProcess({**SETTINGS, "mode": "online", "resume": "allow"}, tmp_path)
    logger.log_metrics({"loss": 2.0}, 1)
    assert time.monotonic() - began < wandb_process.INIT_SECONDS
    log = tmp_path / "wandb" / wandb_process.LOG
    wait_for(lambda: "recording offline instead" in log.read_text())  # as long as a training may well take
    began = time.monotonic()
    logger.close()
    assert time.monotonic() - began < 30
    assert capsys.readouterr().err == ""
    assert read_back(tmp_path)["last"]["loss"] == 2.0


def test_a_training_that_ends_before_the_server_is_given_up_waits_less_than_30_s(
    unreachable: None, tmp_path: Path
) -> None:
    logger = WandbProcess({**SETTINGS, "mode": "online", "resume": "allow"}, tmp_path)
    began = time.monotonic()
    logger.close()
    assert time.monotonic() - began < 30


def test_why_wandb_refused_a_setting_is_quoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    WandbProcess({**SETTINGS, "tags": ["x" * 70]}, tmp_path).close()
    said = capsys.readouterr().err
    assert "ValidationError: run_tags: Value error, Tag 'x" in said
    assert "is 70 characters" in said
    assert "https" not in said
