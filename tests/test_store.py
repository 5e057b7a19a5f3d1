"""A denoiser is trained once per shape; a shape that is missing names the command that makes it.

What a process comes by on its way is left for the next, whole or not at all, and goes when it is old.
"""

import os
import threading
import time

import pytest

from composed.errors import ComposedError
from composed.runs.store import Store
from composed.system.console import TRAINING_ID
from composed.system.files import locked, write_text

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


class Passing:
    """A process that needs a word, and says "made" on its way where there is none."""

    def __init__(self, root, fails=None):
        self.store, self.fails, self.order = Store(root), fails, []

    def __call__(self, shape=SHAPE, meanwhile=lambda: None):
        with self.store.passed_on("beginning", shape, _read, self.write) as (word, leave):
            meanwhile()
            self.order.append(word)
            leave()
        return word

    def write(self, entry):
        write_text(entry / "word", "made")
        if self.fails:
            raise self.fails


def _read(entry):
    return (entry / "word").read_text()


def _fail():
    raise RuntimeError


@pytest.fixture
def passing(tmp_path):
    return Passing(tmp_path)


def entry(root):
    (found,) = root.glob("beginning-*")
    return found


def test_what_the_first_leaves_the_next_take(passing, tmp_path):
    assert [passing(), passing(), passing({**SHAPE, "seed": 1}), passing()] == [None, "made", None, "made"]
    assert len([*tmp_path.glob("beginning-*/done.json")]) == 2


def test_a_process_that_ends_before_it_has_made_it_leaves_nothing(passing):
    with pytest.raises(RuntimeError):
        passing(meanwhile=_fail)
    assert passing() is None
    assert passing() == "made"


def test_two_at_the_same_time_make_it_once(passing, tmp_path, capsys):
    begun, second = threading.Event(), Passing(tmp_path)

    def work():
        begun.set()
        time.sleep(0.3)

    first = threading.Thread(target=passing, kwargs={"meanwhile": work})
    first.start()
    begun.wait()
    assert second() == "made"
    first.join()
    assert passing.order == [None]
    assert "another process makes" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["word", "key.json", "done.json"])
@pytest.mark.parametrize("damage", ["flipped", "gone", "more"])
def test_a_damaged_entry_is_told_and_made_anew(passing, tmp_path, capsys, name, damage):
    passing()
    path = entry(tmp_path) / name
    data = path.read_bytes()
    path.write_bytes(data + b"x" if damage == "more" else bytes([data[0] ^ 1, *data[1:]]))
    if damage == "gone":
        path.unlink()
    assert passing() is None
    unseen = (name, damage) == ("done.json", "gone")  # as one that was not finished
    assert capsys.readouterr().err.count("made anew") == (not unseen)
    assert passing() == "made"


def test_an_entry_of_another_shape_is_told_and_made_anew(passing, tmp_path, capsys):
    passing()
    other = {**SHAPE, "seed": 1}
    entry(tmp_path).rename(passing.store._folder("beginning", other))
    assert passing(other) is None
    assert "is of another training; it is made anew" in capsys.readouterr().err
    assert passing(other) == "made"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ComposedError("cannot write")])
def test_what_cannot_be_left_whole_is_not_left(tmp_path, capsys, error):
    assert Passing(tmp_path, error)() is None
    assert "is not kept for other runs; this one goes on" in capsys.readouterr().err
    assert [path.name for path in entry(tmp_path).iterdir()] == [".lock"]


def test_where_nothing_can_be_written_what_is_there_is_taken(passing, monkeypatch, capsys):
    passing()

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    for name in ("os.utime", "pathlib.Path.mkdir"):
        monkeypatch.setattr(name, refuse)
    assert passing() == "made"
    assert passing({**SHAPE, "seed": 1}) is None
    assert "Read-only file system; so nothing is kept there for other runs" in capsys.readouterr().err


def test_entries_go_by_age_and_by_size_the_least_recently_taken_first(passing):
    shapes = [{**SHAPE, "seed": seed} for seed in range(4)]
    folders = [passing.store._folder("beginning", shape) for shape in shapes]
    for age, shape, folder in zip((0, 40, 10, 20), shapes, folders, strict=True):
        passing(shape)
        then = time.time() - age * 86_400
        os.utime(folder / "done.json", (then, then))
    whole = sum(path.stat().st_size for path in folders[0].iterdir())

    def there(days, entries):
        passing.store.tidy("beginning", days=days, gigabytes=entries * whole / 1e9)
        return [number for number, folder in enumerate(folders) if (folder / "done.json").exists()]

    assert there(50, 9) == [0, 1, 2, 3]
    with locked(folders[1], _fail):
        assert there(30, 9) == [0, 1, 2, 3]  # for it is in use
    assert there(30, 9) == [0, 2, 3]
    passing(shapes[3])
    assert there(30, 2.5) == [0, 3]
    assert there(30, 0) == []
