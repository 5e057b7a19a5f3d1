"""Training resumes exactly, keeps what is good, freezes what is frozen, and stops for good reasons."""

import errno
import itertools
import json
import os
import signal
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from composed.errors import ComposedError, DataError, TrainingError
from composed.models.composition import fingerprint, freeze
from composed.models.estimators import rloo
from composed.tasks import training
from composed.tasks.progress import Interrupted
from composed.tasks.sequence import SequenceTask, Through
from tests import toys


def fit(folder: Path, *, seed=0, through: Through | None = None, model=None, metadata=None, **changes):
    task = SequenceTask(model or toys.model(seed), toys.optim(**changes), seed=seed, through=through)
    best = training.train(
        task,
        toys.reversals(40, 0),
        toys.reversals(8, 1),
        stage="test",
        checkpoints=folder,
        metrics=folder / "metrics.jsonl",
        metadata=metadata or {"vocabulary": "toy"},
        trainer=toys.CPU,
        loggers=[],
    )
    return task, best


def last(folder: Path) -> dict:
    return torch.load(folder / "last.ckpt", weights_only=True)


def same(first: object, second: object) -> bool:
    """Bit for bit, through nested dicts and lists."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)  # type: ignore[arg-type]
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)  # type: ignore
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))  # type: ignore
    return first == second


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


def composed_term(after: int = 4) -> Through:
    return Through(freeze(toys.model(5)), rloo(2), 0.1, after, max_length=8)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("update", [1, 3, 4, 10])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_stopped_training_ends_bit_identical_to_an_uninterrupted_one(
    tmp_path, stop_at, monkeypatch, update, number, accumulate
):
    settings = {"through": composed_term(), "accumulate": accumulate}
    fit(tmp_path / "whole", **settings)
    with monkeypatch.context() as patches:
        patches.setattr("composed.tasks.progress.say", lambda _line: None)
        stop_at(update, number)
        with pytest.raises(Interrupted) as stopped:
            fit(tmp_path / "parts", **settings)
    assert stopped.value.code == 128 + number
    monkeypatch.undo()
    assert last(tmp_path / "parts")["updates"] == update + 1
    fit(tmp_path / "parts", **settings)
    assert same(last(tmp_path / "whole"), last(tmp_path / "parts"))
    assert (tmp_path / "whole/metrics.jsonl").read_text() == (tmp_path / "parts/metrics.jsonl").read_text()
    assert (tmp_path / "whole/best.safetensors").read_bytes() == (tmp_path / "parts/best.safetensors").read_bytes()


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        fit(tmp_path / name, seed=seed)
    assert same(last(tmp_path / "a"), last(tmp_path / "b"))
    assert not same(last(tmp_path / "a")["model"], last(tmp_path / "c")["model"])


def test_a_finished_training_is_not_trained_again(tmp_path):
    fit(tmp_path)
    before = (tmp_path / "last.ckpt").stat().st_mtime_ns
    fit(tmp_path)
    assert (tmp_path / "last.ckpt").stat().st_mtime_ns == before


def test_the_denoiser_does_not_move_while_f_does(tmp_path):
    through = composed_term(after=0)
    before, start = fingerprint(through.denoiser.state_dict().values()), fingerprint(toys.model().parameters())
    task, _ = fit(tmp_path, through=through)
    assert fingerprint(through.denoiser.state_dict().values()) == before
    assert not any(module.training for module in through.denoiser.modules())
    assert fingerprint(task.model.parameters()) != start
    assert set(last(tmp_path)["model"]) == set(toys.model().state_dict())


def test_until_the_composed_term_joins_a_composed_training_is_the_standard_one(tmp_path):
    """The comparison of the two modes is paired: same batches, same dropout, same weights up to that update."""
    fit(tmp_path / "standard", updates=8)
    fit(tmp_path / "composed", updates=8, through=composed_term(after=8))
    fit(tmp_path / "from the start", updates=8, through=composed_term(after=0))
    assert same(last(tmp_path / "standard")["model"], last(tmp_path / "composed")["model"])
    assert not same(last(tmp_path / "standard")["model"], last(tmp_path / "from the start")["model"])


def test_accumulated_parts_equal_one_large_batch(tmp_path):
    """The gradient of an update in two parts is that of all its rows at once (no dropout, one update of plain Adam)."""
    task, _ = fit(
        tmp_path / "parts", model=toys.model(dropout=0.0), accumulate=2, updates=1, validate_every=1, warmup=0
    )
    model = toys.model(dropout=0.0)
    updates = training.Updates(toys.reversals(40, 0), batch_tokens=60, accumulate=2, seed=0)
    updates.stop = 1
    parts = list(updates)
    loss = sum(model.nll(part.source, part.target).sum() for part in parts) / parts[0].tokens
    optimizer = torch.optim.AdamW(
        model.parameters(), task.optim.rate(0), betas=(0.9, 0.98), weight_decay=1e-4, fused=True
    )
    loss.backward()
    optimizer.step()
    for name, value in last(tmp_path / "parts")["model"].items():
        torch.testing.assert_close(value, model.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_a_nan_loss_stops_at_its_update_and_keeps_the_last_checkpoint(tmp_path):
    model, updates = toys.model(), itertools.count()
    original = model.nll

    def nll(source, target, **settings):
        poisoned = model.training and next(updates) == 7
        return original(source, target, **settings) * (float("nan") if poisoned else 1.0)

    model.nll = nll  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="nan at update 7"):
        fit(tmp_path, model=model)
    assert last(tmp_path)["updates"] == 6
    assert all(torch.isfinite(value).all() for value in last(tmp_path)["model"].values())


def test_a_full_disk_is_an_error_and_the_older_checkpoint_stays(tmp_path, monkeypatch):
    real, saved = os.fsync, []

    def full_after_one(descriptor: int) -> None:
        if len(saved) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        saved.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full_after_one)
    with pytest.raises(ComposedError, match="No space left on device"):
        fit(tmp_path)
    assert last(tmp_path)["updates"] == 3
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_damaged_checkpoint_is_named(tmp_path):
    fit(tmp_path, updates=4)
    (tmp_path / "last.ckpt").write_bytes((tmp_path / "last.ckpt").read_bytes()[:500])
    with pytest.raises(DataError, match=r"last\.ckpt"):
        fit(tmp_path, updates=4)


def test_a_checkpoint_of_another_vocabulary_is_refused(tmp_path):
    fit(tmp_path, updates=4)
    with pytest.raises(DataError, match="another vocabulary"):
        fit(tmp_path, updates=8, metadata={"vocabulary": "permuted"})


def test_the_best_weights_are_those_of_the_lowest_validation_loss(tmp_path):
    task, best = fit(tmp_path, updates=40, lr=0.3, warmup=0)  # too fast, so that the best is not the last
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    validations = {row["update"]: row["selection"] for row in rows if row["split"] == "validation"}
    assert best["update"] == min(validations, key=validations.__getitem__)
    pairs = toys.reversals(8, 1)
    batch = pairs.batch(range(8))
    with torch.no_grad():
        loss = task.model.eval().nll(batch.source, batch.target).sum() / (batch.target != 0).sum()
    assert loss.item() == pytest.approx(best["selection"], rel=1e-5)


def test_the_learning_rate_follows_its_schedule():
    optim = toys.optim(updates=100, warmup=10, lr=1.0, initial_lr=0.0)
    assert [optim.rate(update) for update in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert optim.rate(55) == pytest.approx(0.5)
    inverse = toys.optim(updates=100, warmup=10, lr=1.0, decay="inverse_sqrt")
    assert inverse.rate(39) == pytest.approx(0.5)
    assert toys.optim(decay="constant").rate(11) == 3e-3
