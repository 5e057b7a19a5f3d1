"""How a prediction is chosen among what f, and the composition, can write: one output, the best of several, or a vote.

A rule sees texts; how they come about is the `Writer`'s. A composition's outputs are Pi's readings of f's: Pi itself
decodes greedily, but where f's are searched for by beams, it searches too. Letters: k samples of f for each source.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Texts = dict[str, list[str]]  # by the name of the output, base or composition: of each example in order
ByExample = dict[str, dict[int, str]]  # the same, by the example's number


class Sample(NamedTuple):
    """An output of f, or Pi's reading of one; the log-probability (nats) is that of f's in both."""

    text: str
    log_probability: float


class Writer(Protocol):
    """What writes for the sources of some examples, which it has by number."""

    @property
    def examples(self) -> Sequence[int]: ...

    def likeliest(self, examples: Sequence[int], *, beams: int = 1, guided: bool = False) -> Texts:
        """What greedy decoding finds, or beam search. `guided`: among what the grammar of the task allows."""

    def samples(self, examples: Sequence[int], count: int, *, first: int = 0) -> Mapping[str, list[list[Sample]]]:
        """By the name of the output, for each example `count` samples of f, or Pi's readings of these.

        They are the samples number `first`, `first + 1`, ... of the example: the same whatever else is asked for.
        """

    def valid(self, outputs: Sequence[tuple[int, str]]) -> list[bool]:
        """Whether the judge takes them for valid outputs: an example and a text each."""


class Decoder(Protocol):
    def __call__(self, writer: Writer) -> Texts:
        """The prediction for every example of the writer."""


@dataclass(frozen=True)
class Greedy:
    """The likeliest token, one after the other."""

    def __call__(self, writer: Writer) -> Texts:
        return writer.likeliest(writer.examples)


@dataclass(frozen=True)
class Beam:
    """Beam search by log-probability over length (Wu et al. 2016, alpha 1): of f, and then of Pi on what it finds."""

    beams: int

    def __call__(self, writer: Writer) -> Texts:
        return writer.likeliest(writer.examples, beams=self.beams)


@dataclass(frozen=True)
class Constrained:
    """Greedy, of f and of Pi, among the words that make a program which the task's grammar accepts."""

    def __call__(self, writer: Writer) -> Texts:
        return writer.likeliest(writer.examples, guided=True)


@dataclass(frozen=True)
class SampleVote:
    """The text that occurs most often among k samples (self-consistency, Wang et al. 2023, of whole programs)."""

    samples: int

    def __call__(self, writer: Writer) -> Texts:
        drawn = writer.samples(writer.examples, self.samples)
        return {output: [elected(samples) for samples in rows] for output, rows in drawn.items()}


def elected(samples: Sequence[Sample]) -> str:
    """The most frequent text; of equally frequent ones that of the likelier sample, then the first."""
    votes = Counter(sample.text for sample in samples)
    return max(samples, key=lambda sample: (votes[sample.text], sample.log_probability)).text


@dataclass(frozen=True)
class Resample:
    """Greedy; where that is invalid, the first sample that is not, and the greedy one where there is none.

    Args:
        draws: outputs that are tried, the greedy one among them.
    """

    draws: int

    def __call__(self, writer: Writer) -> Texts:
        greedy = writer.likeliest(writer.examples)
        chosen = {output: dict(zip(writer.examples, texts, strict=True)) for output, texts in greedy.items()}
        refused = _refused(writer, chosen)
        for number in range(self.draws - 1):
            left = sorted({example for examples in refused.values() for example in examples})
            if not left:
                break
            tried: ByExample = {}
            for output, rows in writer.samples(left, 1, first=number).items():
                drawn = dict(zip(left, rows, strict=True))
                tried[output] = {example: drawn[example][0].text for example in refused[output]}
            refused = _refused(writer, tried)
            for output, texts in tried.items():
                chosen[output] |= {example: text for example, text in texts.items() if example not in refused[output]}
        return {output: [texts[example] for example in writer.examples] for output, texts in chosen.items()}


def _refused(writer: Writer, texts: ByExample) -> dict[str, set[int]]:
    """Of each output the examples whose text is invalid; all are checked together."""
    asked = [(output, example) for output, of_output in texts.items() for example in of_output]
    takes = writer.valid([(example, texts[output][example]) for output, example in asked])
    refused: dict[str, set[int]] = {output: set() for output in texts}
    for (output, example), taken in zip(asked, takes, strict=True):
        if not taken:
            refused[output].add(example)
    return refused
