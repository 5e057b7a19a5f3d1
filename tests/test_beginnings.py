"""Runs that agree in their first updates make them once, and end with the bits of a run alone."""

import errno
import functools
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from composed.config import Config
from composed.config.identity import beginning, branch
from composed.errors import Interrupted
from composed.experiment.beginning import begun
from composed.experiment.fine_tuning import FineTuning
from composed.experiment.run import run as train_run
from composed.models.adaptation import add_low_rank
from composed.models.anchor import Anchor
from composed.models.composition import freeze
from composed.models.estimators import posterior, reinforce, rloo, self_critical, vimco
from composed.models.relaxations import expected_embedding, gumbel, straight_through
from composed.runs.folder import RunFolder
from composed.runs.store import _digest
from composed.system.files import read_json
from composed.tasks.loss import ComposedTerm
from composed.tasks.module import Stage, Training
from composed.training import fit
from tests import toys
from tests.commands import result, same_bits
from tests.test_configs import config
from tests.test_distributed import torchrun
from tests.test_run_folder import CONFIG

UPDATES, BRANCH = 24, 18  # of profile=smoke
LAST = ("metrics.jsonl", "checkpoints/best.safetensors", "checkpoints/last.ckpt")
ESTIMATORS = (
    *(lambda: rloo(2), lambda: reinforce(1), lambda: self_critical(1), lambda: vimco(2), lambda: posterior(2)),
    *(lambda: straight_through(1), lambda: gumbel(1), lambda: expected_embedding(1)),
)

again = pytest.mark.slow("what tests/test_store.py has of the store, with trainings")


@functools.cache
def smoke(words: str) -> Config:
    return config("profile=smoke", *words.split())


def shares(first: str, second: str) -> bool:
    return beginning(smoke(first)) == beginning(smoke(second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("finetuning=standard", "finetuning=composed"),
        ("finetuning=composed estimator=gumbel", "finetuning=composed finetuning.composed_weight=0.1"),
        ("finetuning=composed finetuning.base_weight_end=0.1", "finetuning=composed decoding=beam"),
        ("finetuning=baseline", "finetuning=composed_from_scratch"),
        ("finetuning=baseline", "finetuning=baseline noise=masking"),  # which shapes no f that starts from nothing
        ("optim.decay=constant", "optim.decay=constant optim.updates=36 finetuning.compose_after=0.5"),
    ],
)
def test_what_differs_from_the_branch_on_alone_is_shared(first, second):
    assert shares(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("finetuning=composed", "finetuning=composed seed=1"),
        ("finetuning=composed", "finetuning=composed optim.lr=2e-3"),
        ("finetuning=standard", "finetuning=l2_sp"),
        ("finetuning=standard", "finetuning=standard noise=masking"),  # another denoiser, from which f starts
        ("finetuning=composed", "finetuning=composed finetuning.compose_after=0.5"),
        ("finetuning=composed", "finetuning=composed finetuning.base_weight=0.5"),
        ("finetuning=standard", "finetuning=standard finetuning.base_weight_end=0.1"),
        ("finetuning=standard optim.select=lowest", "finetuning=composed optim.select=lowest"),
        (
            "finetuning=composed",
            "finetuning=composed optim.updates=36 finetuning.compose_after=0.5",
        ),  # the rate falls more slowly
        ("finetuning=composed", "finetuning=composed trainer=ddp trainer.accelerator=cpu trainer.devices=2"),
    ],
)
def test_what_shapes_an_update_before_the_branch_is_not(first, second):
    assert not shares(first, second)


@pytest.mark.parametrize(
    ("words", "update"),
    [
        ("finetuning=composed", BRANCH),
        ("finetuning=standard", BRANCH),
        ("finetuning=composed beginnings.share=0.5", BRANCH),
        ("finetuning=standard beginnings.share=1", 0),
        ("task=staircase finetuning=baseline", 0),
    ],
)
def test_runs_part_where_the_composed_term_joins(words, update):
    assert branch(smoke(words)) == update


class Log:
    """A logger that notes the updates."""

    def __init__(self, updates: list[int]) -> None:
        self.updates = updates

    def log_metrics(self, _metrics: dict[str, float], step: int) -> None:
        self.updates.append(step)


@pytest.fixture
def toy(tmp_path):
    """Fine-tunes a toy as a run of this name does; returns its folder, and whether it took its beginning."""

    def run(name: str, make: Any = None, *, shared: bool = True, log: list[int] | None = None, **words: Any):
        folder = RunFolder(tmp_path / ("shared" if shared else "alone") / name)
        folder.path.mkdir(parents=True, exist_ok=True)
        size = replace(CONFIG.beginnings, size=4.0 if shared else 0.0)
        settings = replace(CONFIG, store=str(tmp_path / "store"), beginnings=size)
        best = fine_tune(settings, _tuning(make, **words), folder, [] if log is None else [Log(log)])
        (folder.path / "best.json").write_text(json.dumps(best))
        return folder.path, folder.beginning.exists()

    return run


