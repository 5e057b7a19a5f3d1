"""A run finds its own folder again by what shapes its numbers, and by nothing else."""

import copy
import json
import os
import subprocess
from dataclasses import replace
from typing import Any

import pytest
import yaml

from composed.config import Config
from composed.config.identity import content_key, of_trainer, shaping
from composed.config.options import CONF
from composed.config.structure import forms
from composed.config.trainer import Trainer
from composed.errors import ComposedError, DataError
from composed.runs import folder as run_folder
from composed.runs.folder import RunFolder, environment
from composed.system.console import TRAINING_ID, training_id
from tests.test_configs import node

TRAINER = [key for key in forms(Trainer) if key != "lightning"]
NODE = node("profile=smoke", "finetuning=composed", "seed=3", "logger=csv")
CONFIG = Config.read(NODE)


def changed(*path: str, to: object) -> Config:
    """With another value at a key; of a mapping, with some of its values."""
    whole = copy.deepcopy(NODE)
    group: Any = whole
    for key in path[:-1]:
        group = group[key]
    group[path[-1]] = {**group[path[-1]], **to} if isinstance(to, dict) else to
    return Config.read(whole)


def test_the_name_says_what_the_run_is():
    folder = RunFolder.of(CONFIG)
    assert folder.path.parent.name == "runs"
    assert folder.path.name.startswith("sanstype-smoke-composed-r0-seed3-")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("logger",), {"name": "wandb", "project": "mine", "mode": "offline"}),
        (("judge", "workers"), 7),
        (("trainer", "checkpoints"), 3),
        (("store",), "elsewhere"),
        (("redo",), True),
        (("task", "data"), "elsewhere"),
        (("denoiser",), "store"),
        (("schedules", "pretrained"), {"lr": 5e-3}),
        (("backtranslation", "schedule"), "pretrained"),
    ],
)
def test_what_shapes_no_number_does_not_change_the_folder(path, value):
    assert RunFolder.of(changed(*path, to=value)).path == RunFolder.of(CONFIG).path


@pytest.mark.parametrize(
    ("path", "value"),
    [(("seed",), 4), (("optim", "lr"), 2e-3), (("task", "folder"), "mine"), (("denoiser",), "a/path")],
)
def test_what_shapes_numbers_changes_the_folder(path, value):
    assert RunFolder.of(changed(*path, to=value)).path != RunFolder.of(CONFIG).path


def test_a_content_key_ignores_the_order_of_keys_and_nothing_else():
    assert content_key({"a": 1, "b": [1, 2]}) == content_key({"b": [1, 2], "a": 1})
    assert content_key({"a": [1, 2]}) != content_key({"a": [2, 1]})
    assert content_key({"a": 1}) != content_key({"a": "1"})
    assert len(content_key(shaping(CONFIG))) == 12


def test_a_run_reads_back_what_it_was_asked_for(tmp_path):
    folder = RunFolder(tmp_path)
    folder.describe(CONFIG, ["seed=3", "denoiser=store", "task.title='a b'"])
    assert folder.config() == NODE
    assert folder.command() == """composed-train seed=3 denoiser=store 'task.title='"'"'a b'"'"''"""
    assert folder.command(denoiser="auto").endswith(" denoiser=auto")
    assert "store" not in folder.command(denoiser="auto")
    assert json.loads((tmp_path / "environment.json").read_text())["packages"]["torch"]
    assert not folder.predicted()
    assert not folder.finished()


def test_half_a_file_of_a_killed_process_goes_when_its_run_goes_on(tmp_path):
    (tmp_path / ".predictions-id.jsonl.17.tmp").write_text('{"id"')
    RunFolder(tmp_path).describe(CONFIG, [])
    assert not list(tmp_path.glob("*.tmp"))


def test_clearing_leaves_the_lock_alone(tmp_path):
    folder = RunFolder(tmp_path)
    with folder.locked():
        folder.describe(CONFIG, [])
        folder.checkpoints.mkdir()
        (folder.checkpoints / "last.ckpt").touch()
        folder.clear()
        assert os.listdir(tmp_path) == [".lock"]


def test_two_processes_on_one_run_are_refused(tmp_path):
    folder = RunFolder(tmp_path)
    with folder.locked(), pytest.raises(ComposedError, match="another process is working on"), folder.locked():
        pass
    with folder.locked():
        pass


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(DataError, match=r"is no run folder: it has no config\.yaml"):
        RunFolder.existing(tmp_path)


def test_the_code_is_known_by_its_commit_where_there_is_one(tmp_path, monkeypatch):
    assert run_folder.git_revision(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "file").write_text("1")
    subprocess.run([*git, "add", "file"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)
    revision = run_folder.git_revision(tmp_path)
    assert revision is not None
    assert len(revision) == 12
    (tmp_path / "file").write_text("2")
    assert run_folder.git_revision(tmp_path) == f"{revision}-dirty"
    monkeypatch.setenv("PATH", "")
    assert run_folder.git_revision(tmp_path) is None


def test_the_environment_is_plain_data():
    json.dumps(environment())


def test_an_estimator_that_is_not_used_and_a_reverse_model_that_is_shape_accordingly():
    standard = changed("finetuning", "train_through", to=None)
    other = replace(standard, estimator=changed("estimator", "samples", to=2).estimator)
    assert RunFolder.of(standard).path == RunFolder.of(other).path
    assert RunFolder.of(CONFIG).path != RunFolder.of(changed("estimator", "samples", to=2)).path
    augmented = changed("finetuning", "extra_pairs", to="backtranslation")
    schedules = changed("schedules", "scratch", "lr", to=1e-4).schedules
    slower = replace(augmented, schedules=schedules)
    assert RunFolder.of(augmented).path != RunFolder.of(slower).path


@pytest.mark.parametrize("end", ["ours", "finished"])
def test_a_helping_process_waits_for_its_own_first_process_or_for_the_end_of_anothers_run(end, tmp_path, monkeypatch):
    """Two trainings may want the same run, to start from it: what another describes is not to be helped with."""
    monkeypatch.setenv(TRAINING_ID, "another")
    folder = RunFolder(tmp_path / "run")
    folder.describe(CONFIG, [])
    ours = training_id()
    (folder.path / ".training_id").write_text("another")
    monkeypatch.setenv("LOCAL_RANK", "1")
    waited = []

    def sleep(_seconds: float) -> None:
        waited.append(1)
        (folder.path / ".training_id").write_text(ours) if end == "ours" else folder.result.touch()

    monkeypatch.setattr("time.sleep", sleep)
    folder.wait_for_description()
    assert waited == [1]


def test_what_a_person_gives_lightning_makes_other_weights_in_the_store_and_more_devices_do_not():
    several = changed("trainer", to={"devices": 2, "strategy": "ddp", "threads": 1, "precision": "32-true"}).trainer
    assert of_trainer(several) == {"precision": "32-true"}
    given = replace(several, lightning={"gradient_clip_algorithm": "value"})
    assert of_trainer(given) == {"precision": "32-true", "trainer": {"gradient_clip_algorithm": "value"}}


def test_the_trainer_group_has_no_other_keys_than_those_that_are_known():
    assert yaml.safe_load((CONF / "trainer" / "cpu.yaml").read_text("utf-8")).keys() == {*TRAINER}
