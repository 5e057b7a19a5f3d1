"""Kinds of outputs: lines of text, images, numbers. `open_task` makes a config's data and models by its kind."""

from importlib import import_module
from typing import TYPE_CHECKING

from composed.config import Config
from composed.config.groups import is_kind
from composed.errors import ConfigError

if TYPE_CHECKING:
    from composed.tasks.task import Task


def kind(word: str) -> "type[Task]":
    """The class of a kind of output by its name, task.kind. Raises ConfigError for another word."""
    from composed.tasks.task import Task

    if not is_kind(word):
        raise ConfigError(f"task.kind={word}: there is no such kind of output")
    module = import_module(f"{__name__}.{word}")
    classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Task)]
    return next(value for value in classes if value.__module__ == module.__name__)


def open_task(config: Config) -> "Task":
    """Reads the data of a config, and makes what is missing of it. Raises DataError."""
    return kind(config.task.kind).open(config)
