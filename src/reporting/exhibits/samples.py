"""Test examples for a page: the same ones as every mode predicts them, chosen by a rule that the page states."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from composed.errors import DataError
from composed.judges.shares import class_among
from composed.reporting.background import Configuration, side_by_side
from composed.reporting.exhibits.examples import Example, read_examples
from composed.reporting.runs import Run, split_name

MOST_DIAGNOSTICS = 400  # characters

# By the name of its configuration a run, and the examples of each of its test sets.
Read = dict[str, tuple[Run, dict[str, list[Example]]]]


class Token(NamedTuple):
    """A token as it is shown: the gap before it, and whether the other output has it too."""

    gap: str
    text: str
    kept: bool


Lines = list[list[Token]]


class Shown(NamedTuple):
    """How an exhibit shows an example: what its input is called, its lines, the gold output, and each output."""

    given: str
    source: list[str]
    gold: Lines
    outputs: dict[str, Lines]


class Picture(NamedTuple):
    """An image as data:, "" where none could be made, and its pixels."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Output:
    """One text: its lines, what the judge says of it, and a picture of it, where its kind has any."""

    name: str
    verdict: str
    lines: Lines
    diagnostics: str = ""
    picture: Picture | None = None

    @property
    def text(self) -> str:
        return "\n".join("".join(token.gap + token.text for token in line) for line in self.lines)


@dataclass(frozen=True)
class Sample:
    """A test example in one mode; `verdict` is that of the mode's own output, `gold` has none."""

    mode: str
    replicate: int
    split: str
    number: int
    fate: str
    verdict: str
    given: str
    source: list[str]
    gold: Output | None
    outputs: list[Output]

    @property
    def length(self) -> int:
        return sum(map(len, self.outputs[0].lines))

    @property
    def words(self) -> str:
        """What a search looks through."""
        shown = [*self.outputs, *([self.gold] if self.gold else [])]
        tokens = [token.text for output in shown for line in output.lines for token in line]
        return " ".join([*self.source, *tokens]).lower()


@dataclass(frozen=True)
class Samples:
    """noun: what examples are, in the plural; fates: of all test examples: mode: what became of them: number; note:
    what a person should know of how they are shown.
    """

    noun: str
    shown: list[Sample]
    rule: str
    fates: dict[str, dict[str, int]]
    note: str = ""


def read_runs(groups: Sequence[Configuration]) -> Read:
    """Those that have judged predictions, on the same examples."""
    read: Read = {}
    for name, run in side_by_side(groups).items() if groups else ():
        try:
            read[name] = run, {split: read_examples(run.folder, split) for split in run.scores.examples}
        except DataError:
            continue
    return read


def leading(read: Read) -> str:
    """The first that predicts through the denoiser, else the first that has one at all."""
    return min(read, key=lambda name: (read[name][0].own_output != "composition", not _fates(read[name])))


def samples(read: Read, count: int, show: Callable[[Example], Shown]) -> Samples | None:
    """About `count` test examples of one replicate, as every mode that has it predicts them; None of no example."""
    if not count:
        return None
    name = leading(read)
    leader = read[name]
    chosen = {
        split: _in_turn(leader[0], fates_of, -(-count // len(leader[1]))) for split, fates_of in leader[1].items()
    }
    shown = [
        _sample(name, run, by_number[number], show)
        for split, numbers in chosen.items()
        for number in numbers
        for name, (run, examples) in read.items()
        for by_number in [{example.number: example for example in examples.get(split, [])}]
        if number in by_number
    ]
    rule = (
        "Not a random sample: the first examples of the test files that are, in turn, each of the cases that "
        f"{name}, replicate {leader[0].replicate}, knows. Every mode shows the same ones."
    )
    fates = {name: fates for name, fates_of in read.items() if (fates := _fates(fates_of))}
    return Samples(leader[0].scores.noun, shown, rule, fates)


def _fates(read: tuple[Run, dict[str, list[Example]]]) -> dict[str, int]:
    return dict(Counter(example.fate for examples in read[1].values() for example in examples if example.fate))


def _in_turn(run: Run, examples: Sequence[Example], count: int) -> list[int]:
    """Numbers of `count` examples: of each fate, or else verdict, in turn, in file order."""
    queues: defaultdict[str, list[Example]] = defaultdict(list)
    for example in examples:
        queues[example.fate or example.verdicts[run.own_output]].append(example)
    places = {example.number: (place, case) for case in sorted(queues) for place, example in enumerate(queues[case])}
    return sorted(sorted(places, key=lambda number: places[number])[:count])


def _sample(mode: str, run: Run, example: Example, show: Callable[[Example], Shown]) -> Sample:
    shown = show(example)
    return Sample(
        mode,
        run.replicate,
        split_name(example.split),
        example.number,
        example.fate,
        _class(run, example, run.own_output),
        shown.given,
        shown.source,
        Output("gold", "", shown.gold) if shown.gold else None,
        [
            Output(output, _class(run, example, output), lines, _diagnostics(example, output))
            for output, lines in shown.outputs.items()
        ],
    )


def _class(run: Run, example: Example, output: str) -> str:
    return class_among(example.verdicts[output], [measure.name for measure in run.scores.measures])


def _diagnostics(example: Example, output: str) -> str:
    """The first error of the compiler, or what the judge says."""
    lines = example.diagnostics[output].splitlines()
    return next((line.partition("error: ")[2] for line in lines if "error: " in line), " ".join(lines[:2]))[
        :MOST_DIAGNOSTICS
    ]
