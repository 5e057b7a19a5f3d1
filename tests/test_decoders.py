"""Rules of decoding: exact on outputs that are given, and on a toy whose every output can be enumerated."""

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from composed.datamodules.batching import Pairs
from composed.models.composition import Composition
from composed.models.decoders import Beam, Greedy, Resample, Sample, SampleVote, elected
from composed.models.sequence import Draws
from composed.tasks.writing import Writing, uniforms
from tests import enumerable
from tests.enumerable import EOS, LONGEST, OUTPUTS, PAD

SAMPLES = st.lists(st.builds(Sample, st.sampled_from("abcd"), st.floats(-9, 0)), min_size=1, max_size=9)


@given(SAMPLES)
def test_a_vote_is_for_the_most_frequent_text_then_the_likeliest_sample_then_the_first(samples):
    votes = Counter(text for text, _ in samples)
    tied = [sample for sample in samples if votes[sample.text] == max(votes.values())]
    best = max(chance for _, chance in tied)
    assert elected(samples) == next(sample.text for sample in tied if sample.log_probability == best)


class Written:
    """A writer whose outputs are given: of each output and example the greedy text, then the samples."""

    def __init__(self, outputs: dict[str, list[str]], compiling: str = "") -> None:
        self.outputs = outputs
        self.compiling = compiling
        self.asked: list[tuple[list[int], int, int]] = []
        self.compiled: list[str] = []
        self.examples = range(len(next(iter(outputs.values()))))

    def likeliest(self, examples, *, beams=1, guided=False):
        return {output: [f"{rows[example][0]}" for example in examples] for output, rows in self.outputs.items()}

    def samples(self, examples, count, *, first=0):
        self.asked.append(([*examples], count, first))
        return {
            output: [[Sample(text, -1.0) for text in rows[e][1 + first : 1 + first + count]] for e in examples]
            for output, rows in self.outputs.items()
        }

    def valid(self, outputs):
        texts = [text for _, text in outputs]
        self.compiled += texts
        return [text in self.compiling for text in texts]


def test_greedy_decoding_takes_the_likeliest_and_a_vote_takes_samples_alone():
    writer = Written({"base": ["abb", "cde"], "composition": ["xyz", "wvv"]})
    assert Greedy()(writer) == {"base": ["a", "c"], "composition": ["x", "w"]}
    assert SampleVote(2)(writer) == {"base": ["b", "d"], "composition": ["y", "v"]}
    assert writer.compiled == []


@pytest.mark.parametrize(
    ("row", "compiling", "draws", "expected"),
    [
        ("abcd", "abcd", 4, "a"),  # the greedy one compiles
        ("abcd", "bcd", 4, "b"),
        ("abcd", "d", 4, "d"),  # the last of four
        ("abcd", "d", 3, "a"),  # would have been the fourth
        ("abcd", "", 4, "a"),  # none compiles: the greedy one
    ],
)
def test_what_the_compiler_refuses_is_drawn_again(row, compiling, draws, expected):
    writer = Written({"base": [row]}, compiling)
    assert Resample(draws)(writer) == {"base": [expected]}
    tried = row[: draws if expected == "a" and "a" not in compiling else row.index(expected) + 1]
    assert writer.compiled == [*tried]


def test_only_what_is_refused_is_drawn_and_compiled_again():
    writer = Written({"base": ["abcd", "efgh", "ijkl"], "composition": ["ABCD", "EFGH", "IJKL"]}, "aefkAGJI")
    assert Resample(4)(writer) == {"base": ["a", "e", "k"], "composition": ["A", "G", "I"]}
    # example 1 for the composition and 2 for f alone; then 1 and 2 again
    assert writer.asked == [([1, 2], 1, 0), ([1, 2], 1, 1)]
    assert writer.compiled == [*"aei", *"AEI", "j", "F", "k", "G"]


@given(st.lists(st.permutations("abcd").map("".join), min_size=1, max_size=5), st.sets(st.sampled_from("abcd")))
def test_resampling_takes_the_first_that_compiles(rows, compiling):
    chosen = Resample(4)(Written({"base": rows}, "".join(compiling)))["base"]
    assert chosen == [next((text for text in row if text in compiling), row[0]) for row in rows]


# -- a model whose outputs can be enumerated ----------------------------------------------------------------------


