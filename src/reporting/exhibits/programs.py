"""Programs side by side: pseudocode, f's and Pi(f)'s output as indented C++, with verdicts and repairs.

Leaves out the gold program: its style is one of many right ones, so the verdict judges, not the likeness.
"""

import itertools
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Group
from rich.table import Table as Grid
from rich.text import Text

from composed.errors import ConfigError, DataError
from composed.judges.scores import OUTPUTS
from composed.printable import printable
from composed.reporting.runs import Run, split_word
from composed.runs.folder import RunFolder
from composed.system.files import read_lines

REPAIRED, BOTH_WRONG, BOTH_RIGHT, BROKEN = (
    "repaired by Pi",
    "wrong both times",
    "right both times",
    "broken by Pi",
)
MOST_LINES = 18  # of a program on a console; one that a model does not end may have hundreds
FATES = {(False, True): REPAIRED, (False, False): BOTH_WRONG, (True, True): BOTH_RIGHT, (True, False): BROKEN}


@dataclass
class Example:
    """One test program: text and verdict of each output."""

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


class Line(NamedTuple):
    """A line of C++: the number of braces open around it, and its tokens."""

    depth: int
    tokens: list[str]


class Token(NamedTuple):
    """A token as it is shown: the gap before it, and whether the other output has it too."""

    gap: str
    text: str
    kept: bool


def judged(run: Run) -> bool:
    """Whether its folder holds verdicts of programs."""
    return any(RunFolder(run.folder).verdicts(split).is_file() for split in run.scores.examples)


def programs(run: Run, count: int = 3) -> Group:
    """`count` programs of a run for a console, picked by the rule that the first lines state.

    Raises ConfigError if the run has no composition, DataError if its predictions and verdicts do not match.
    """
    examples = [example for split in run.scores.examples for example in read_examples(run.folder, split)]
    if not all(example.fate for example in examples):
        raise ConfigError(f"{run.folder}: f and Pi(f) have not both an output for every program")
    fates: dict[str, list[Example]] = {fate: [] for fate in FATES.values()}
    for example in examples:
        fates[example.fate].append(example)
    sizes = ", ".join(f"{len(members)} {fate}" for fate, members in fates.items())
    turns = f"{' and '.join(map(split_word, run.scores.examples))} in turn, " if len(run.scores.examples) > 1 else ""
    rule = (
        f"Programs of {run.folder}, not a random sample: first what Pi repaired ({turns}in file order), last one that "
        f"it did not. Of all {len(examples)}: {sizes}. Lines marked - and + hold what Pi changed."
    )
    parts = [part for example in pick(fates, count) for part in (Text(), side_by_side(example))]
    return Group(Text(rule), *parts)


def pick(fates: Mapping[str, Sequence[Example]], count: int) -> list[Example]:
    """At most `count` examples: repaired ones but for the last place, which is for one of another fate."""
    queues = {fate: _in_turn(members) for fate, members in fates.items()}
    repaired = queues.pop(REPAIRED)
    first = max(count - 1, 1)
    return list(itertools.chain(repaired[:first], *queues.values(), repaired[first:]))[:count]


def _in_turn(examples: Sequence[Example]) -> list[Example]:
    splits = dict.fromkeys(example.split for example in examples)
    by_split = [[example for example in examples if example.split == split] for split in splits]
    return [example for turn in itertools.zip_longest(*by_split) for example in turn if example is not None]


def read_examples(run_folder: Path, split: str) -> list[Example]:
    """The programs of one split with their verdicts, in file order; raises as `programs` does."""
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


def side_by_side(example: Example) -> Grid:
    """Pseudocode, f's program and Pi(f)'s program; what Pi replaced is coloured, its lines marked - and +."""
    title = f"{split_word(example.split)} program {example.number}: {example.fate}"
    grid = Grid(title=Text(title, style="bold"), title_justify="left", expand=True, padding=(0, 1), show_edge=False)
    grid.add_column("pseudocode x", ratio=1)
    cells = [Text("\n".join(pseudocode(example.source)))]
    looks = (("f(x)", "- ", "bold red"), ("Pi(f(x))", "+ ", "bold green"))
    for (output, lines), (name, mark, style) in zip(compared(example).items(), looks, strict=True):
        verdict = example.verdicts[output]
        colour = "green" if verdict == "correct" else "red"
        grid.add_column(Text.assemble(f"{name}: ", (verdict.replace("_", " "), colour)), ratio=1)
        cells.append(_marked(lines, mark, style))
    grid.add_row(*cells)
    return grid


def compared(example: Example) -> dict[str, list[tuple[int, list[Token]]]]:
    """Each output as lines of (depth, tokens); a token is `kept` if both outputs have it, or there is only one."""
    codes = {output: code_lines(example.texts[output]) for output in OUTPUTS if output in example.texts}
    tokens = [[token for line in lines for token in line.tokens] for lines in codes.values()]
    matches = SequenceMatcher(None, tokens[0], tokens[-1], autojunk=False).get_matching_blocks()
    diffs: dict[str, list[tuple[int, list[Token]]]] = {}
    for side, (output, lines) in enumerate(codes.items()):
        kept = {match[side] + offset for match in matches for offset in range(match.size)}
        places = itertools.count()
        diffs[output] = [(line.depth, list(_spaced(line.tokens, kept, places))) for line in lines]
    return diffs


def _spaced(tokens: Sequence[str], kept: Set[int], places: Iterator[int]) -> Iterator[Token]:
    for before, token in zip(["(", *tokens], tokens, strict=False):
        glued = before.endswith("(") or token in {";", ",", ")"}
        yield Token("" if glued else " ", token, next(places) in kept)


def pseudocode(source: str) -> list[str]:
    """One statement per line; what belongs to an if stands indented under it."""
    lines = []
    for statement in source.split("$"):
        parts = [part.strip() for part in re.split(r"\bTAB\b|(?<=;)\s", statement)]
        lines += ["    " * (place > 0) + part for place, part in enumerate(filter(None, parts))]
    return lines


def code_lines(text: str) -> list[Line]:
    """C++ tokens as lines, broken at `$`, at braces and at semicolons outside parentheses; never fails."""
    statements: list[list[str]] = [[]]
    for slot in text.replace("~", " ").split("$"):
        parentheses = 0
        for token in slot.split():
            parentheses += token.count("(") - token.count(")")
            if token.startswith("}"):
                statements.append([])
            statements[-1].append(token)
            if token[-1] in "{}" or (token[-1] == ";" and parentheses <= 0):
                statements.append([])
        statements.append([])
    lines = []
    depth = 0
    for tokens in filter(None, statements):
        depth = max(depth - tokens[0].startswith("}"), 0)
        lines.append(Line(depth, tokens))
        depth += tokens[-1].endswith("{")
    return lines


def _marked(lines: Sequence[tuple[int, list[Token]]], mark: str, style: str) -> Text:
    """The lines as text: tokens that the other output lacks in `style`, their lines preceded by `mark`."""
    texts = []
    for depth, tokens in lines[:MOST_LINES]:
        changed = any(not token.kept for token in tokens)
        text = Text.assemble((mark, style) if changed else "  ", "    " * depth)
        for token in tokens:
            text.append(token.gap).append(token.text, "" if token.kept else style)
        texts.append(text)
    if more := lines[MOST_LINES:]:
        texts.append(Text(f"  ... and {len(more)} more lines"))
    return Text("\n").join(texts)
