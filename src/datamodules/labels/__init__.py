"""Texts and their labels, a label being written as text: from a folder of a person's own, or generated questions."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from composed.datamodules.files import CHARACTERS_PER_PIECE
from composed.datamodules.files.folder import read_folder
from composed.datamodules.labels.files import layout
from composed.datamodules.labels.questions import Sizes, generate
from composed.datamodules.text import Execute, TextData, up_to_blanks


def files(settings: Mapping[str, Any]) -> list[Path]:
    """What `load` reads; the content of these files is part of a run's name."""
    return layout(settings["labels"]).paths(Path(settings["folder"]))


def load(settings: Mapping[str, Any], execute: Execute) -> TextData:
    """The data by the settings of conf/task/labels.yaml. Raises DataError."""
    fineness, seed = settings["labels"], settings["seed"]
    if settings["folder"] is None:
        data = generate(Sizes(**settings["sizes"]), fine=fineness == "fine", seed=seed)
    else:
        data = read_folder(Path(settings["folder"]), layout(fineness), tests=settings["tests"], seed=seed)
    known = {*data.train.targets}
    unknown = [
        f"warning: {count} of {len(split)} gold labels of {name} are no labels of the training, so no output is ever "
        "right there"
        for name, split in data.tests.items()
        if (count := sum(label not in known for label in split.targets))
    ]
    return replace(
        data,
        as_source=up_to_blanks,
        characters_per_piece=CHARACTERS_PER_PIECE,
        unlabeled=data.train.targets,
        unlabeled_val=data.val.targets,
        about="; ".join([*filter(None, [data.about]), f"{len(known)} labels"]),
        notes=(*(note for note in data.notes if "unlabeled" not in note), *unknown),
    )