class Spelled:
    """Ids as digits."""

    @staticmethod
    def decode(ids: Sequence[int]) -> str:
        return "".join(str(i) for i in ids if i not in (PAD, EOS))


F, PI = enumerable.pair()
SOURCES = [np.array([4, 5, EOS]), np.array([3, EOS]), np.array([5, 5, 3, 4, EOS])]
TEXTS = [Spelled.decode(row) for row in OUTPUTS.tolist()]


def writing(through: bool = True, seed: int = 0) -> Writing:
    composition = Composition(F, PI) if through else None
    return Writing(
        Pairs(SOURCES, SOURCES, PAD), F, composition, Spelled(), LONGEST, seed, lambda texts: [True] * len(texts)
    )


def chances(source: np.ndarray) -> torch.Tensor:
    """Log-probabilities of OUTPUTS, which are all that there are."""
    with torch.no_grad():
        return -F.nll(torch.tensor(source)[None].expand(len(OUTPUTS), -1), OUTPUTS)


def test_beams_that_hold_everything_find_the_best_output_by_chance_over_length():
    found = Beam(40)(writing(through=False))["base"]
    for source, text in zip(SOURCES, found, strict=True):
        best = (chances(source) / (OUTPUTS != PAD).sum(1)).argmax()
        assert text == TEXTS[best]


def test_samples_come_as_often_as_they_are_likely_and_know_how_likely():
    count = 3000
    samples = writing().samples([2], count)["base"][0]
    known = chances(SOURCES[2])
    assert len({sample.text for sample in samples}) > 4
    seen = Counter(sample.text for sample in samples)
    for text, chance in zip(TEXTS, known.exp().tolist(), strict=True):
        assert abs(seen[text] / count - chance) < 5 * (chance * (1 - chance) / count) ** 0.5 + 1e-9
    by_text = dict(zip(TEXTS, known.tolist(), strict=True))
    assert [sample.log_probability for sample in samples] == pytest.approx([by_text[s.text] for s in samples], abs=1e-4)


def test_a_vote_wins_as_often_as_the_enumeration_says():
    """Of 3 samples: over all triples of outputs, the chance of each winner."""
    source, seeds = SOURCES[0], 1500
    known = chances(source)
    expected = Counter()
    for triple in itertools.product(range(len(OUTPUTS)), repeat=3):
        winner = elected([Sample(TEXTS[i], known[i].item()) for i in triple])
        expected[winner] += known[list(triple)].sum().exp().item()
    drawn = writing(through=False).samples([0], 3 * seeds)["base"][0]
    won = Counter(elected(drawn[3 * i : 3 * i + 3]) for i in range(seeds))
    assert sum(expected.values()) == pytest.approx(1, abs=1e-4)
    for text, chance in expected.items():
        assert abs(won[text] / seeds - chance) < 5 * (chance * (1 - chance) / seeds) ** 0.5 + 1e-4


def test_pi_reads_the_very_samples_of_f():
    written = writing().samples([0, 1, 2], 6)
    assert {*written} == {"base", "composition"}
    for base, denoised in zip(*written.values(), strict=True):
        for sample, read in zip(base, denoised, strict=True):
            source = torch.tensor([[*map(int, sample.text), EOS]])
            alone = PI.predict(source, max_length=LONGEST)[0].tolist()
            assert read == (Spelled.decode(alone), sample.log_probability)


def test_a_sample_is_the_same_whatever_else_is_drawn():
    everything = writing().samples([0, 1, 2], 5)["base"]
    for example in range(3):
        some = writing().samples([example], 2, first=3)["base"][0]
        assert [sample.text for sample in some] == [sample.text for sample in everything[example][3:]]
    other = writing(seed=1).samples([0, 1, 2], 5)["base"]
    assert [[s.text for s in row] for row in other] != [[s.text for s in row] for row in everything]
    assert not np.array_equal(uniforms(0, 0, 1, 4), uniforms(0, 1, 0, 4))


def test_samples_are_those_that_their_numbers_draw():
    numbers = torch.tensor(np.stack([uniforms(7, 1, k, LONGEST) for k in range(4)]))
    rows = F.sample(torch.tensor(SOURCES[1])[None], 4, draws=Draws(LONGEST, numbers))
    texts = [Spelled.decode(row) for row in rows.tolist()]
    assert [sample.text for sample in writing(seed=7).samples([1], 4)["base"][0]] == texts
