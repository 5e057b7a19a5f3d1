"""A loss that is not finite, a disk that is full or read-only, a W&B that does not answer or dies."""

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from composed.errors import TrainingError
from tests import toys
from tests.commands import BASELINE, ENVIRONMENT, LONG, command, end, same_bits, start, wait_for
from tests.test_training import fit, last

whole_commands = pytest.mark.slow("a fault done to whole commands, tens of seconds each")


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_04_a_loss_that_is_not_finite(value, chance, tmp_path):
    """Stops at its update, says which rows of which seed, and leaves the last good checkpoint."""
    poisoned = chance.randrange(4, 11)
    model, updates = toys.model(), itertools.count()
    original = model.nll

    def nll(source, target, **settings):
        factor = float(value) if model.training and next(updates) == poisoned else 1.0
        return original(source, target, **settings) * factor

    model.nll = nll  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match=rf"{value} at update {poisoned} \(seed 0, rows \["):
        fit(tmp_path, model=model)
    state = last(tmp_path)
    assert state["updates"] == max(update for update in (3, 4, 6, 8, 9) if update <= poisoned)
    assert all(torch.isfinite(weights).all() for weights in state["model"].values())


POISONED = """
import itertools, sys
from composed.models.transformer import Transformer
from composed.cli.train import main

original, calls, poisoned = Transformer.nll, itertools.count(), int(sys.argv.pop(1))

def nll(self, *arguments, **settings):
    poison = float("nan") if self.training and next(calls) == poisoned else 1.0
    return original(self, *arguments, **settings) * poison

Transformer.nll = nll
main()
"""


@whole_commands
def test_04_a_real_run_whose_loss_is_not_finite_stops_and_its_checkpoint_goes_on(
    chance, train, settings, one, tmp_path
):
    train(*LONG, *BASELINE, "runs=whole")
    poisoned = chance.randrange(70, 230)
    words = [*settings, *LONG, *BASELINE, "runs=parts"]
    stopped = subprocess.run(
        [sys.executable, "-c", POISONED, str(poisoned), *words],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert stopped.returncode == 1, stopped.stderr
    assert f"error: the loss is nan at update {poisoned} (seed 0, rows [" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    saved = last(one("parts") / "checkpoints")["updates"]
    assert 60 <= saved <= poisoned
    assert f"resuming after {saved} of 240" in train(*LONG, *BASELINE, "runs=parts").stderr
    assert same_bits(one("whole"), one("parts"))


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "none", folder]
    if os.getuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("a file system can be mounted by root alone")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@whole_commands
def test_05_a_full_disk_stops_with_the_reason_and_room_lets_it_go_on(chance, train, tmp_path):
    with small_disk(tmp_path / "runs", f"size={chance.randrange(80, 160)}k"):
        stopped = train(*BASELINE, code=1)
        assert re.search(r"error: cannot write runs/.*: No space left on device.*same command again", stopped.stderr)
        subprocess.run(["mount", "-o", "remount,size=20m", tmp_path / "runs"], check=True)
        train(*BASELINE)


@whole_commands
def test_05_a_read_only_folder_is_an_error_in_words(chance, train, tmp_path):
    with small_disk(tmp_path / "runs", "size=20m,ro"):
        stopped = train(*BASELINE, code=1)
    assert re.search(r"error: cannot write into the folder runs/.*: Read-only file system", stopped.stderr)


@whole_commands
def test_11_a_wandb_that_never_answers_stops_nothing(chance, train):
    """A server that takes connections and says nothing."""
    online = ("logger=wandb", "logger.mode=online")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        train(*BASELINE, *online, WANDB_BASE_URL=url, WANDB_API_KEY="0" * 40)
        hindered = time.monotonic() - began
    began = time.monotonic()
    train(*BASELINE, "seed=1")
    assert hindered < 3 * (time.monotonic() - began) + 45


@whole_commands
def test_11_a_wandb_that_dies_stops_nothing(chance, settings, tmp_path):
    process = start("train", *settings, *LONG, *BASELINE, "logger=wandb", cwd=tmp_path)
    wait_for(process, tmp_path / "runs", 2)
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == process.pid and b"wandb" in (path / "cmdline").read_bytes():
                os.kill(int(path.name), signal.SIGKILL)
        except (OSError, ValueError):
            continue
    ended = end(process)
    assert ended.returncode == 0, ended.stderr
    (metrics,) = (tmp_path / "runs").glob("*/metrics.jsonl")
    assert '"update": 240' in metrics.read_text().splitlines()[-1]
    assert command("train", *settings, *LONG, *BASELINE, cwd=tmp_path).returncode == 0


@whole_commands
def test_05_a_disk_too_small_for_the_faces_is_an_error_in_words(chance, tmp_path):
    """A page of a mapped file that the disk has no room for is SIGBUS."""
    words = ("task=fonts", "profile=smoke", "logger=csv", *BASELINE, "task.data=data")
    with small_disk(tmp_path / "data", f"size={4 * chance.randrange(2, 10)}k"):
        stopped = command("train", *words, cwd=tmp_path)
    assert stopped.returncode == 1, stopped.stderr
    assert re.search(r"error: cannot write data/.*: No space left on device", stopped.stderr)
