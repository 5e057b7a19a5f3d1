"""What lies behind a table's numbers: learning curves, cost, machines and how the configurations of its rows differ.

Read from the run folders. Left out: what says nothing about this run, such as the denoiser's own training.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from composed.errors import DataError
from composed.reporting.runs import Run, cores, shaping_entries
from composed.reporting.table import variant_words
from composed.system.files import read_json, read_lines

UNPLOTTED = ("stage", "split", "update", "lr", "selection")


@dataclass(frozen=True)
class Configuration:
    """A mode in one of its variants, and its runs in the order of their replicates."""

    name: str
    runs: list[Run]


@dataclass(frozen=True)
class Curve:
    """One metric over the updates: a line for each run that has it, by the name of its configuration."""

    name: str
    lines: list[tuple[str, int, list[tuple[float, float]]]]  # configuration, replicate or seed, points


@dataclass(frozen=True)
class Cost:
    """What the runs of a configuration took, from the least to the most."""

    name: str
    runs: int
    updates: tuple[int, int]
    seconds: dict[str, tuple[float, float]]
    machines: list[str]
    resumed: int


def configurations(runs: Sequence[Run]) -> list[Configuration]:
    """The runs, which are in reporting order, by mode and variant."""
    groups = groupby(runs, key=lambda run: run.mode + variant_words(run.variant))
    return [Configuration(name, list(members)) for name, members in groups]


def side_by_side(groups: Sequence[Configuration]) -> dict[str, Run]:
    """By the name of its configuration a run on the same test examples: on those of the most configurations."""
    rows_by_key: defaultdict[tuple[tuple[str, str], ...], dict[str, Run]] = defaultdict(dict)
    for group in groups:
        for run in group.runs:
            rows_by_key[tuple(sorted(run.scores.tests.items()))].setdefault(group.name, run)
    return max(rows_by_key.values(), key=len)


def curves(groups: Sequence[Configuration], number: Callable[[Run], int]) -> list[Curve]:
    """Every metric of metrics.jsonl that is no schedule, validation first; `number` is what a run is called by."""
    lines_of: defaultdict[str, list[tuple[str, int, list[tuple[float, float]]]]] = defaultdict(list)
    for group in groups:
        for run in group.runs:
            lines: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
            for row in _rows(run.folder / "metrics.jsonl"):
                for name in row.keys() - UNPLOTTED:
                    if isinstance(row[name], int | float):
                        lines[f"{row['split']} {name.replace('_', ' ')}"].append((row["update"], row[name]))
            for name, points in lines.items():
                lines_of[name].append((group.name, number(run), points))
    return [
        Curve(name, lines_of[name])
        for name in sorted(lines_of, key=lambda name: (not name.startswith("val"), len(name), name))
    ]


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file of metrics; none where there is no file, or from its first unreadable line on."""
    try:
        yield from read_lines(path)
    except (DataError, UnicodeDecodeError):
        return


def costs(groups: Sequence[Configuration]) -> list[Cost]:
    entries_of = []
    for group in groups:
        results = [run.result for run in group.runs]
        steps = dict.fromkeys(step for result in results for step in result.seconds)
        seconds = {step: [result.seconds[step] for result in results if step in result.seconds] for step in steps}
        updates = [result.updates for result in results]
        entries_of.append(
            Cost(
                group.name,
                len(group.runs),
                (min(updates), max(updates)),
                {step: (min(times), max(times)) for step, times in seconds.items()},
                sorted({_machine(run.folder / "environment.json") for run in group.runs}),
                sum(_resumed(run.folder / "training.json") for run in group.runs),
            )
        )
    return entries_of


def _machine(path: Path) -> str:
    try:
        facts = read_json(path)
        return facts["gpu"] or f"{facts['processor']}, {cores(facts['cores'])}"
    except (DataError, KeyError):
        return "unknown"


def _resumed(path: Path) -> bool:
    try:
        return read_json(path)["resumed"]
    except (DataError, KeyError):
        return False


def differences(groups: Sequence[Configuration]) -> dict[str, list[str]]:
    """Of every key of the configurations that is not the same in all of them, the value in each."""
    entries = [shaping_entries(group.runs[0].folder) for group in groups]
    keys = sorted(set().union(*entries))
    values = {key: [_shown(entry.get(key, "–")) for entry in entries] for key in keys}
    return {key: shown for key, shown in values.items() if len(set(shown)) > 1 and key != "finetuning.name"}


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
