"""How outputs are judged: what shapes no verdict."""

from dataclasses import dataclass
from typing import Annotated, Any

from composed.config.groups import Group
from composed.config.rules import Unit, above


@dataclass(frozen=True, kw_only=True)
class Judge(Group):
    workers: Annotated[int, above(0), Unit("processes")] | None
    unsafe: bool
    shared: bool
    reuse: bool

    def containment(self) -> dict[str, Any]:
        """How programs are run, for `composed.judges`."""
        return {"workers": self.workers, "unsafe": self.unsafe, "shared": self.shared}
