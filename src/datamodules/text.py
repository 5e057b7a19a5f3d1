"""What a text task answers: its splits, its tests, and how its lines become C++ and pseudocode becomes its sources.

A task `NAME` of kind text is a package `composed.datamodules.NAME` with a function `load(settings, execute)` that
returns this. Left out: tokens (tokenizers.py) and batches (batching.py).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

PRELUDE = "#include <bits/stdc++.h>\n#include <string>\nusing namespace std;\n\n"

# The name of a test set, which is part of the names of files.
TEST_SET = re.compile(r"[^\W_][\w.-]{0,63}")
TEST_SET_WORDS = "letters, digits, _, . and - are, at most 64, a letter or digit first"

# Of one program: a text for standard input each, and the output that it must give.
Tests = Sequence[tuple[str, str]]


class Outcome(Protocol):
    """What became of a program, and what it printed on each input: `verdict` is 'correct' or how it failed."""

    @property
    def verdict(self) -> str: ...
    @property
    def printed(self) -> tuple[bytes, ...]: ...
    @property
    def diagnostics(self) -> str: ...


# C++ texts, and texts for the standard input of each -> their outcomes
Execute = Callable[[list[str], list[Sequence[str]]], Sequence[Outcome]]


@dataclass(frozen=True)
class Rules:
    """How a program is judged: what it prints against the expected output, in CPU seconds for each test.

    With `gold` the programs of the test sets are judged too, where they are of people and the judge may reject some.
    """

    compare: Literal["exact", "tokens"] = "exact"
    seconds: float = 2.0
    gold: bool = False


@dataclass(frozen=True)
class Split:
    """Examples in the order of the data: pseudocode, program, tests. `sources` and `targets` are single lines."""

    sources: list[str]
    targets: list[str]
    tests: list[Tests]

    def __len__(self) -> int:
        return len(self.targets)


def up_to_blanks(line: str) -> str:
    return " ".join(line.split())


@dataclass(frozen=True)
class TextData:
    """A text task's data. A program is one line of words between blanks, `$` between its lines."""

    train: Split
    val: Split
    tests: dict[str, Split]  # by the name they have in results: id, ood, ...
    unlabeled: list[str]  # programs for the denoiser; none: there is nothing to train it on
    unlabeled_val: list[str]
    to_cpp: Callable[[str], str]  # of a target, or of a prediction in its format
    as_source: Callable[[str], str]  # of a line of pseudocode that a person wrote
    normal_form: Callable[[str], str] = up_to_blanks  # of a program: the same for those that differ in style alone
    checker: Callable[[Any], Any] | None = None  # a tokenizer -> the `Guide` of decoding=constrained; none: no grammar
    vocabulary: Sequence[str] = ()  # texts that a tokenizer is trained on; none: those of the training pairs
    rules: Rules = Rules()
    about: str = ""  # which data these are, for the title of results
    notes: tuple[str, ...] = ()  # what a person should be told before these data are used
