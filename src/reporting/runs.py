"""Finished runs read back from their folders.

Leaves out which of them can be compared (comparable.py) and are missing (missing.py), single predictions (exhibits/),
learning curves (background.py) and what the numbers mean (table.py).
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from composed.config.decoding import decoding_word
from composed.config.identity import SEEDS, without_silent
from composed.errors import ConfigError, DataError
from composed.judges.scores import Scores
from composed.runs.folder import RunFolder
from composed.runs.result import Result

SPLIT_NAMES = {"id": "In distribution", "ood": "Out of distribution", "test": "Test"}  # others have their own
ABBREVIATED = ("id", "ood")
DECODING = ""  # the name of what says how outputs were decoded, which needs none
NO_NAMES = ("seed", "name")  # ends of keys that would say something else of a row: its own seed, its mode


@dataclass(frozen=True)
class Run:
    """One finished run.

    folder: where it lies.
    result: its numbers.
    variant: how outputs were decoded, where not greedily; then the config's values of the keys `by` that tell rows of
    one mode apart, by the shortest ends of the keys that tell these apart.
    by: these keys.
    settings: those of the task, {dotted key: value}: data and judging, but not where data lie.
    """

    folder: Path
    result: Result
    variant: tuple[tuple[str, Any], ...] = ()
    by: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def mode(self) -> str:
        return self.result.mode

    @property
    def replicate(self) -> int:
        return self.result.replicate

    @property
    def seeds(self) -> Mapping[str, int]:
        return self.result.seeds

    @property
    def own_output(self) -> str:
        return self.result.own_output

    @property
    def scores(self) -> Scores:
        return self.result.scores


class RunsFound(NamedTuple):
    """Finished runs, and the folders that are left out, with the reason; both sorted."""

    runs: list[Run]
    left_out: dict[Path, str]


def split_name(split: str) -> str:
    """A test set's name as a heading."""
    return SPLIT_NAMES.get(split, split)


def split_word(split: str) -> str:
    """A test set's name within a sentence."""
    return split.upper() if split in ABBREVIATED else split


def find_runs(paths: Iterable[Path], by: Sequence[str] = ()) -> RunsFound:
    """The runs at or below `paths`, each once. Left out: unfinished and unreadable ones, and those of other tasks than
    most. `by` are keys of the config that tell rows of one mode apart.

    Raises ConfigError for a path that is no folder or a key that no config has.
    """
    folders: dict[Path, Path] = {}
    for path in paths:
        if not path.is_dir():
            raise ConfigError(f"{path}: no such folder; give run folders, or a folder that holds some")
        folders.update({folder.resolve(): folder for folder in list(_run_folders(path)) or [path]})
    runs, left_out = [], {}
    for folder in sorted(folders.values()):
        try:
            if RunFolder(folder).finished():
                runs.append(read_run(folder, by))
            else:
                left_out[folder] = "unfinished (no result.json)"
        except DataError as error:
            left_out[folder] = str(error)
    tasks = Counter(run.result.task for run in runs)
    for run in runs:
        task = max(tasks, key=lambda name: tasks[name])  # of equally many the first
        if run.result.task != task:
            left_out[run.folder] = f"of task={run.result.task}, not of task={task} as most"
    return RunsFound([run for run in runs if run.folder not in left_out], left_out)


def _run_folders(top: Path) -> Iterator[Path]:
    for folder, below, files in os.walk(top):
        if "config.yaml" in files or "result.json" in files:
            below.clear()
            yield Path(folder)
        below[:] = [name for name in below if not name.startswith(".")]


def read_run(folder: Path, by: Sequence[str] = ()) -> Run:
    """The run in `folder`, see `find_runs`; raises DataError if its files are broken."""
    result = Result.read(RunFolder(folder).result)
    task = RunFolder.existing(folder).config().get("task", {})  # what lies behind the numbers is read from there
    settings = {key: value for key, value in _flat(task, "task").items() if key != "task.data"}
    return Run(folder, result, variant_of(folder, by), tuple(by), settings)


def variant_of(folder: Path, keys: Sequence[str]) -> tuple[tuple[str, Any], ...]:
    """How a run's outputs were decoded, where not greedily, and the values of the keys `--by` in its config.

    Raises ConfigError for a key that it has not, DataError for a decoding that is none.
    """
    decoding = RunFolder.existing(folder).config().get("decoding")
    try:
        word = decoding_word(decoding) if decoding else ""
    except ConfigError as error:
        raise DataError(f"{folder}/config.yaml: {error}; decode again") from error
    values: list[tuple[str, Any]] = [(DECODING, word)] if word else []
    for name, key in zip(key_names(keys), keys, strict=True):
        node: Any = RunFolder.existing(folder).config()
        for part in key.split("."):
            if not isinstance(node, dict) or part not in node:
                raise ConfigError(f"--by {key}: the config of {folder} has no such key; its config.yaml names all")
            node = node[part]
        if isinstance(node, dict):  # a whole group, such as noise
            node = str(node.get("name", node.get("_target_", node))).rpartition(".")[2]
        values.append((name, node))
    return tuple(values)


def key_names(keys: Sequence[str]) -> list[str]:
    """Of each key the shortest end, in whole parts, that no other of them ends in and that is no key of its own."""
    names = []
    for key in keys:
        parts = key.split(".")
        ends = [".".join(parts[start:]) for start in reversed(range(len(parts)))]
        others = [f".{other}" for other in keys if other != key]
        alone = (end for end in ends if end not in NO_NAMES and not any(o.endswith(f".{end}") for o in others))
        names.append(next(alone, key))
    return names


def cores(count: int) -> str:
    return f"{count} core{'' if count == 1 else 's'}"


def shaping_entries(folder: Path) -> dict[str, Any]:
    """The configuration as {dotted key: value}, without the seeds and what shapes no number."""
    entries = _flat(without_silent(RunFolder.existing(folder).config()))
    return {key: value for key, value in entries.items() if key not in SEEDS}


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(node, dict):
        return {prefix: node}
    return {k: v for key, child in node.items() for k, v in _flat(child, f"{prefix}.{key}".lstrip(".")).items()}
