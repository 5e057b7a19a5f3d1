"""Training resumes exactly, keeps what is good, freezes what is frozen, and stops for good reasons."""

import errno
import itertools
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning.plugins.precision import MixedPrecision

from composed.config.trainer import Trainer
from composed.datamodules.batching import Updates
from composed.errors import ComposedError, ConfigError, DataError, TrainingError
from composed.models.adaptation import add_low_rank
from composed.models.composition import fingerprint, freeze
from composed.models.estimators import rloo
from composed.models.weights import load_weights
from composed.tasks.loss import ComposedTerm
from composed.tasks.module import OTHERS, Stage, Training
from composed.training import fit as training
from composed.training.recorder import Interrupted, Recorder
from tests import toys


def fit(
    folder: Path,
    *,
    seed=0,
    model=None,
    metadata=None,
    train=None,
    denoising=None,
    objective=None,
    trainer=toys.CPU,
    **changes,
):
    """`objective`: more of Training's arguments; `train`: the pairs of its stages."""
    task = Training(model or toys.model(seed), toys.optim(**changes), seed=seed, **(objective or {}))
    best = training.train(
        task,
        train or [toys.reversals(40, 0)] * len(task.stages),
        toys.reversals(8, 1),
        denoising=denoising,
        stage="test",
        checkpoints=folder,
        metrics=folder / "metrics.jsonl",
        metadata=metadata or {"vocabulary": "toy"},
        trainer=trainer,
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


def composed_term(after: int = 4) -> ComposedTerm:
    return ComposedTerm(freeze(toys.model(5)), rloo(2), 0.1, after, max_length=8)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("update", [1, 3, 4, 10])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_stopped_training_ends_bit_identical_to_an_uninterrupted_one(
    tmp_path, stop_at, monkeypatch, update, number, accumulate
):
    stages = [Stage(0.67, {"decoder": 0.0}), Stage(0.33)]
    settings = {
        "objective": {"term": composed_term(), "stages": stages, "denoising_weight": 0.5, "base_weight_end": 0.2},
        "denoising": toys.reversals(30, 2),
        "train": [toys.reversals(40, 0), toys.reversals(20, 3)],
        "accumulate": accumulate,
    }
    fit(tmp_path / "whole", **settings)
    with monkeypatch.context() as patches:
        patches.setattr("composed.training.recorder.say", lambda _line: None)
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


def test_a_stopped_training_of_16_bits_goes_on_with_its_scale_of_the_loss(tmp_path, stop_at, monkeypatch):
    """That of half precision on a GPU, which doubles every third update here."""

    def half() -> Trainer:
        scaler = torch.amp.GradScaler("cpu", init_scale=64.0, growth_interval=3)
        return replace(toys.CPU, precision=None, lightning={"plugins": [MixedPrecision("16-mixed", "cpu", scaler)]})

    fit(tmp_path / "whole", trainer=half())
    with monkeypatch.context() as patches:
        patches.setattr("composed.training.recorder.say", lambda _line: None)
        stop_at(6)
        with pytest.raises(Interrupted):
            fit(tmp_path / "parts", trainer=half())
    monkeypatch.undo()
    assert last(tmp_path / "parts")["scaler"]["scale"] == 64 * 2**2
    fit(tmp_path / "parts", trainer=half())
    assert last(tmp_path / "parts")["scaler"]["scale"] == 64 * 2**4
    assert same(last(tmp_path / "whole"), last(tmp_path / "parts"))


def test_the_metrics_of_an_update_are_means_over_the_tokens_of_all_its_parts(tmp_path):
    still = {"model": toys.model(dropout=0.0), "lr": 1e-12, "initial_lr": 0.0, "weight_decay": 0.0}
    pairs = {"train": toys.reversals(40, 0), "denoising": toys.reversals(30, 2)}
    objective = {"denoising_weight": 0.5}
    fit(tmp_path, **still, accumulate=3, train=[pairs["train"]], denoising=pairs["denoising"], objective=objective)
    (row,) = (
        row
        for row in map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
        if row["split"] == "training"
    )
    for name, of in (("loss", "train"), ("denoising_loss", "denoising")):
        updates = Updates(pairs[of], batch_tokens=60, accumulate=3, seed=0)
        updates.stop = row["update"]
        parts = [*updates][-3:]
        with torch.no_grad():
            nll = sum(float(toys.model(dropout=0.0).nll(part.source, part.target).sum()) for part in parts)
        assert len({part.tokens for part in parts}) == 1
        assert row[name] == pytest.approx(nll / parts[0].tokens, rel=1e-5)


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


@pytest.mark.parametrize(
    "cut",
    [
        {"fast_dev_run": True},
        {"limit_train_batches": 1},
        {"overfit_batches": 1},
        {"max_time": "00:00:00:00"},
        {"max_steps": 5},
    ],
)
@pytest.mark.filterwarnings("ignore")  # of Lightning, about what it was asked for
def test_a_training_that_lightning_cuts_short_is_an_error_and_goes_on_without_the_cut(tmp_path, cut):
    with pytest.raises(TrainingError, match=r"the training of test ended after [0-9]+ of 12 updates"):
        fit(tmp_path, trainer=replace(toys.CPU, lightning=cut))
    fit(tmp_path)
    assert last(tmp_path)["updates"] == 12


@pytest.mark.filterwarnings("ignore")
def test_a_training_that_is_never_validated_is_told_as_that(tmp_path):
    with pytest.raises(TrainingError, match=r"test was never validated, .*a setting of the trainer group prevents it"):
        fit(tmp_path, trainer=replace(toys.CPU, lightning={"limit_val_batches": 0}))


def test_what_a_trainer_refuses_for_the_job_it_is_in_is_told_in_words(monkeypatch):
    for name, value in {"ID": "1", "NTASKS": "4", "PROCID": "0", "JOB_NAME": "job.sh"}.items():
        monkeypatch.setenv(f"SLURM_{name}" if name != "ID" else "SLURM_JOB_ID", value)
    with pytest.raises(ConfigError, match=r"^trainer: .*SLURM.*in a job, --ntasks-per-node has to be trainer.devices"):
        training.check_trainer(toys.CPU)


def test_a_sample_is_told_at_the_first_validation_and_at_the_end(tmp_path):
    asked: list[int] = []
    task = Training(toys.model(), toys.optim(updates=30), seed=0)
    recorder = Recorder(tmp_path / "metrics.jsonl", task, "test", [], lambda one: asked.append(one.updates) or "")
    recorder.start()
    for task.updates in (4, 8, 28, 30):
        recorder.on_validation_end(SimpleNamespace(is_global_zero=True), task)  # type: ignore[arg-type]
    recorder.stop()
    assert asked == [4, 30]


def test_the_denoiser_does_not_move_while_f_does(tmp_path):
    term = composed_term(after=0)
    before, start = fingerprint(term.denoiser.state_dict().values()), fingerprint(toys.model().parameters())
    task, _ = fit(tmp_path, objective={"term": term})
    assert fingerprint(term.denoiser.state_dict().values()) == before
    assert not any(module.training for module in term.denoiser.modules())
    assert fingerprint(task.model.parameters()) != start
    assert set(last(tmp_path)["model"]) == set(toys.model().state_dict())


def test_until_the_composed_term_joins_a_composed_training_is_the_standard_one(tmp_path):
    """The comparison of the two modes is paired: same batches, same dropout, same weights up to that update."""
    fit(tmp_path / "standard", updates=8)
    fit(tmp_path / "composed", updates=8, objective={"term": composed_term(after=8)})
    fit(tmp_path / "from the start", updates=8, objective={"term": composed_term(after=0)})
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


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), RuntimeError("DefaultCPUAllocator: no")],
)
def test_where_memory_does_not_suffice_the_error_says_what_to_lower(tmp_path, monkeypatch, error):
    def too_much(*_arguments, **_knobs):
        raise error

    monkeypatch.setattr(Training, "training_step", too_much)
    with pytest.raises(TrainingError, match=r"(?s)out of memory at update 0: .*optim.accumulate=4 .*precision=bf16"):
        fit(tmp_path, accumulate=2)


