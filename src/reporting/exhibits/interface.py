"""What an exhibit answers: the page to read before one is added.

An exhibit is the class `Exhibit` of a module of this package. A judge names the module, as its `exhibit`; one of text
is below `text.Exhibit`.
"""

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from composed.reporting.background import Configuration
from composed.reporting.runs import Run
from composed.system.console import say


@dataclass(frozen=True)
class Section:
    """A part of the page.

    anchor: what a link to it names.
    title: its heading.
    template: a file of html/, which knows it as `section`.
    shown: what the template reads of it.
    """

    anchor: str
    title: str
    template: str
    shown: Any


class Exhibit(ABC):
    @abstractmethod
    def sections(self, groups: Sequence[Configuration], count: int) -> list[Section]:
        """What the runs of the groups predicted, about `count` examples of each; none where nothing is there."""


def open_exhibit(name: Any) -> Exhibit | None:
    """By the name of its module; of text where there is none, which a line says. None for no name."""
    if not name:
        return None
    place = f"{__package__}.{name}"
    if isinstance(name, str) and re.fullmatch("[a-z_]+", name) and find_spec(place):
        made = getattr(import_module(place), "Exhibit", None)
        if isinstance(made, type) and issubclass(made, Exhibit) and made.__module__ == place and made is not Exhibit:
            return made()
    say(f"there is no exhibit {name!r}: no module src/reporting/exhibits/{name}.py with a class Exhibit; shown as text")
    return open_exhibit("text")


def exhibit_of(runs: Sequence[Run]) -> Exhibit | None:
    """What most of the runs name; of equally many the first."""
    named = Counter(str(run.scores.exhibit) for run in runs)
    return open_exhibit(max(named, key=lambda name: named[name])) if named else None
