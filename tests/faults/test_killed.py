"""Processes that are killed: at random moments, in a checkpoint's write, with another one at work, with their sweep.

The trainings are toys, forked from this process, so that dozens of deaths take seconds.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from composed.models.composition import freeze
from composed.models.estimators import rloo
from composed.system import files
from composed.system.files import locked
from composed.tasks.loss import ComposedTerm
from composed.tasks.module import Stage
from composed.training import checkpoints
from tests import toys
from tests.commands import BASELINE, LONG, LONG_COMPOSED, command, end, run_folders, same_bits, start, wait_for
from tests.test_training import fit, last, same

UPDATES = 40
_many = pytest.mark.slow("deaths at other moments, and dozens of them take a minute")
TWENTY = [*range(4), *(pytest.param(number, marks=_many) for number in range(4, 20))]
whole_commands = pytest.mark.slow("a fault done to whole commands, tens of seconds each")


def toy(folder: Path) -> None:
    """Shuffled batches in two parts, dropout, two stages, samples through a denoiser, a denoising loss."""
    term = ComposedTerm(freeze(toys.model(5)), rloo(2), 0.1, 4, max_length=8)
    fit(
        folder,
        updates=UPDATES,
        validate_every=8,
        accumulate=2,
        train=[toys.reversals(40, 0), toys.reversals(20, 3)],
        denoising=toys.reversals(30, 2),
        objective={"term": term, "stages": [Stage(0.6, {"decoder": 0.0}), Stage(0.4)], "denoising_weight": 0.5},
    )


def dies(work: Callable[[], None], after: float = 3600.0) -> bool:
    """Whether `work`, in a process of its own, is dead by SIGKILL after so many seconds, which it may do itself."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    deadline = time.monotonic() + after
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.WIFSIGNALED(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, float]:
    """A training that nothing happened to, and how many seconds it took."""
    folder = tmp_path_factory.mktemp("whole")
    began = time.monotonic()
    toy(folder)
    return folder, time.monotonic() - began


def assert_equal_ends(parts: Path, whole: Path) -> None:
    assert same(last(whole), last(parts))
    assert (whole / "best.safetensors").read_bytes() == (parts / "best.safetensors").read_bytes()
    assert (whole / "metrics.jsonl").read_text() == (parts / "metrics.jsonl").read_text()


@pytest.mark.parametrize("number", TWENTY)
def test_01_killed_at_a_random_moment(number, chance, whole, tmp_path):
    """Twenty deaths, twenty ends with the same bits: weights, optimiser, best weights, metrics once each."""
    folder, seconds = whole
    for attempt in range(20):
        parts = tmp_path / str(attempt)
        if dies(lambda: toy(parts), chance.uniform(0.02, 0.9) * seconds):  # noqa: B023
            break
    else:
        pytest.fail("every training ended before it was killed")
    toy(parts)
    assert_equal_ends(parts, folder)


def killing_writer(chance: random.Random, checkpoint: int) -> Callable[[Path, memoryview], None]:
    """`write_bytes` that dies in the checkpoint of this number: after a random byte, or around the rename."""
    moment = chance.choice(["write"] * 3 + ["fsync", "replace", "replaced"])
    written = iter(range(10**6))

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def write(path: Path, data: memoryview) -> None:
        if next(written) < checkpoint:
            return files.write_bytes(path, data)
        if moment in ("fsync", "replace"):
            setattr(os, moment, die)
        if moment == "write":
            part = data[: chance.randrange(len(data))]
            files.write_atomically(path, lambda temporary: (temporary.write_bytes(part), die()))
        files.write_bytes(path, data)
        die()

    return write


@pytest.mark.parametrize("number", TWENTY)
def test_02_killed_while_it_writes_a_checkpoint(number, chance, whole, tmp_path, monkeypatch):
    folder, _ = whole
    checkpoint = chance.randrange(12)
    write = killing_writer(chance, checkpoint)

    def work() -> None:
        checkpoints.write_bytes = write  # type: ignore[assignment]
        toy(tmp_path)

    assert dies(work)
    toy(tmp_path)
    assert_equal_ends(tmp_path, folder)
    assert not list(tmp_path.glob(".*.tmp"))


def test_10_a_second_process_on_one_run_and_the_lock_of_a_killed_one(chance, tmp_path):
    """The lock goes with its process, however that ends."""
    (tmp_path / "file").write_text("of the first")

    def work() -> None:
        with locked(tmp_path, lambda: None):
            (tmp_path / "ready").touch()
            time.sleep(3600)

    def wait_and_kill(pid: int) -> None:
        while not (tmp_path / "ready").exists():
            time.sleep(0.01)
        busy = []
        with pytest.raises(RuntimeError), locked(tmp_path, lambda: busy.append(1) or _refuse()):
            (tmp_path / "file").write_text("of the second")
        assert busy
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    pid = os.fork()
    if pid == 0:
        work()
    wait_and_kill(pid)
    assert (tmp_path / "file").read_text() == "of the first"
    with locked(tmp_path, lambda: pytest.fail("the lock outlived its process")):
        pass


def _refuse() -> None:
    raise RuntimeError


@whole_commands
def test_01_a_real_run_killed_at_random_moments(chance, train, settings, one, tmp_path):
    train(*LONG_COMPOSED, "runs=whole")
    for _ in range(2):
        process = start("train", *settings, *LONG_COMPOSED, "runs=parts", cwd=tmp_path)
        wait_for(process, tmp_path / "parts", chance.randrange(2, 20))
        time.sleep(chance.random() / 10)
        process.kill()
        end(process)
    resumed = train(*LONG_COMPOSED, "runs=parts")
    assert same_bits(one("whole"), one("parts"))
    for name in ("metrics.jsonl", "predictions-id.jsonl", "predictions-ood.jsonl"):
        assert (one("whole") / name).read_bytes() == (one("parts") / name).read_bytes()
    assert "training the denoiser" not in resumed.stderr


@whole_commands
def test_10_a_second_command_on_a_run_is_refused_and_changes_nothing(chance, train, settings, one, tmp_path):
    process = start("train", *settings, *LONG, *BASELINE, cwd=tmp_path)
    wait_for(process, tmp_path / "runs", 2)
    process.send_signal(signal.SIGSTOP)
    refused = train(*LONG, *BASELINE, "redo=true", code=1)
    assert "another process is working on" in refused.stderr
    assert process.poll() is None
    process.kill()
    end(process)
    assert "resuming after" in train(*LONG, *BASELINE).stderr


@whole_commands
def test_12_a_sweep_killed_and_given_again_runs_what_is_left(chance, tmp_path):
    """SIGKILL of the sweep itself: its job ends with it, and the finished ones stay as they are."""
    words = ("-m", "hydra/launcher=composed", "task=staircase", "profile=smoke", "logger=csv", "finetuning=baseline")
    words = (*words, "optim.updates=20", "optim.record_every=10", "seed=0,1,2")
    process = start("train", *words, cwd=tmp_path)
    runs = tmp_path / "runs"
    while not list(runs.glob("*/result.json")):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    end(process)
    done = len(results := list(runs.glob("*/result.json")))
    finished = {path: path.read_bytes() for each in results for path in each.parent.rglob("*") if path.is_file()}
    finished = {path: data for path, data in finished.items() if path.name != "log.txt"}
    again = command("train", *words, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"{3 - done} of 3 runs to do" in again.stderr
    assert {path: path.read_bytes() for path in finished} == finished
    assert len(run_folders(runs)) == 3