def _tuning(make: Any, *, model: Any = toys.model, anchored: bool = False, **words: Any) -> FineTuning:
    """Half of the words are of the optimiser."""
    optim = {key: words.pop(key) for key in ("validate_every", "accumulate", "select", "lr") if key in words}
    term = make and ComposedTerm(freeze(toys.model(5)), make(), 0.1, BRANCH, max_length=8)
    f = model()
    training = Training(
        f,
        toys.optim(**{"updates": UPDATES, "validate_every": 12, "select": "last", **optim}),
        seed=0,
        term=term,
        penalties=[Anchor(f, 0.5)] if anchored else [],
        **words,
    )
    return FineTuning(training, [toys.reversals(40, number) for number in range(len(training.stages))], None)


def fine_tune(settings: Config, tuning: FineTuning, folder: RunFolder, loggers: list[Any]) -> dict[str, float]:
    task: Any = SimpleNamespace(config=settings, signature="toy")
    stage, metadata = folder.path.name, {"vocabulary": "toy", "who": folder.path.name}
    with begun(task, tuning, folder, stage=stage, metadata=metadata, loggers=loggers) as beginning:
        return fit.train(
            tuning.training,
            tuning.train,
            toys.reversals(8, 9),
            stage=stage,
            checkpoints=folder.checkpoints,
            metrics=folder.metrics,
            metadata=metadata,
            trainer=toys.CPU,
            loggers=loggers,
            milestone=beginning.milestone,
        )


def equal(shared: Path, alone: Path) -> bool:
    return all((shared / name).read_bytes() == (alone / name).read_bytes() for name in LAST)


def same_as_alone(toy, makes, **words):
    """The first of them makes the beginning, whatever it does later."""
    made = [toy(f"run {number}", make, **words) for number, make in enumerate(makes)]
    assert [began for _, began in made] == [False, *[True] * (len(made) - 1)]
    for (folder, _), make in zip(made, makes, strict=True):
        alone, began = toy(folder.name, make, shared=False, **words)
        assert not began
        assert equal(folder, alone)
    assert len({(folder / LAST[1]).read_bytes() for folder, _ in made}) == len(made)


@pytest.mark.parametrize(
    "makes",
    [
        [ESTIMATORS[0], None],
        pytest.param([None, *ESTIMATORS], marks=pytest.mark.slow("eighteen trainings")),
    ],
)
def test_every_estimator_ends_with_the_bits_of_a_run_alone(toy, makes):
    same_as_alone(toy, makes)


@pytest.mark.parametrize(
    "words",
    [
        {"validate_every": 6, "accumulate": 2, "base_weight_end": 0.2, "anchored": True},
        pytest.param(
            {"stages": [Stage(0.5, {"decoder": 0.0}), Stage(0.5)], "model": lambda: low_rank(toys.model())},
            marks=pytest.mark.slow("four trainings"),
        ),
    ],
)
def test_whatever_shapes_the_updates_a_shared_beginning_has_the_bits_of_a_run_alone(toy, words):
    same_as_alone(toy, [ESTIMATORS[0], ESTIMATORS[5]], **words)


def low_rank(model: Any) -> Any:
    add_low_rank(model, 2)
    return model


def test_the_best_weights_of_before_the_branch_are_the_run_s_own(toy):
    """Under optim.select=lowest, and at a rate that makes the later ones worse."""
    words = {"select": "lowest", "lr": 0.3, "validate_every": 6}
    made, (taken, began) = toy("first", **words)[0], toy("second", **words)
    assert began
    assert read_json(taken / "best.json")["update"] == BRANCH
    assert equal(taken, toy("second", shared=False, **words)[0])
    assert not equal(taken, made)  # each says whose it is


def test_what_a_run_did_not_log_while_another_made_its_beginning_it_logs_then(toy):
    first: list[int] = []
    second: list[int] = []
    toy("first", log=first)
    toy("second", log=second)
    assert second == first == [10, 12, 20, 24]


def test_a_run_that_was_stopped_before_the_branch_goes_on_behind_it(toy, stop_at, monkeypatch):
    with monkeypatch.context() as patches:
        patches.setattr("composed.training.recorder.say", lambda _line: None)
        stop_at(11)
        with pytest.raises(Interrupted):
            toy("second", ESTIMATORS[0])
    monkeypatch.undo()
    toy("first")
    folder, began = toy("second", ESTIMATORS[0])
    assert began
    assert equal(folder, toy("second", ESTIMATORS[0], shared=False)[0])


