"""A denoiser is trained once per shape; a shape that is missing names the command that makes it."""

import threading
import time

import pytest

from composed.errors import ComposedError
from composed.runs.store import Store
from composed.system.console import TRAINING_ID

SHAPE = {"noise": "template", "seed": 0}
WEIGHTS = ("denoiser", "best.safetensors")


@pytest.fixture
def trained(tmp_path):
    """A store, the folders it trained in, and the training."""
    folders = []

    def train(folder):
        folders.append(folder)
        (folder / "best.safetensors").write_text("weights")

    return Store(tmp_path / "store"), folders, train


def test_a_denoiser_is_trained_once_per_shape(trained):
    store, folders, train = trained
    first = store.find(*WEIGHTS, SHAPE, train, "make it")
    assert first.read_text() == "weights"
    assert store.find(*WEIGHTS, dict(reversed(SHAPE.items())), train, "make it") == first
    assert store.find(*WEIGHTS, SHAPE, None, "make it") == first
    assert len(folders) == 1
    assert store.find(*WEIGHTS, {**SHAPE, "seed": 1}, train, "make it") != first
    assert store.find("something else", "best.safetensors", SHAPE, train, "make it") != first
    assert len(folders) == 3


def test_a_training_that_failed_goes_on_in_its_folder(trained):
    store, folders, train = trained

    def fail(folder):
        (folder / "last.ckpt").write_text("half")
        raise ComposedError("stopped")

    with pytest.raises(ComposedError, match="stopped"):
        store.find(*WEIGHTS, SHAPE, fail, "make it")
    store.find(*WEIGHTS, SHAPE, train, "make it")
    assert (folders[0] / "last.ckpt").read_text() == "half"


def test_weights_without_the_mark_of_the_end_are_not_used(trained):
    """An interrupted training has a best checkpoint already."""
    store, folders, train = trained
    weights = store.find(*WEIGHTS, SHAPE, train, "make it")
    (weights.parent / "done.json").unlink()
    store.find(*WEIGHTS, SHAPE, train, "make it")
    assert len(folders) == 2


def test_a_missing_denoiser_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(ComposedError, match=r"denoiser-\w+ is missing, .*\n  composed-train this"):
        Store(tmp_path / "none").find(*WEIGHTS, SHAPE, None, "composed-train this")
    assert not (tmp_path / "none").exists()


def test_a_helping_process_trains_along_without_lock_or_mark(trained, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv(TRAINING_ID, "")
    store, folders, train = trained
    with pytest.raises(FileNotFoundError):  # the folder is the main process's to make
        store.find(*WEIGHTS, SHAPE, train, "make it", leads=False)
    weights = store.find(*WEIGHTS, SHAPE, train, "make it")
    (weights.parent / "done.json").unlink()
    store.find(*WEIGHTS, SHAPE, train, "make it", leads=False)
    assert len(folders) == 3
    assert not (weights.parent / "done.json").exists()


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("together", [True, False])
def test_who_helps_makes_an_entry_with_its_own_leader(together, ours, tmp_path, monkeypatch):
    """While the main process waits for another run's, its helper must not begin, whoever has started it."""
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_STEP_NUM_TASKS", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(TRAINING_ID, "of an earlier test")
    if together:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "this")
        monkeypatch.setenv("WORLD_SIZE", "2")
    store, made, begun = Store(tmp_path), [], threading.Event()

    def make(folder):
        begun.set()
        time.sleep(0.3)
        (folder / "best.safetensors").write_text("weights")

    def help_along():
        begun.wait()
        monkeypatch.setenv("LOCAL_RANK", "1")
        if not ours:
            monkeypatch.setenv("TORCHELASTIC_RUN_ID" if together else TRAINING_ID, "other")
        assert store.find(*WEIGHTS, SHAPE, made.append, "make it", leads=False).name == "best.safetensors"

    helper = threading.Thread(target=help_along)
    helper.start()
    store.find(*WEIGHTS, SHAPE, make, "make it")
    helper.join()
    assert len(made) == ours
