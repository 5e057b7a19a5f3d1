"""As many processes as one likes, the same training: the same batches, metrics, predictions and table."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from composed.system.files import read_lines
from composed.training.recorder import Recorder
from tests import toys
from tests.commands import BASELINE, ENVIRONMENT, LONG, command, end, result, run_folders, start, wait_for
from tests.processes import together
from tests.test_training import composed_term, fit

long = pytest.mark.slow("whole trainings, each in several processes")
WORDS = (
    "trainer.accelerator=cpu",
    "trainer.precision=32-true",
    "model.dropout=0.0",
)


def torchrun(processes: int, trainer: str, settings: list[str], cwd: Path) -> Path:
    """The run folder of a training by so many processes, without dropout, whose masks depend on who has which row."""
    words = [*settings, *WORDS, f"trainer={trainer}", f"trainer.devices={processes}"]
    words += [f"runs=runs-{trainer}-{processes}"]
    launch = [
        "-m",
        "torch.distributed.run",
        "--standalone",  # on a port that is free
        "--nproc-per-node",
        str(processes),
    ]
    command = [sys.executable, *launch, "-m", "composed.cli.train", *words]
    ended = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("correct") == 4
    (folder,) = run_folders(cwd / f"runs-{trainer}-{processes}")
    return folder


@long
@pytest.mark.parametrize("mode", ["standard", "composed"])
def test_one_two_and_three_processes_give_the_same_table(mode, settings, tmp_path):
    """With weights in parts too; of `composed`, samples too: the same numbers draw a row's, whoever has the row."""
    ways = [(1, "ddp"), (2, "ddp"), (3, "ddp"), (2, "fsdp")]
    folders = [torchrun(*way, [*settings, f"finetuning={mode}"], tmp_path) for way in ways]
    counts = [result(folder)["verdicts"] for folder in folders]
    assert all(each == counts[0] for each in counts)
    rows = [list(read_lines(folder / "metrics.jsonl")) for folder in folders]
    for several in rows[1:]:
        assert len(several) == len(rows[0])
        for one, other in zip(rows[0], several, strict=True):
            assert one.keys() == other.keys()
            for name, value in one.items():
                assert other[name] == (pytest.approx(value, rel=1e-3) if isinstance(value, float) else value)
    for split in ("id", "ood"):
        predicted = [(folder / f"predictions-{split}.jsonl").read_bytes() for folder in folders]
        assert len(set(predicted)) == 1
        ids = [row["id"] for row in read_lines(folders[0] / f"predictions-{split}.jsonl")]
        assert len(set(ids)) == len(ids) == 16
        for folder in folders:
            assert [row["id"] for row in read_lines(folder / f"verdicts-{split}.jsonl")] == ids


@long
@pytest.mark.parametrize("task", ["sanstype", "fonts"])
def test_what_two_processes_predict_together_one_predicts_alone(task, train, one, tmp_path):
    """From the same weights, the same bytes; of several processes one writes."""
    train(f"task={task}", "finetuning=baseline", *WORDS[:-1], "trainer=ddp", "trainer.devices=2")
    files = sorted(one().glob("predictions-*"))
    together = [file.read_bytes() for file in files]
    measured = {key: value for key, value in result(one()).items() if key in ("verdicts", "values")}
    for file in files:
        file.unlink()
    again = command("evaluate", "--predict", str(one()), cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert [file.read_bytes() for file in files] == together
    assert {key: result(one())[key] for key in measured} == measured


@long
@pytest.mark.parametrize("dead", ["the first", "another"])
def test_where_a_process_is_killed_none_waits_for_it(dead, settings, tmp_path):
    """Not even the one that the first has started, of which nobody else knows."""
    words = [*settings, *WORDS, *BASELINE, *LONG, "trainer=ddp", "trainer.devices=2"]
    first = start("train", *words, cwd=tmp_path)
    wait_for(first, tmp_path / "runs", rows=3)
    (other,) = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
    os.kill(first.pid if dead == "the first" else int(other), signal.SIGKILL)
    ended = end(first, timeout=300)
    deadline = time.monotonic() + 60
    while running(other):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if dead == "another":
        assert ended.returncode == 1
        assert "error: another process of this training is gone" in ended.stderr
        assert "The last good checkpoint stays" in ended.stderr
    assert "Traceback" not in ended.stderr


def running(process: str) -> bool:
    """Whether it is there, and no zombie that nobody has asked about."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_metric_of_several_processes_is_a_mean_over_what_they_saw_together(tmp_path):
    """And no mean of means; a process that only computed along has seen nothing."""
    seen = {0: (30.0, 1.0), 1: (10.0, 5.0), 2: (0.0, 7.0)}  # tokens, and the mean over them

    def work(rank: int) -> dict[str, float]:
        amount, mean = seen[rank]
        metrics = {"loss": (torch.tensor(mean * amount), amount), "denoising_loss": (torch.tensor(mean), 1.0)}
        task: Any = SimpleNamespace(train_metrics=metrics)
        trainer: Any = SimpleNamespace(world_size=3, strategy=SimpleNamespace(root_device="cpu"))
        return Recorder(tmp_path / "metrics.jsonl", task, "test", [])._over_processes(trainer)

    assert together(3, work, tmp_path) == [{"loss": 2.0, "denoising_loss": pytest.approx(13 / 3)}] * 3


@pytest.mark.parametrize("denoising", [False, True])
def test_every_parameter_that_learns_has_a_gradient_in_every_update(denoising, tmp_path, monkeypatch):
    """What several processes need: none of them waits for a gradient that never comes."""
    from composed.tasks.module import Training

    unused: list[str] = []

    def on_before_optimizer_step(self, _optimizer) -> None:
        unused.extend(name for name, p in self.model.named_parameters() if p.requires_grad and p.grad is None)

    monkeypatch.setattr(Training, "on_before_optimizer_step", on_before_optimizer_step)
    objective = {"term": composed_term(after=4), **({"denoising_weight": 0.5} if denoising else {})}
    fit(tmp_path, denoising=toys.reversals(30, 2) if denoising else None, objective=objective)
    assert not unused
