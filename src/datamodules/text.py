"""What a text task answers: its splits, what they are judged by, how its lines become what is judged, and back.

A task `NAME` of kind text is a package `composed.datamodules.NAME` with a function `load(settings, execute)` that
returns this. Left out: tokens (tokenizers.py) and batches (batching.py).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

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
class Split:
    """Examples in the order of the data: input, gold output, tests. `sources` and `targets` are single lines.

    `tests` and `records` are what the judge reads of an example, where it reads more than the gold output: tests of a
    program, and further keys of its row of predictions, such as the `database` of a query. None is as many as there
    are examples, or empty.
    """

    sources: list[str]
    targets: list[str]
    tests: list[Tests] = field(default_factory=list)
    records: list[Mapping[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.targets)


def up_to_blanks(line: str) -> str:
    return " ".join(line.split())


@dataclass(frozen=True)
class TextData:
    """A text task's data. An output is one line of words between blanks; of a program, `$` stands between its lines."""

    train: Split
    val: Split
    tests: dict[str, Split]  # by the name they have in results: id, ood, ...
    unlabeled: list[str]  # outputs for the denoiser; none: there is nothing to train it on
    unlabeled_val: list[str]
    as_output: Callable[[str], str] = str  # of a target or prediction: the text that is judged, such as a program
    as_source: Callable[[str], str] = up_to_blanks  # of a line of input that a person wrote
    normal_form: Callable[[str], str] = up_to_blanks  # of an output: the same for those that differ in style alone
    checker: Callable[[Any], Any] | None = None  # a tokenizer -> the `Guide` of decoding=constrained; none: no grammar
    vocabulary: Sequence[str] = ()  # texts that a tokenizer is trained on; none: those of the training pairs
    characters_per_piece: int | None = None  # of these texts, at least, for each piece of a tokenizer; none: any
    judge_gold: bool = False  # the gold outputs of the test sets too: of people, so the judge may reject some
    about: str = ""  # which data these are, for the title of results
    notes: tuple[str, ...] = ()  # what a person should be told before these data are used
