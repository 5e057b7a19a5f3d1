"""The data of a task of text, read or made, and the rows that its predictions are. Without torch."""

import functools
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

from composed import judges
from composed.config import Config
from composed.config.options import options
from composed.config.structure import plain
from composed.datamodules.text import Split, TextData
from composed.errors import ConfigError, DataError
from composed.judges.records import JudgeError
from composed.system.console import say


def read_data(config: Config) -> TextData:
    """The data of the config, made where they are missing. Raises DataError."""

    @functools.cache
    def tell() -> None:
        say("running the gold programs for their expected outputs, once for these data")

    def execute(codes: list[str], inputs: list[Sequence[str]]) -> list[judges.Execution]:
        tell()
        return judges.execute(codes, inputs, **config.judge.containment())

    try:
        return loader(config.task.name)(plain(config.task), execute)
    except (JudgeError, OSError) as error:
        raise DataError(str(error)) from error


def loader(name: str) -> Callable[..., TextData]:
    """What reads the data of a task of conf/task. Raises ConfigError for another name, which a run folder may tell."""
    load = getattr(import_module(f"composed.datamodules.{name}"), "load", None) if name in options("task") else None
    if load is None:
        raise ConfigError(f"task.name={name}: no task of text has this name, and its data alone are read here")
    return load


def prediction_rows(data: TextData, split: Split, texts: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    """A row for each example and output, in the data's order: what the judge reads, and reports show."""
    if data.judge_gold:
        texts = {**texts, "gold": split.targets}
    tests = split.tests or [()] * len(split)
    gold = [data.normal_form(line) for line in split.targets]
    known = {data.normal_form(line) for line in data.train.targets}
    for output, lines in texts.items():
        for example, text in enumerate(lines):
            yield {
                "id": f"{example}-{output}",
                "example": example,
                "output": output,
                "source": split.sources[example],
                "target": split.targets[example],
                "text": text,
                "known": gold[example] in known,
                "strict": data.normal_form(text) == gold[example],
                "code": data.as_output(text),
                "tests": [{"input": given, "output": expected} for given, expected in tests[example]],
                **(split.records[example] if split.records else {}),
            }
