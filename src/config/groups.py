"""What all options of groups have in common, and an option of a person's own class."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar, Literal, get_args

from composed.config.rules import Choice, Rest
from composed.config.whole import Whole

Outputs = Literal["text", "image", "staircase"]  # what an output is
EVERY: frozenset[str] = frozenset(get_args(Outputs))
# Modules of composed.tasks that are none.
NO_KINDS = ("knowledge", "loss", "mistakes", "module", "reading", "task", "threads", "tokenizer", "writing")


class Group:
    """An option of a group. `outputs`: the kinds of outputs that it is for."""

    outputs: ClassVar[frozenset[str]] = EVERY

    def agree(self, config: Whole) -> None:
        """Raises ConfigError where the rest of the config asks what this cannot; says the remedy."""


@dataclass(frozen=True, kw_only=True)
class Own(Group):
    """An option whose class is a person's own: its signature says what keys there are, not this package."""

    abilities: ClassVar[frozenset[str]] = frozenset()
    _target_: str
    settings: Annotated[Mapping[str, Any], Rest()] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        """A setting, by its name. Raises AttributeError where there is none."""
        return setting(self, name)


def by_target(known: Mapping[str, type]) -> Choice:
    """The class that goes with a mapping's `_target_`; `Own` where there is none."""
    return Choice(lambda node: known.get(str(node.get("_target_")), Own))


def setting(option: Any, name: str) -> Any:
    """A key that no class here knows, of an option that has `settings`. Raises AttributeError where there is none."""
    if name.startswith("__") or name not in option.__dict__.get("settings", {}):
        raise AttributeError(name)
    return option.settings[name]


def is_kind(word: Any) -> bool:
    """Whether a module of `composed.tasks` is this kind of output: one of ours, or one that a person has added."""
    if not isinstance(word, str) or not re.fullmatch("[a-z_]+", word) or word in NO_KINDS:
        return False
    name = f"composed.tasks.{word}"
    return word in EVERY or name in sys.modules or find_spec(name) is not None


def short(target: str) -> str:
    """The last part of a `_target_`."""
    return target.rsplit(".", 1)[-1]
