"""Which runs would make a table whole, and the command that makes each."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from composed.errors import ComposedError
from composed.reporting.design import Design
from composed.reporting.runs import Run, RunsFound, read_run, variant_of
from composed.runs.folder import RunFolder


@dataclass(frozen=True)
class Missing:
    """A run that a table lacks beside the others.

    number: of the replicate, or the seed where the table is over seeds (`unit`).
    command: what makes it; "" where no run tells it.
    why: of a run that is there and was left out, the reason.
    """

    mode: str
    variant: tuple[tuple[str, Any], ...]
    number: int
    command: str
    unit: str = "replicate"
    why: str = ""


@dataclass
class _Row:
    """The folders of one configuration by their numbers: those that are in the table, and others that were begun."""

    inside: dict[int, Run]
    outside: dict[int, tuple[Path, str]]


def missing_runs(searched: RunsFound, by: Sequence[str] = ()) -> list[Missing]:
    """Of every configuration, finished or begun, the replicates that another has."""
    design = Design.of(searched.runs)
    rows: dict[tuple[str, Any], _Row] = defaultdict(lambda: _Row({}, {}))
    for run in searched.runs:
        rows[run.mode, run.variant].inside[design.number(run)] = run
    for folder, why in searched.left_out.items():
        try:
            mode, variant, number = _place(folder, searched.runs, by, design)
        except (ComposedError, OSError, KeyError, TypeError):
            continue  # what cannot be read, or is of another table, says nothing about what is missing
        rows[mode, variant].outside.setdefault(number, (folder, why))
    every = sorted({number for row in rows.values() for number in (*row.inside, *row.outside)})
    return [
        Missing(mode, variant, number, _command(row, number, design.unit), design.unit, _why(row, number))
        for (mode, variant), row in rows.items()
        for number in every
        if number not in row.inside
    ]


def _place(folder: Path, runs: Sequence[Run], by: Sequence[str], design: Design) -> tuple[str, Any, int]:
    """The row and the number of a run that is not in the table. Raises KeyError for one of another table."""
    config = RunFolder.existing(folder).config()
    place = config["task"]["name"], config["profile"]["name"]
    if not all(place == (run.result.task, run.result.profile) for run in runs):
        raise KeyError("profile")
    return config["finetuning"]["name"], variant_of(folder, by), config[design.unit]


def _why(row: _Row, number: int) -> str:
    folder, why = row.outside.get(number, (None, ""))
    return why if folder and RunFolder(folder).finished() else ""


def _command(row: _Row, number: int, unit: str) -> str:
    """As its row is made; what is finished there and left out, since the data have changed, is made anew."""
    folder, _ = row.outside.get(number, (None, ""))
    finished = folder is not None and RunFolder(folder).finished()
    sibling = next((run for run in row.inside.values()), None)
    try:
        if folder and finished and sibling and read_run(folder).result.config_key == sibling.result.config_key:
            return RunFolder(folder).command(redo="true")
        if folder and not finished:
            return RunFolder(folder).command()
        where = sibling.folder if sibling else next(iter(row.outside.values()))[0]
        return RunFolder(where).command(**{unit: str(number)})
    except (ComposedError, OSError):
        return ""
