"""What is learned: data, splits, and what modes can ask of a kind of outputs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from composed.config.any_task import AnyTask, Folder, MaxLength, Named, NoText, data_files
from composed.config.groups import EVERY, is_kind, setting
from composed.config.other_tasks import Fonts, Staircase
from composed.config.rules import Choice, Rest
from composed.config.structure import LEFT_OUT, LeftOut
from composed.config.text_tasks import Files, InPython, InSql, Labels, Molecules, SansType, Spoc
from composed.config.whole import Whole
from composed.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class OwnTask(AnyTask):
    """A task of text of a person's own: what it has beside the keys that trainings read, it reads itself."""

    data: Folder | LeftOut = LEFT_OUT
    max_length: MaxLength | LeftOut = LEFT_OUT
    settings: Annotated[Mapping[str, Any], Rest()] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        """A setting, by its name. Raises AttributeError where there is none."""
        return setting(self, name)

    def files(self) -> Iterator[Named]:
        return data_files(self, self.settings.get("folder"))


@dataclass(frozen=True, kw_only=True)
class OwnKind(OwnTask, NoText):
    """The same of another kind of output."""

    def agree(self, config: Whole) -> None:
        if not is_kind(self.kind):
            raise ConfigError(
                f"task.kind={self.kind}: there is no such kind of output; valid are {', '.join(sorted(EVERY))}, and "
                f"that of a module src/tasks/{self.kind}.py"
            )
        super().agree(config)


SCHEMAS: dict[str, type] = {
    "sanstype": SansType,
    "python": InPython,
    "spoc": Spoc,
    "files": Files,
    "labels": Labels,
    "molecules": Molecules,
    "sql": InSql,
    "fonts": Fonts,
    "staircase": Staircase,
}


def _select(node: Mapping[str, Any]) -> type:
    return SCHEMAS.get(str(node.get("name"))) or {"text": OwnTask}.get(str(node.get("kind")), OwnKind)


OfText = SansType | InPython | Spoc | Files | Labels | Molecules | InSql
Task = Annotated[OfText | Fonts | Staircase | OwnTask | OwnKind, Choice(_select)]
