"""Predictions of text beside their verdicts, as a run folder has them, and what Pi made of them."""

import itertools
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from composed.errors import DataError
from composed.judges.scores import OUTPUTS
from composed.printable import printable
from composed.runs.folder import RunFolder
from composed.system.files import read_lines

REPAIRED, BOTH_WRONG, BOTH_RIGHT, BROKEN = (
    "repaired by Pi",
    "wrong both times",
    "right both times",
    "broken by Pi",
)
FATES = {(False, True): REPAIRED, (False, False): BOTH_WRONG, (True, True): BOTH_RIGHT, (True, False): BROKEN}


@dataclass
class Example:
    """One test example: text and verdict of each output."""

    split: str
    number: int
    source: str
    target: str
    texts: dict[str, str] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    diagnostics: dict[str, str] = field(default_factory=dict)

    @property
    def fate(self) -> str:
        """What Pi made of f's output, judged by the verdicts; "" where there is no Pi."""
        if "composition" not in self.verdicts:
            return ""
        base, composition = (self.verdicts[output] == "correct" for output in OUTPUTS)
        return FATES[base, composition]


def read_examples(run_folder: Path, split: str) -> list[Example]:
    """The examples of one split with their verdicts, in file order.

    Raises DataError where they are missing or do not match."""
    folder = RunFolder(run_folder)
    paths = (folder.predictions(split), folder.verdicts(split))
    for path in paths:
        if not path.is_file():
            raise DataError(f"{path} is missing; write it with `composed-evaluate {shlex.quote(str(run_folder))}`")
    predictions, verdicts = (read_lines(path) for path in paths)
    examples: dict[int, Example] = {}
    nothing: dict[str, Any] = {}
    for line, (prediction, verdict) in enumerate(
        itertools.zip_longest(predictions, verdicts, fillvalue=nothing), start=1
    ):
        try:
            if prediction["id"] != verdict["id"]:
                raise DataError(
                    f"{paths[1]}:{line}: verdict of {verdict['id']}, but prediction of {prediction['id']}; "
                    f"judge again with `composed-evaluate {shlex.quote(str(run_folder))}`"
                )
            number, output = prediction["example"], prediction["output"]
            source, target, text = (printable(prediction[key]) for key in ("source", "target", "text"))
            example = examples.setdefault(number, Example(split, number, source, target))
            example.texts[output] = text
            example.verdicts[output] = verdict["verdict"]
            example.diagnostics[output] = printable(verdict.get("diagnostics", ""))
        except (KeyError, TypeError) as error:
            raise DataError(
                f"line {line} of {paths[0]} and of {paths[1].name} do not make one judged program ({error!r}); "
                f"judge again with `composed-evaluate {shlex.quote(str(run_folder))}`"
            ) from error
    return list(examples.values())
