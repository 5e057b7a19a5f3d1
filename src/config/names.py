"""What becomes a part of a path, or is to be found at one: such that every file system takes it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from composed.errors import ConfigError

NAMED = ("task", "profile", "finetuning")  # the groups whose names are in the name of a run's folder
PATHS = ("runs", "store", "denoiser", "tokenizer", "finetuning", "task")  # keys and groups with paths
LONGEST_NAME = 255  # bytes


def every_key(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key, inner ones too, with its value."""
    for key, value in node.items():
        where = f"{path}.{key}" if path else str(key)
        yield where, value
        if isinstance(value, dict):
            yield from every_key(value, where)


def check_names(node: dict[str, Any]) -> None:
    """Of the mapping of a config whose values have the right types. Raises ConfigError."""
    for group in NAMED:
        name = node[group]["name"]
        if not name.strip() or "/" in name or not name.isprintable():
            raise ConfigError(
                f"{group}.name={name}: is part of the name of a run's folder: something that can be printed, without /"
            )
    for key, value in every_key({key: node[key] for key in PATHS}):
        if isinstance(value, str) and max(len(os.fsencode(part)) for part in value.split("/")) > LONGEST_NAME:
            raise ConfigError(f"{key}={value[:40]}...: no file or folder has a name of more than {LONGEST_NAME} bytes")


def check_folders(*, runs: str, store: str) -> None:
    """Raises ConfigError where the folders of runs and of denoisers cannot be made."""
    for key, folder in (("runs", runs), ("store", store)):
        blocker = next(path for path in (Path(folder), *Path(folder).absolute().parents) if path.exists())
        if not blocker.is_dir():
            raise ConfigError(f"{key}={folder}: no folder can be made there, because {blocker} is a file")


def check_run_name(name: str) -> None:
    """Of the folder of a run, whose name only a config that makes sense gives. Raises ConfigError."""
    if (more := len(os.fsencode(name)) - LONGEST_NAME) > 0:
        names = ", ".join(f"{group}.name" for group in NAMED)
        raise ConfigError(
            f"finetuning.name: the run's folder would have a name {more} bytes longer than file systems take; shorten "
            f"one of {names}"
        )