@again
def test_a_damaged_beginning_is_told_and_made_anew(toy, tmp_path, capsys):
    toy("first")
    (path,) = (tmp_path / "store").glob("beginning-*/last.ckpt")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    capsys.readouterr()
    again, began = toy("again")
    assert not began
    assert "is not as it was written; it is made anew" in capsys.readouterr().err
    assert equal(again, toy("again", shared=False)[0])
    assert toy("third")[1]


def test_a_checkpoint_of_another_model_under_the_right_name_is_told_and_made_anew(toy, tmp_path, capsys):
    """By someone who wrote the sums, too."""
    toy("first")
    (entry,) = (tmp_path / "store").glob("beginning-*")
    state = torch.load(entry / "last.ckpt", weights_only=True)
    state["model"] = {name: value[..., :1] for name, value in state["model"].items()}
    torch.save(state, entry / "last.ckpt")
    (entry / "done.json").write_text(json.dumps({"sha256": _digest(entry)}))
    assert not toy("second")[1]
    assert "last.ckpt is of another training; it is made anew" in capsys.readouterr().err


@again
def test_where_the_store_cannot_be_written_a_run_goes_on_alone(toy, tmp_path, capsys):
    (tmp_path / "store").touch()
    folder, began = toy("first")
    assert not began
    assert "cannot write into the folder" in capsys.readouterr().err
    assert equal(folder, toy("first", shared=False)[0])


def test_a_store_that_can_be_read_alone_is_used(toy, tmp_path, monkeypatch):
    toy("first")

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("composed.runs.store.os.utime", refuse)
    monkeypatch.setattr("composed.runs.store.unless_busy", refuse)
    assert toy("second")[1]


@again
def test_a_full_disk_under_the_store_stops_no_run(toy, tmp_path, monkeypatch, capsys):
    real = shutil.copyfile

    def full(source: Path, target: Path) -> Any:
        real(source, target)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patches:
        patches.setattr(shutil, "copyfile", full)
        folder, _ = toy("first")
    assert "is not kept for other runs; this one goes on" in capsys.readouterr().err
    assert equal(folder, toy("first", shared=False)[0])
    (entry,) = (tmp_path / "store").glob("beginning-*")
    assert [path.name for path in entry.iterdir()] == [".lock"]


@pytest.mark.slow("eleven whole runs")
def test_runs_of_every_mode_that_shares_end_as_they_do_alone(settings, tmp_path):
    shared = [word for word in settings if not word.startswith("beginnings.")]
    shared = [word if not word.startswith("store=") else f"store={tmp_path}/store" for word in shared]
    modes = ["standard", "composed", "composed_identity", "composed estimator=straight_through", "lora", "lora seed=1"]
    for index, mode in enumerate(modes):
        words = [f"finetuning={mode.split()[0]}", *mode.split()[1:]]
        folders = [
            train_run(config(*shared, *words, f"runs={tmp_path}/{place}", *more), [*shared, *words])
            for place, more in (("shared", ()), ("alone", ("beginnings.size=0",)))
        ]
        assert ("began" in read_json(folders[0].training)) is (index in (1, 2, 3))
        assert result(folders[0].path) == result(folders[1].path)
        assert same_bits(folders[0].path, folders[1].path)
        for name in ("metrics.jsonl", "predictions-id.jsonl", "predictions-ood.jsonl"):
            assert (folders[0].path / name).read_bytes() == (folders[1].path / name).read_bytes()


@pytest.mark.slow("whole trainings, each in two processes")
@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
def test_the_processes_of_a_training_begin_together(trainer, settings, tmp_path):
    """Whoever has started them; the first says where."""
    shared = [word for word in settings if not word.startswith(("beginnings.", "store="))]
    shared.append(f"store={tmp_path}/store")
    folders = {}
    for place, mode, *more in (
        ("first", "standard"),
        ("second", "composed"),
        ("alone", "composed", "beginnings.size=0"),
    ):
        (tmp_path / place).mkdir()
        folders[place] = torchrun(2, trainer, [*shared, f"finetuning={mode}", *more], tmp_path / place)
    began = {place: "began" in read_json(folder / "training.json") for place, folder in folders.items()}
    assert began == {"first": False, "second": True, "alone": False}
    assert same_bits(folders["second"], folders["alone"])
    for name in ("metrics.jsonl", "predictions-id.jsonl"):
        assert (folders["second"] / name).read_bytes() == (folders["alone"] / name).read_bytes()
