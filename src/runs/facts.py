"""What a training leaves for its judging: training.json, written and read here alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from composed.config.rules import Rest
from composed.config.structure import LEFT_OUT, LeftOut, plain, structure
from composed.errors import ConfigError, DataError
from composed.system.files import read_json, write_json


@dataclass(frozen=True, kw_only=True)
class Facts:
    """That a run is trained and predicted, and how.

    updates: of fine-tuning.
    best: the `update` of the weights that were selected, and the loss on which they were, `selection`.
    resumed: whether the training was stopped before it ended.
    seconds: what each step took, or would have without the shared beginning.
    began: the `entry` of the store where the training began, after so many `updates`, which took so many `seconds`.
    denoiser: the file of its weights; None where it has none.
    quality: how good Pi is, by names that say the unit; none without a Pi.
    kept: what f still knows of what Pi knows, by such names; none without a Pi.
    splits: the names of the test sets.
    about: what the data say of themselves, for the title.
    decoded_from: the name of the run beside it whose weights these outputs were decoded with, where it is another.
    more: what the kind of output adds, for its judge.
    """

    updates: int
    best: Mapping[str, float]
    resumed: bool
    seconds: Mapping[str, float]
    denoiser: str | None
    quality: Mapping[str, float]
    kept: Mapping[str, float]
    splits: list[str]
    began: Mapping[str, Any] | LeftOut = LEFT_OUT
    about: str | LeftOut = LEFT_OUT
    decoded_from: str | LeftOut = LEFT_OUT
    more: Annotated[Mapping[str, Any], Rest()] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Any, path: Path) -> "Facts":
        """Raises DataError where `content` is not what `write` gives."""
        try:
            return structure(cls, content, "training")
        except ConfigError as error:
            raise DataError(f"{path}: {error}; train again") from error

    @classmethod
    def read(cls, path: Path) -> "Facts":
        """Raises DataError where there is none, or it is damaged."""
        return cls.of(read_json(path), path)

    def write(self, path: Path) -> None:
        write_json(path, plain(self))
