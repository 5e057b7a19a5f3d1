"""Finished runs read back from their folders, which are missing, and the refusal to compare what cannot be compared.

Leaves out single predictions (exhibits/), learning curves (background.py) and what the numbers mean (table.py).
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from composed.config.identity import without_silent
from composed.errors import ConfigError, DataError
from composed.judges.scores import Scores
from composed.runs.folder import RunFolder
from composed.runs.result import Result

SPLIT_NAMES = {"id": "In distribution", "ood": "Out of distribution", "test": "Test"}  # others have their own
ABBREVIATED = ("id", "ood")
NO_NAMES = ("seed", "name")  # ends of keys that would say something else of a row: its seed, its mode


@dataclass(frozen=True)
class Run:
    """One finished run.

    folder: where it lies.
    result: its numbers.
    variant: the config's values of the keys `by` that tell rows of one mode apart, by the shortest ends of the keys
    that tell these apart.
    by: these keys.
    settings: those of the task, {dotted key: value}: data, decoding and judging, but not where data lie.
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
    def seed(self) -> int:
        return self.result.seed

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


@dataclass(frozen=True)
class Missing:
    """A run that a table lacks beside the others, and the command that makes it ("" where no run tells it)."""

    mode: str
    variant: tuple[tuple[str, Any], ...]
    seed: int
    command: str


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


def missing_runs(found: RunsFound, by: Sequence[str] = ()) -> list[Missing]:
    """Of every configuration, finished or begun, the seeds that another has."""
    begun: dict[tuple[str, Any], dict[int, Path | None]] = defaultdict(dict)  # configuration: seed: its folder
    for run in found.runs:
        begun[run.mode, run.variant][run.seed] = run.folder
    finished = {folder for seeds in begun.values() for folder in seeds.values()}
    for folder in found.left_out:
        try:
            config = RunFolder.existing(folder).config()
            place = config["task"]["name"], config["profile"]["name"]
            mode, seed = config["finetuning"]["name"], config["seed"]
            if all(place == (run.result.task, run.result.profile) for run in found.runs):
                begun[mode, _variant(folder, by)].setdefault(seed, folder)
        except (DataError, ConfigError, OSError, KeyError, TypeError):
            continue  # what cannot be read says nothing about what is missing
    every = sorted({seed for seeds in begun.values() for seed in seeds})
    return [
        Missing(mode, variant, seed, _command(seeds.get(seed) or next(iter(seeds.values())), seed))
        for (mode, variant), seeds in begun.items()
        for seed in every
        if seeds.get(seed) not in finished
    ]


def _command(folder: Path | None, seed: int) -> str:
    try:
        return RunFolder(folder).command(seed=str(seed)) if folder else ""
    except OSError:
        return ""


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
    return Run(folder, result, _variant(folder, by), tuple(by), settings)


def _variant(folder: Path, keys: Sequence[str]) -> tuple[tuple[str, Any], ...]:
    values = []
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


def check_comparable(runs: Sequence[Run]) -> None:
    """Refuse runs that one table would silently mix.

    Raises ConfigError if two runs differ in task, profile, title, number of programs, or in test examples or a setting
    of the task (data, beams, ...) that does not tell their rows apart, if one mode has a seed twice, or runs of
    different configurations (the differing keys are named).
    """
    first = runs[0]
    modes: defaultdict[tuple[str, Any], list[Run]] = defaultdict(list)
    for run in runs:
        for what, ours, theirs in (
            ("task", first.result.task, run.result.task),
            ("profile", first.result.profile, run.result.profile),
            ("title", _without_measured(first.result.title), _without_measured(run.result.title)),
            ("list of measures", [*first.scores.measures], [*run.scores.measures]),
            (f"number of {first.scores.noun}", first.scores.examples, run.scores.examples),
        ):
            if ours != theirs:
                raise ConfigError(
                    f"one table cannot hold both runs, their {what} differs; report them apart:\n"
                    f"  {first.folder}: {ours}\n  {run.folder}: {theirs}"
                )
        modes[run.mode, run.variant].append(run)
    for (mode, _), members in modes.items():
        _check_one_configuration(mode, members)
        seeds: dict[int, Run] = {}
        for run in members:
            twin = seeds.setdefault(run.seed, run)
            if twin is not run:
                raise ConfigError(f"mode {mode} has seed {run.seed} twice; keep one of {twin.folder} and {run.folder}")
    _check_one_task(runs)


def _without_measured(title: str) -> str:
    """A gold program may be near its limit of time, accepted in one run and not in the next."""
    return title.partition("; the judge accepts ")[0]


def _check_one_task(runs: Sequence[Run]) -> None:
    known: dict[str, tuple[Any, Path]] = {}
    judged: dict[tuple[str, str], tuple[str, Path]] = {}
    for run in runs:
        apart = {
            key: value
            for key, value in run.settings.items()
            if any(f"{key}.".startswith(f"{told}.") for told in run.by)
        }
        for key, value in run.settings.items():
            other, folder = known.setdefault(key, (value, run.folder))  # older runs lack keys that came later
            if other != value and key not in apart:
                raise ConfigError(
                    f"one table cannot hold both runs, their {key} differs; report them apart, or in rows of their "
                    f"own: --by {key}\n  {folder}: {other}\n  {run.folder}: {value}"
                )
        for split, tests in run.scores.tests.items():
            other, folder = judged.setdefault((split, str(apart)), (tests, run.folder))
            if other != tests:
                raise ConfigError(
                    f"one table cannot hold both runs, they were tested on other examples ({split}): the data have "
                    "changed between them; predict anew with `composed-evaluate --predict`, or report them apart:\n"
                    f"  {folder}\n  {run.folder}"
                )


def _check_one_configuration(mode: str, members: Sequence[Run]) -> None:
    first = members[0]
    for run in members:
        if run.result.config_key != first.result.config_key:
            ours, theirs = (shaping_entries(each.folder) for each in (first, run))
            differing = [key for key in sorted(ours | theirs) if ours.get(key) != theirs.get(key)]
            lines = [f"  {key}: {ours.get(key, 'absent')} | {theirs.get(key, 'absent')}" for key in differing]
            raise ConfigError(
                f"one row cannot mix configurations: {first.folder} | {run.folder} (both mode {mode})\n"
                + "\n".join(lines or ["  (their config.yaml files name no difference)"])
                + "\nReport them apart, or in rows of their own: --by and the keys to tell them by."
            )


def cores(count: int) -> str:
    return f"{count} core{'' if count == 1 else 's'}"


def shaping_entries(folder: Path) -> dict[str, Any]:
    """The configuration as {dotted key: value}, without the seed and what shapes no number."""
    entries = _flat(without_silent(RunFolder.existing(folder).config()))
    return {key: value for key, value in entries.items() if key != "seed"}


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(node, dict):
        return {prefix: node}
    return {k: v for key, child in node.items() for k, v in _flat(child, f"{prefix}.{key}".lstrip(".")).items()}
