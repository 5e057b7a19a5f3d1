"""Noise for any text: what is lost and moved, that masks cover what they should, and nothing else is invented."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.datamodules.noise import MASK, Mixture
from composed.datamodules.noise_text import Deletion, Spans, Swap, joined, units
from composed.errors import ConfigError

LINES = st.text(st.sampled_from("ab1_ (){}=.,\u2423\u21b5\u4e2d"), max_size=40).map(lambda text: " ".join(text.split()))
UNITS = st.sampled_from(["word", "character"])
LINE = "def f(x): \u21b5\u2423\u2423\u2423\u2423 return x ** 2"


def rng(seed: int = 0) -> random.Random:
    return random.Random(seed)


def test_a_word_is_letters_and_digits_or_equal_marks_with_the_blank_before():
    assert units(LINE, "word") == [
        *("def", " f", "(", "x", ")", ":", " \u21b5", "\u2423\u2423\u2423\u2423", " return", " x", " **", " 2")
    ]  # fmt: skip


@given(LINES, UNITS)
def test_units_joined_are_the_line(line, unit):
    assert joined(units(line, unit)) == line


@given(LINES, UNITS, st.integers(0, 99))
def test_what_is_left_of_a_deletion_is_there_in_its_order(line, unit, seed):
    left = iter(units(line, unit))
    noised = "".join(Deletion(0, 0.4, unit)(line, rng(seed)).split())
    kept = "".join("".join(left).split())
    position = 0
    for character in noised:
        position = kept.index(character, position) + 1


@given(LINES, UNITS, st.integers(0, 99))
def test_a_swap_moves_and_loses_nothing(line, unit, seed):
    assert Counter("".join(Swap(0, 0.5, unit)(line, rng(seed)).split())) == Counter("".join(line.split()))


@given(LINES, UNITS, st.integers(0, 99))
def test_outside_of_masks_spans_change_nothing(line, unit, seed):
    noised = Spans(0, 0.3, unit, 2.0)(line, rng(seed))
    position = 0
    for part in noised.split(MASK):
        for character in "".join(part.split()):
            position = line.index(character, position) + 1


@pytest.mark.parametrize("noise", [Deletion(1), Swap(1), Spans(1), Deletion(0, 0), Swap(0, 0), Spans(0, 0)])
def test_what_is_left_as_it_is_and_what_never_happens_change_nothing(noise):
    assert {noise(LINE, rng(seed)) for seed in range(20)} == {LINE}


def test_each_does_what_it_is_called():
    assert {Deletion(0, 1)(LINE, rng())} == {""}
    assert Swap(0, 1)("a b c d e", rng()) == "b a d c e"
    assert Swap(0, 1)("f(x)", rng()) == "(f)x"
    assert Swap(0, 1, "character")("abcd", rng()) == "badc"
    assert Spans(0, 1)(LINE, rng()).replace(MASK, "").strip() == ""
    assert Spans(0, 0.01)("label", rng()).replace(MASK, "").strip() == ""  # of one word, that one


def test_words_are_lost_as_often_as_is_said():
    words = [f"w{number}" for number in range(50)]
    lost = [50 - len(Deletion(0.5, 0.2)(" ".join(words), rng(seed)).split()) for seed in range(2000)]
    assert sum(lost) / 2000 == pytest.approx(0.5 * 0.2 * 50, rel=0.1)
    assert sum(not count for count in lost) / 2000 == pytest.approx(0.5, abs=0.05)


def test_spans_cover_as_much_as_is_said_of_the_words():
    line = " ".join(f"w{number}" for number in range(50))
    for seed in range(50):
        assert len([word for word in Spans(0, 0.3)(line, rng(seed)).split() if word != MASK]) == 35


def test_they_mix():
    mixed = Mixture({"a": Deletion(0, 1), "b": Swap(0, 1)}, {"a": 1.0, "b": 1.0})
    assert {mixed("a b", rng(seed)) for seed in range(20)} == {"", "b a"}


@pytest.mark.parametrize("wrong", [{"unchanged": 2}, {"probability": -1}])
def test_what_is_no_probability_is_refused(wrong):
    for noise in (Deletion, Swap, Spans):
        with pytest.raises(ConfigError, match="a probability"):
            noise(**wrong)
    with pytest.raises(ConfigError, match=r"noise.span=0\.5"):
        Spans(span=0.5)
