"""Where metrics go beside metrics.jsonl."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from composed.config.groups import Group
from composed.config.rules import Check, Choice
from composed.errors import ConfigError

NOT_IN_A_PROJECT = "/\\#?%:"
Name = Literal["csv", "tensorboard", "wandb"]


def _project(key: str, project: str) -> None:
    if not 0 < len(project) <= 128 or {*project} & {*NOT_IN_A_PROJECT}:
        raise ConfigError(
            f"{key}={project}: a project of W&B has a name of 1 to 128 characters, none of {' '.join(NOT_IN_A_PROJECT)}"
        )


@dataclass(frozen=True, kw_only=True)
class InTheFolder(Group):
    """csv and tensorboard."""

    name: Name


@dataclass(frozen=True, kw_only=True)
class Wandb(Group):
    name: Name
    project: Annotated[str, Check(_project)]
    mode: Literal["offline", "online"]


def _select(node: Mapping[str, Any]) -> type:
    return Wandb if node.get("name") == "wandb" or "project" in node else InTheFolder


Logger = Annotated[InTheFolder | Wandb, Choice(_select)]
