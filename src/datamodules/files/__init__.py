"""Any text to any text, from a folder of a person's own: a line, or an object of JSON, for each example."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from composed.datamodules.files.folder import Layout, read_folder
from composed.datamodules.files.reading import ENDS, TESTS, read_outputs, read_split
from composed.datamodules.marks import from_line, to_line
from composed.datamodules.text import Execute, TextData, up_to_blanks

CHARACTERS_PER_PIECE = 100  # of all texts: what is rarer is spelled in smaller pieces


class _Lines(Layout):
    """As `Layout`, where `SPLIT.tests.jsonl` is no split of its own."""

    def splits(self, folder: Path) -> set[str]:
        return {name for name in super().splits(folder) if not name.endswith(TESTS.removesuffix(".jsonl"))}


LAYOUT = _Lines(ENDS, read_split, read_outputs)


def files(settings: Mapping[str, Any]) -> list[Path]:
    """What `load` reads; the content of these files is part of a run's name."""
    return LAYOUT.paths(Path(settings["folder"]))


def load(settings: Mapping[str, Any], execute: Execute) -> TextData:
    """The data by the settings of conf/task/files.yaml. Raises DataError."""
    data = read_folder(Path(settings["folder"]), LAYOUT, tests=settings["tests"], seed=settings["seed"])
    texts = [*data.train.sources, *data.train.targets, *data.unlabeled]
    return replace(
        data,
        as_output=from_line,
        as_source=as_source,
        vocabulary=texts,
        characters_per_piece=CHARACTERS_PER_PIECE,
    )


def as_source(line: str) -> str:
    """A line that a person wrote, with marks where an input has several lines."""
    return to_line(from_line(up_to_blanks(line)))
