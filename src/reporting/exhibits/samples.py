"""Programs for a page: the same test programs as every mode predicts them, chosen by a rule that the page states."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from composed.errors import DataError
from composed.judges.shares import class_among
from composed.reporting.background import Configuration, side_by_side
from composed.reporting.exhibits.programs import Example, Token, compared, pseudocode, read_examples
from composed.reporting.runs import Run, split_name

MOST_DIAGNOSTICS = 400  # characters


@dataclass(frozen=True)
class Output:
    """One program: `lines` of (depth, tokens), and what was wrong with it."""

    name: str
    verdict: str
    lines: list[tuple[int, list[Token]]]
    diagnostics: str


@dataclass(frozen=True)
class Sample:
    """A test program in one mode; `verdict` is that of the mode's own output."""

    mode: str
    replicate: int
    split: str
    number: int
    fate: str
    verdict: str
    source: list[str]
    outputs: list[Output]

    @property
    def length(self) -> int:
        return sum(len(tokens) for _, tokens in self.outputs[0].lines)

    @property
    def words(self) -> str:
        """What a search looks through."""
        tokens = [token.text for output in self.outputs for _, line in output.lines for token in line]
        return " ".join([*self.source, *tokens]).lower()


@dataclass(frozen=True)
class Samples:
    shown: list[Sample]
    rule: str
    fates: dict[str, dict[str, int]]  # of all test programs: mode: what became of them: number


def samples(groups: Sequence[Configuration], count: int) -> Samples | None:
    """About `count` test programs of one replicate, as every mode that has it predicts them.

    None where no mode has judged predictions.
    """
    read = {}
    for name, run in side_by_side(groups).items() if groups else ():
        try:
            read[name] = run, {split: read_examples(run.folder, split) for split in run.scores.examples}
        except DataError:
            continue
    if not read or not count:
        return None
    name = min(
        read, key=lambda candidate: (read[candidate][0].own_output != "composition", not _fates(read[candidate]))
    )
    leader = read[name]
    chosen = {
        split: _in_turn(leader[0], fates_of, -(-count // len(leader[1]))) for split, fates_of in leader[1].items()
    }
    shown = [
        _sample(name, run, by_number[number])
        for split, numbers in chosen.items()
        for number in numbers
        for name, (run, examples) in read.items()
        for by_number in [{example.number: example for example in examples.get(split, [])}]
        if number in by_number
    ]
    rule = (
        f"Not a random sample: the first programs of the test files that are, in turn, each of the cases that {name}, "
        f"replicate {leader[0].replicate}, knows. Every mode shows the same programs."
    )
    return Samples(shown, rule, {name: fates for name, fates_of in read.items() if (fates := _fates(fates_of))})


def _fates(read: tuple[Run, dict[str, list[Example]]]) -> dict[str, int]:
    return dict(Counter(example.fate for examples in read[1].values() for example in examples if example.fate))


def _in_turn(run: Run, examples: Sequence[Example], count: int) -> list[int]:
    """Numbers of `count` examples: of each fate, or else verdict, in turn, in file order."""
    queues: defaultdict[str, list[Example]] = defaultdict(list)
    for example in examples:
        queues[example.fate or example.verdicts[run.own_output]].append(example)
    places = {example.number: (place, case) for case in sorted(queues) for place, example in enumerate(queues[case])}
    return sorted(sorted(places, key=lambda number: places[number])[:count])


def _sample(mode: str, run: Run, example: Example) -> Sample:
    return Sample(
        mode,
        run.replicate,
        split_name(example.split),
        example.number,
        example.fate,
        _class(run, example, run.own_output),
        pseudocode(example.source),
        [
            Output(output, _class(run, example, output), lines, _diagnostics(example, output))
            for output, lines in compared(example).items()
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
