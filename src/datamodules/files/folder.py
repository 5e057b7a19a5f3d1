"""Which files of a folder train, validate, test and are outputs without inputs, and what is amiss between them."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from composed.datamodules.text import TEST_SET, TEST_SET_WORDS, Split, TextData, up_to_blanks
from composed.errors import DataError

HELD_OUT = 0.1  # share of the training examples, or of the unlabeled outputs, that validate where no file does
MOST_HELD_OUT = 500
UNLABELED = ("unlabeled", "unlabeled_val")
OTHER_NAMES = {"val": ("valid", "validation", "dev"), "train": ("training",)}  # that people give these splits


@dataclass(frozen=True)
class Layout:
    """How the files of a folder are named and read.

    ends: of the files of a split, without its name; the split is there where one of them is.
    read: the labeled examples of a split. outputs: those of an unlabeled one; [] where there is none.
    """

    ends: Sequence[str]
    read: Callable[[Path, str], Split]
    outputs: Callable[[Path, str], list[str]]

    def splits(self, folder: Path) -> set[str]:
        return {path.name.removesuffix(end) for end in self.ends for path in folder.glob(f"[!.]*{end}")}

    def paths(self, folder: Path) -> list[Path]:
        return sorted({path for end in self.ends for path in folder.glob(f"[!.]*{end}") if path.is_file()})


def read_folder(folder: Path, layout: Layout, *, tests: Sequence[str] | None, seed: int) -> TextData:
    """The data of a folder. Without a split `val`, a share of the training examples that `seed` draws validates.

    `tests`: the names of the test sets; None: those that begin with `test`. Raises DataError.
    """
    if not folder.is_dir():
        reason = "is a file, not a folder" if folder.exists() else "no such folder"
        raise DataError(f"task.folder={folder}: {reason}; name the folder that has train{layout.ends[0]} and others")
    there = layout.splits(folder)
    _check_names(folder, there)
    names = _test_sets(folder, layout, there, tests)
    if "train" not in there:
        raise DataError(f"{folder} has no training examples: {_as_files('train', layout)} is missing")
    train = layout.read(folder, "train")
    judged = {name: layout.read(folder, name) for name in names}
    notes = [*_left_over(folder, there, names), *_known_inputs(train, judged)]
    if "val" in there:
        val = layout.read(folder, "val")
    else:
        train, val = hold_out(train, seed)
        notes.append(
            f"{folder} has no split val: {len(val)} of the {len(train) + len(val)} training examples, drawn by "
            f"task.seed={seed}, validate"
        )
    unlabeled, unlabeled_val, told = _unlabeled(folder, layout, there, train, val, seed)
    return TextData(train, val, judged, unlabeled, unlabeled_val, notes=(*notes, *told))


def hold_out(examples: Split, seed: int) -> tuple[Split, Split]:
    """Examples to train and to validate on; those with equal inputs stay together. Raises DataError for too few."""
    groups: dict[str, list[int]] = {}
    for place, source in enumerate(examples.sources):
        groups.setdefault(up_to_blanks(source), []).append(place)
    if len(groups) < 2:
        raise DataError("one training input is too few to train and to validate; add examples, or a split val")
    wanted, held = _held_out(len(examples)), set[int]()
    for places in random.Random(f"files/{seed}/val").sample([*groups.values()], len(groups) - 1):
        if len(held) >= wanted:
            break
        held |= {*places}
    return _chosen(examples, lambda place: place not in held), _chosen(examples, lambda place: place in held)


def _held_out(count: int) -> int:
    return min(MOST_HELD_OUT, max(1, round(HELD_OUT * count)))


def _chosen(examples: Split, takes: Callable[[int], bool]) -> Split:
    def of(column: list[Any]) -> list[Any]:
        return [value for place, value in enumerate(column) if takes(place)]

    columns = ("sources", "targets", "tests", "records")
    return replace(examples, **{name: of(getattr(examples, name)) for name in columns})


def _check_names(folder: Path, there: set[str]) -> None:
    for name, others in OTHER_NAMES.items():
        if name not in there and (other := next((other for other in others if other in there), "")):
            raise DataError(f"{folder}/{other}.*: the split is called {name} here; rename its files to {name}.*")


def _test_sets(folder: Path, layout: Layout, there: set[str], asked: Sequence[str] | None) -> list[str]:
    if asked is None:
        names = sorted(name for name in there if name.startswith("test"))
        if not names:
            raise DataError(
                f"{folder} has no test set: {_as_files('test', layout)}; or name others, such as task.tests=[dev]"
            )
    else:
        names = [*dict.fromkeys(asked)]
    for name in names:
        if name not in there:
            raise DataError(f"{folder} has no test set {name}: {_as_files(name, layout)} is missing")
        if name in ("train", "val", *UNLABELED) or not TEST_SET.fullmatch(name):
            reason = "trains" if name == "train" else TEST_SET_WORDS if not TEST_SET.fullmatch(name) else "is none"
            raise DataError(f"{folder}/{name}.*: no name for a test set: {reason}; rename these files")
    return names


def _as_files(name: str, layout: Layout) -> str:
    first, *rest = layout.ends
    return f"{name}{first}" + (f" (or {' and '.join(name + end for end in rest)})" if rest else "")


def _left_over(folder: Path, there: set[str], tests: Sequence[str]) -> list[str]:
    others = sorted(there - {"train", "val", *UNLABELED, *tests})
    return [
        f"{folder}/{name}.* is not read; task.tests=[{','.join([*tests, name])}] tests on it, too" for name in others
    ]


def _known_inputs(train: Split, tests: Mapping[str, Split]) -> list[str]:
    known = {up_to_blanks(source) for source in train.sources}
    told = []
    for name, split in tests.items():
        if count := sum(up_to_blanks(source) in known for source in split.sources):
            told.append(
                f"warning: {count} of {len(split)} inputs of {name} are inputs of the training too, so that test set "
                "measures memory as well; composed-check names them"
            )
    return told


def _unlabeled(
    folder: Path, layout: Layout, there: set[str], train: Split, val: Split, seed: int
) -> tuple[list[str], list[str], list[str]]:
    """Outputs that the denoiser learns from, those that select it, and what a person should know of them."""
    outputs = {name: layout.outputs(folder, name) if name in there else [] for name in UNLABELED}
    if not outputs["unlabeled"]:
        told = (
            f"{folder} has no outputs without inputs, {_as_files('unlabeled', layout)}: the denoiser learns from the "
        )
        return train.targets, outputs["unlabeled_val"] or val.targets, [f"{told}{len(train)} training outputs"]
    if outputs["unlabeled_val"]:
        return outputs["unlabeled"], outputs["unlabeled_val"], []
    different = [*dict.fromkeys(outputs["unlabeled"])]
    if len(different) < 2:
        raise DataError(f"{folder}: unlabeled.* has one output; a denoiser needs more, or remove the file")
    held = {*random.Random(f"files/{seed}/unlabeled_val").sample(different, _held_out(len(different)))}
    kept = [output for output in outputs["unlabeled"] if output not in held]
    told = (
        f"{folder} has no split unlabeled_val: {len(held)} of the {len(different)} different unlabeled outputs, drawn "
    )
    return kept, [output for output in different if output in held], [f"{told}by task.seed={seed}, select the denoiser"]
