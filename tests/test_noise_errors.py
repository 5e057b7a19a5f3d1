"""Noise from mistakes: the fewest edits, counted; what it writes are edits that f made, as often, where f made them."""

import json
import random
from collections import Counter
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.config.noise import ERRORS
from composed.datamodules.noise_errors import END, KEPT, START, Edit, FromErrors, Model, edits
from composed.errors import ConfigError, DataError

WORDS = st.lists(st.sampled_from("abc"), max_size=7)


def distance(gold: list[str], written: list[str]) -> int:
    """As it is defined."""

    @cache
    def between(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        same = gold[i - 1] == written[j - 1]
        return min(between(i - 1, j) + 1, between(i, j - 1) + 1, between(i - 1, j - 1) + (not same))

    return between(len(gold), len(written))


def applied(gold: list[str], made: list[Edit]) -> list[str]:
    written: list[str] = []
    for unit, edit in zip([*gold, ""], made, strict=True):
        written += [*edit.before, unit if edit.instead is None else edit.instead]
    return [unit for unit in written if unit]


@given(WORDS, WORDS)
def test_the_edits_make_what_was_written_and_are_the_fewest(gold, written):
    made = edits(gold, written)
    assert applied(gold, made) == written
    assert sum(len(edit.before) + (edit.instead is not None) for edit in made) == distance(gold, written)


def test_each_kind_of_edit_is_told_apart():
    assert edits([*"abc"], [*"abc"]) == [KEPT] * 4
    assert edits([*"abc"], [*"axc"]) == [KEPT, Edit((), "x"), KEPT, KEPT]
    assert edits([*"abc"], [*"ac"]) == [KEPT, Edit((), ""), KEPT, KEPT]
    assert edits([*"abc"], [*"abxyc"]) == [KEPT, KEPT, Edit(("x", "y"), None), KEPT]
    assert edits([*"ab"], [*"abz"]) == [KEPT, KEPT, Edit(("z",), None)]
    assert edits([], [*"z"]) == [Edit(("z",), None)]


def test_counts_are_of_a_unit_alone_and_after_another():
    model = Model.of([(["a", " b"], ["a", " c"]), (["x", " b"], ["x", " b"])])
    assert model.shares == [1 / 3, 0.0]
    assert (model.seen[" b"], model.wrong[" b"], model.seen["a", " b"], model.wrong["a", " b"]) == (2, 1, 1, 1)
    assert model.edited["a", " b"] == Counter({Edit((), " c"): 1})
    assert (model.seen[START, "a"], model.seen[" b", END], model.seen[None], model.wrong[None]) == (1, 2, 6, 1)
    of_any = 1 / 6
    of_b = (1 + of_any) / 3
    assert model.rate("a", " b") == pytest.approx((1 + of_b) / 2)
    assert model.rate("x", " b") == pytest.approx(of_b / 2)
    assert model.rate("new", "other") == pytest.approx(of_any)


@pytest.fixture
def run(tmp_path):
    """Writes errors of some pairs; returns the folder."""

    def write(pairs: list[tuple[str, str]]) -> str:
        rows = [{"task": "files"}, *({"target": gold, "text": text} for gold, text in pairs)]
        (tmp_path / ERRORS).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(tmp_path)

    return write


def many(noise: FromErrors, output: str, draws: int = 400) -> Counter[str]:
    return Counter(noise(output, random.Random(seed)) for seed in range(draws))


def test_the_mistake_that_f_always_makes_is_nearly_all_noise(run):
    noise = FromErrors(run([("print a", "print b"), ("print c", "print b")]))
    noised = many(noise, "print a")
    assert noised["print b"] / 400 > 0.9
    assert not noised["print a"]


def test_as_many_outputs_stay_as_f_had_right_or_as_is_said(run):
    pairs = [("print a", "print b")] + [("go on", "go on")] * 3
    assert many(FromErrors(run(pairs)), "print a")["print a"] / 400 == pytest.approx(0.75, abs=0.08)
    assert many(FromErrors(run(pairs), unchanged=0.0), "print a")["print a"] == 0
    assert many(FromErrors(run(pairs), unchanged=1.0), "print a")["print a"] == 400


def test_an_output_of_unknown_words_gets_edits_of_the_same_kinds(run):
    noised = many(FromErrors(run([("a b", "a"), ("a b", "a b b")])), "other words here")
    assert {text for text in noised if len(text.split()) == 2} == {"other words", "other here", "words here"}
    assert {text for text in noised if len(text.split()) == 4} == {
        *("b other words here", "other b words here", "other words b here")
    }


def test_a_longer_output_gets_more_edits(run):
    noise = FromErrors(run([("a b c d", "a c")]))
    left = {len(text.split()) for text in many(noise, " ".join("abcd" * 10), 50)}
    assert max(left) < 40 - 10


def test_characters_are_edited_too(run):
    noised = many(FromErrors(run([("LOC", "LOK"), ("HUM", "HUM")]), unchanged=0.0, unit="character"), "LOC")
    assert noised.most_common(1)[0][0] == "LOK"


@given(st.text(st.sampled_from("ab c("), max_size=20), st.integers(0, 99))
def test_only_words_that_f_wrote_are_added(output, seed):
    noise = FromErrors("", 0.0)
    vars(noise)["pairs"] = [("x y", "x z"), ("q", "q q"), ("v w", "w")]
    kept = Counter("".join(output.split()))
    added = Counter("".join(noise(output, random.Random(seed)).split())) - kept
    assert {*added} <= {*"zq"}


def test_what_has_nothing_to_learn_from_is_refused(run, tmp_path):
    with pytest.raises(DataError, match="f has all 2 right"):
        FromErrors(run([("a", "a"), ("b", "b")]))("a", random.Random(0))
    for content in ("", "{}\n", '{}\n{"target": "a"}\n', "3\n4\n"):
        (tmp_path / ERRORS).write_text(content)
        with pytest.raises(DataError, match=rf"composed-predict {tmp_path} --errors"):
            FromErrors(str(tmp_path))("a", random.Random(0))
    with pytest.raises(ConfigError, match="a share"):
        FromErrors("", unchanged=2.0)
