"""The quality of a denoiser, counted by hand."""

import pytest

from composed.datamodules.repairs import Quality, quality
from composed.datamodules.sanstype.style import normal_form

CLEAN = ["int a = 1 ;", "int a = 2 ;", "b += 3 ;", "b += 4 ;", "c = 5 ;"]
CORRUPTED = ["int a 1 ;", "int a = 2 ;", "b = b + 3 ;", "b = 4 ;", "c 5 ;"]  # broken, left, style alone, broken, broken
REPAIRED = ["int a ; a = 1 ;", "int a = 9 ;", "b += 9 ;", "b +=  4 ;", "c = 6 ;"]  # style, -, -, exactly, wrong


def test_counts_are_of_what_was_corrupted_beyond_style_and_of_gold_that_is_changed_beyond_it():
    gold, rewritten = ["a += 1 ;", "a += 2 ;", "a = 3 ;"], ["a = a + 1 ;", "a += 1 ;", "a = 3 ;"]
    found = quality(CLEAN, CORRUPTED, REPAIRED, gold, rewritten, normal_form)
    assert found == Quality(corrupted=3, repaired=2, exactly=1, gold=3, changed=1)
    plain = quality(CLEAN, CORRUPTED, REPAIRED, gold, rewritten)  # where nothing is called style
    assert plain == Quality(corrupted=4, repaired=1, exactly=1, gold=3, changed=2)


def test_a_perfect_denoiser_and_one_that_returns_what_it_is_given():
    assert quality(CLEAN, CORRUPTED, CLEAN, CLEAN, CLEAN, normal_form) == Quality(3, 3, 3, 5, 0)
    assert quality(CLEAN, CORRUPTED, CORRUPTED, CLEAN, CLEAN, normal_form) == Quality(3, 0, 0, 5, 0)


def test_nothing_has_a_quality_of_nothing():
    assert quality([], [], [], [], []) == Quality(0, 0, 0, 0, 0)


def test_texts_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="zip"):
        quality(CLEAN, CORRUPTED[:-1], REPAIRED, [], [])
    with pytest.raises(ValueError, match="zip"):
        quality(CLEAN, CORRUPTED, REPAIRED, ["a"], [])
