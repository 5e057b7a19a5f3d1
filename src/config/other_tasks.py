"""The tasks whose outputs are images and numbers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from composed.config.any_task import Folder, Named, NoText
from composed.config.groups import Outputs
from composed.config.options import options
from composed.config.rules import Seed, Unit, above
from composed.config.structure import plain
from composed.config.whole import Whole
from composed.errors import ConfigError

Images = Annotated[int, above(0), Unit("images")]
Faces = Annotated[int, above(0), Unit("faces")]
FONTS = (".ttf", ".otf", ".pfb", ".ttc", ".woff", ".woff2", ".t1")
OF_STAIRCASES = ("threads",)  # what of the trainer they read


@dataclass(frozen=True, kw_only=True)
class FontsSizes:
    faces: Faces
    families: Annotated[int, above(0), Unit("families")]
    train: Images
    val: Images
    test: Images
    unlabeled: Faces
    unlabeled_val: Faces


@dataclass(frozen=True, kw_only=True)
class Fonts(NoText):
    kind: Outputs
    data: Folder
    faces: str
    count: Faces
    characters: str
    size: Annotated[int, above(0), Unit("pixels")]
    seed: Seed
    sizes: FontsSizes

    def agree(self, config: Whole) -> None:
        super().agree(config)
        if len(set(self.characters)) < max(len(self.characters), 1):
            raise ConfigError(f"task.characters={self.characters}: at least one, none of them twice")
        if self.size % 8 or self.size < 16:
            raise ConfigError(
                f"task.size={self.size}: must be a multiple of 8, and at least 16, for the denoiser's three halvings"
            )
        if config.finetuning.start_from in options("finetuning"):
            raise ConfigError(
                f"finetuning.start_from={config.finetuning.start_from}: of fonts, valid values are scratch and the "
                "folder of a finished run"
            )

    def unread(self, config: Whole) -> Iterator[tuple[str, Iterable[str]]]:
        yield from super().unread(config)
        if self.faces != "bundled":
            yield f"task.faces={self.faces} has faces of its own", ("task.count",)

    def files(self) -> Iterator[Named]:
        if self.faces != "bundled":
            yield "task.faces", _fonts(Path(self.faces))


@dataclass(frozen=True, kw_only=True)
class Staircase(NoText):
    kind: Outputs
    staircases: list[tuple[int, float, float]]
    points: Annotated[int, above(0), Unit("points")]
    beyond: Annotated[int, above(0), Unit("steps")]

    def agree(self, config: Whole) -> None:
        super().agree(config)
        mode = config.finetuning
        if mode.start_from != "scratch":
            raise ConfigError(
                f"finetuning.start_from={mode.start_from}: not for task=staircase, where f starts from random weights; "
                "set it to scratch"
            )
        if mode.compose_after:
            raise ConfigError(
                f"finetuning.compose_after={mode.compose_after}: not for task=staircase; it has to be 0, since the "
                "loss of Pi(f(x)) is there from the start"
            )
        for steps, width, gap in self.staircases:
            if steps < 2 or width <= 0 or gap <= 0:
                raise ConfigError(
                    f"task.staircases: [{steps}, {width}, {gap}]: at least 2 steps, width and gap above 0"
                )
            if self.points % steps or self.points < 2 * steps:
                raise ConfigError(
                    f"task.points={self.points}: must be a multiple of the {steps} steps, at least 2 on each"
                )

    def unread(self, config: Whole) -> Iterator[tuple[str, Iterable[str]]]:
        yield from super().unread(config)
        yield f"the denoiser of task={self.name} rounds and is not trained", ("noise", "denoiser")
        yield (
            f"task={self.name} is trained by threads of the CPU",
            [f"trainer.{key}" for key in plain(config.trainer) if key not in OF_STAIRCASES],
        )
        if not config.finetuning.train_through:
            yield config.finetuning.alone, ("pretraining.margin", "pretraining.gradient")


def _fonts(source: Path) -> list[Path]:
    if source.is_dir():
        return sorted(path for path in source.rglob("*") if path.suffix.lower() in FONTS and path.is_file())
    return [source] if source.is_file() else []