def test_another_runtime_error_stays_what_it_is(tmp_path, monkeypatch):
    def wrong(*_arguments, **_knobs):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(Training, "training_step", wrong)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        fit(tmp_path)


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


def test_a_checkpoint_of_another_vocabulary_is_refused(tmp_path):
    fit(tmp_path, updates=4)
    with pytest.raises(DataError, match="another vocabulary"):
        fit(tmp_path, updates=8, metadata={"vocabulary": "permuted"})


def test_the_last_weights_predict_where_that_is_asked_whatever_their_loss(tmp_path):
    task, best = fit(tmp_path, updates=40, lr=0.3, warmup=0, select="last")  # too fast, so that others are better
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    losses = [row["selection"] for row in rows if row["split"] == "validation"]
    assert best == {"update": 40, "selection": losses[-1]}
    assert min(losses) < losses[-1]
    state = last(tmp_path)["model"]
    assert all(torch.equal(value, state[name]) for name, value in task.model.state_dict().items())


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


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_gradients_are_clipped_in_every_precision(tmp_path, precision):
    """To a norm so far below Adam's epsilon that the weights stay where they are."""
    task, _ = fit(tmp_path, clip=1e-15, weight_decay=0.0, trainer=replace(toys.CPU, precision=precision))
    moved = [(now - then).abs().max() for now, then in zip(task.parameters(), toys.model().parameters(), strict=True)]
    assert max(moved) < 1e-6


