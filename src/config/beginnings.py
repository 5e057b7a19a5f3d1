"""Shared beginnings: the state of a fine-tuning after its first updates, kept for runs that agree so far."""

from dataclasses import dataclass
from typing import Annotated

from composed.config.groups import Group
from composed.config.rules import Share, Unit, above, at_least


@dataclass(frozen=True, kw_only=True)
class Beginnings(Group):
    share: Share
    days: Annotated[float, above(0), Unit("days")]
    size: Annotated[float, at_least(0), Unit("GB")]
