"""A sweep whose runs are processes: it survives what happens to them, and goes on with what is missing."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.commands import command, end, run_folders, start

pytestmark = pytest.mark.slow("sweeps whose runs are processes")

SWEEP = ("-m", "hydra/launcher=composed", "profile=smoke", "logger=csv")
STAIRCASE = (*SWEEP, "task=staircase", "optim.updates=20", "optim.record_every=10", "finetuning=baseline")


def kill_when_it_runs(word: str, runs: str) -> None:
    """SIGKILL for the `composed.cli.train` that has both words on its command line."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if {b"composed.cli.train", word.encode(), runs.encode()} <= {*words} and b"-m" not in words[3:]:
                return os.kill(int(path.parent.name), signal.SIGKILL)
        time.sleep(0.05)
    pytest.fail(f"no run with {word}")


def test_a_sweep_survives_a_failed_and_a_killed_run_and_then_runs_exactly_those(tmp_path):
    runs = f"runs={tmp_path / 'runs'}"
    command("train", *STAIRCASE, "seed=1", runs, cwd=tmp_path)
    (second,) = run_folders(tmp_path / "runs")
    shutil.rmtree(second)
    second.mkdir()
    (second / "checkpoints").touch()  # where a folder has to be made
    process = start("train", *STAIRCASE, "seed=0,1,2,3", runs, cwd=tmp_path)
    kill_when_it_runs("seed=2", runs)
    ended = end(process)
    assert ended.returncode == 1
    assert "2 done (0 of them before), 2 failed" in ended.stderr
    assert "killed by SIGKILL" in ended.stderr
    assert str(second / "log.txt") in ended.stderr
    (second / "checkpoints").unlink()
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*/result.json")}
    again = command("train", *STAIRCASE, "seed=0,1,2,3", runs, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "2 of 4 runs to do" in again.stderr
    assert "4 done (2 of them before), 0 failed" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


def test_runs_of_several_processes_each_are_a_sweep(tmp_path):
    several = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    words = (*SWEEP, "finetuning=baseline", "pretraining=none", *several, "seed=0,1")
    ended = command("train", *words, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    folders = run_folders(tmp_path / "runs")
    assert len(folders) == 2
    for folder in folders:
        assert (folder / "log.txt").read_text().count("correct") == 2
