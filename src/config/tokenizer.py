"""How text is cut into tokens."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from composed.config.groups import Group
from composed.config.rules import Unit, above
from composed.config.whole import Whole
from composed.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Tokenizer(Group):
    kind: Literal["word", "bpe", "bpe_bytes"]
    size: Annotated[int, above(0), Unit("pieces")]
    file: str | None

    def agree(self, config: Whole) -> None:
        if self.file is not None and not Path(self.file).is_file():
            raise ConfigError(f"tokenizer.file={self.file}: no such file; null trains a tokenizer on the data")
