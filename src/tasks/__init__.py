"""Kinds of outputs: lines of text, images, numbers. `open_task` makes a config's data and models by its kind."""

import re
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from composed.errors import ConfigError

if TYPE_CHECKING:
    from composed.tasks.task import Task

_NO_KINDS = ("task", "loss", "module")  # of the modules here
_MODULES = {"curve": "staircase"}


def kind(config: dict[str, Any]) -> "type[Task]":
    """The class of a config's kind of output. Raises ConfigError for another word, which a run folder may say."""
    from composed.tasks.task import Task

    word = config["task"]["kind"]
    name = f"{__name__}.{_MODULES.get(word, word)}"
    if not re.fullmatch("[a-z_]+", word) or word in _NO_KINDS or not find_spec(name):
        raise ConfigError(f"task.kind={word}: there is no such kind of output")
    module = import_module(name)
    classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Task)]
    return next(value for value in classes if value.__module__ == module.__name__)


def open_task(config: dict[str, Any]) -> "Task":
    """Reads the data of a config, and makes what is missing of it. Raises DataError."""
    return kind(config).open(config)
