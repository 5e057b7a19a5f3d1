"""What tests share: how PyTorch runs here, and `composed-train` as a user runs it, in a folder of the test's own."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

import composed  # noqa: F401  (sets how threads wait, before torch loads)

# isort: split
import pytorch_lightning as pl
import torch

from tests.commands import command, run_folders

torch.set_num_threads(1)  # the toys are small, and tests may run side by side
# How long an example takes depends on the machine's other work; what an earlier session found is no part of this one.
hypothesis.settings.register_profile("tests", deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(not mark.args for mark in item.iter_markers("slow")):
            raise pytest.UsageError(f"{item.nodeid} is marked slow and does not say why")


@pytest.fixture(autouse=True)
def signals_are_left_alone(monkeypatch):
    """A command within the tests' own process answers no signals."""
    monkeypatch.setattr("composed.cli.frame.raise_on_signals", lambda: None)


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """One folder for all workers of one test session."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def once(shared) -> Callable[[str, Callable[[Path], object]], Path]:
    """A folder by this name that `make` fills, once for all workers; tests only look at it."""

    def find(name: str, make: Callable[[Path], object]) -> Path:
        place = shared / name
        with FileLock(f"{place}.lock"):
            if not (done := Path(f"{place}.done")).exists():
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir()
                make(place)
                done.touch()
        return place

    return find


@pytest.fixture
def settings(shared) -> list[str]:
    """No shared beginnings: a run that is stopped in one test is compared with one of another."""
    places = [f"task.data={shared / 'data'}", f"store={shared / 'store'}"]
    return ["profile=smoke", "logger=csv", "beginnings.size=0", *places]


@pytest.fixture
def train(settings, tmp_path):
    """`composed-train` with the smallest profile in `tmp_path`; by default it has to succeed."""

    def run(*arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        ended = command("train", *settings, *arguments, cwd=tmp_path, **environment)
        assert ended.returncode == code, ended.stderr
        assert "Traceback" not in ended.stderr
        return ended

    return run


@pytest.fixture
def one(tmp_path):
    """The folder of the only run."""

    def find(runs: str = "runs") -> Path:
        (folder,) = run_folders(tmp_path / runs)
        return folder

    return find


class StopAt(pl.Callback):
    """Sends this process a signal in the middle of an update, as Ctrl-C or a scheduler would."""

    def __init__(self, update: int, number: int) -> None:
        self.update, self.number = update, number

    def on_before_optimizer_step(self, _trainer, task, _optimizer) -> None:
        if task.updates == self.update:
            os.kill(os.getpid(), self.number)


@pytest.fixture
def stop_at(monkeypatch):
    def arrange(update: int, number: int = signal.SIGTERM) -> None:
        original = pl.Trainer.__init__

        def patched(self, *args, callbacks=(), **settings):
            original(self, *args, callbacks=[*callbacks, StopAt(update, number)], **settings)

        monkeypatch.setattr(pl.Trainer, "__init__", patched)

    return arrange