def test_low_rank_updates_are_saved_merged_and_resume(tmp_path):
    def adapted():
        model = toys.model()
        add_low_rank(model, 2)
        return model

    objective = {"stages": [Stage(1.0, {"lora": 1, OTHERS: 0})]}
    task, _ = fit(tmp_path, model=adapted(), objective=objective)
    assert set(task.model.state_dict()) == set(toys.model().state_dict())
    bare = toys.model()
    load_weights(tmp_path / "best.safetensors", bare)
    assert same(bare.state_dict(), task.model.state_dict())
    assert torch.equal(bare.embedding.weight, toys.model().embedding.weight)
    assert not torch.equal(bare.encoder[0].attention.out.weight, toys.model().encoder[0].attention.out.weight)
    again, _ = fit(tmp_path, model=adapted(), objective=objective)
    assert same(again.model.state_dict(), task.model.state_dict())


def test_every_process_has_as_many_validation_batches_and_every_row_counts_once():
    val = toys.reversals(40, 1)
    task = Training(toys.model(), toys.optim(batch_tokens=40), seed=0)
    for processes in (1, 2, 3, 30):
        loaders = []
        for rank in range(processes):
            data = training.Data(task, [val], val, None)
            data.trainer = SimpleNamespace(global_rank=rank, world_size=processes)  # type: ignore[assignment]
            loaders.append([*data.val_dataloader()])
        assert len({len(batches) for batches in loaders}) == 1
        assert sum(batch.weight * len(batch.target) for batches in loaders for batch in batches) == 40


def test_metrics_on_a_full_disk_stop_the_training_in_words(tmp_path, monkeypatch):
    begin = Recorder.start

    def start(self) -> None:
        begin(self)
        self._file.close()
        self._file = open("/dev/full", "w")  # noqa: SIM115  (closed by `stop`)

    monkeypatch.setattr(Recorder, "start", start)
    with pytest.raises(ComposedError, match=r"cannot write .*metrics\.jsonl: No space left on device"):
        fit(tmp_path)
    monkeypatch.undo()
    fit(tmp_path)


def test_a_file_system_without_links_keeps_the_last_checkpoint_alone(tmp_path, monkeypatch):
    def link(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "link", link)
    fit(tmp_path)
    assert last(tmp_path)["updates"] == 12
    assert [path.name for path in tmp_path.glob("*.ckpt")] == ["last.ckpt"]
