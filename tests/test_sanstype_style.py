from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.datamodules.sanstype import grammar
from composed.datamodules.sanstype.grammar import Grammar, generate
from composed.datamodules.sanstype.style import normal_form

grammars = st.builds(Grammar, max_variables=st.integers(1, 10), max_rounds=st.integers(1, 12))
STYLED = [kind for kind, forms in grammar.CODE.items() if len(forms) > 1]


def drawn(count: int, seed: int, of: Grammar, coins: dict[str, int]) -> list[str]:
    """The programs of a stream whose style coins of these kinds of statements fall as they are told to."""
    forms = {kind: (grammar.CODE[kind][side],) * 2 for kind, side in coins.items()}
    with patch.dict(grammar.CODE, forms):
        return [example.target for example in generate(count, seed=seed, split="any", grammar=of)]


def test_the_statements_with_a_style():
    assert STYLED == ["init", "plus", "minus", "append"]
    assert all(len(forms) <= 2 for forms in grammar.CODE.values())


@given(st.integers(0, 2**32), grammars, st.fixed_dictionaries({kind: st.integers(0, 1) for kind in STYLED}))
def test_every_style_of_a_program_has_one_normal_form(seed, of, coins):
    texts = {drawn(1, seed, of, fallen)[0] for fallen in ({}, coins, {kind: 1 - coins[kind] for kind in coins})}
    assert len({normal_form(text) for text in texts}) == 1


@given(st.integers(0, 2**32), grammars)
def test_a_normal_form_is_its_own(seed, of):
    (text,) = drawn(1, seed, of, {})
    assert normal_form(normal_form(text)) == normal_form(text)


def test_different_programs_have_different_normal_forms():
    """Of 3000 in a tiny grammar, where many differ in a word: as many as there are with all coins fallen alike."""
    tiny = Grammar(max_variables=2, max_rounds=1)
    texts = drawn(3000, 0, tiny, dict.fromkeys(STYLED, 0))
    assert len(set(texts)) == 3000
    assert len({normal_form(text) for text in texts}) == 3000


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("int a ; a = 3 ;", "int a = 3 ;", True),
        ("int a ; $ a = 3 ;", "$ int  a = 3 ;", True),
        ("a += 3 ;", "a = a + 3 ;", True),
        ("a -= 3 ;", "a = a - 3 ;", True),
        ('s += "x" ;', 's = s + "x" ;', True),
        ("if ( b ) { ~ int a ; a = 1 ; ~ int c = 2 ;", "if ( b ) { ~ int a = 1 ; ~ int c ; c = 2 ;", True),
        ("a -= 3 ;", "a = a + 3 ;", False),
        ("a = 3 + a ;", "a = a + 3 ;", False),
        ('s = "x" + s ;', 's += "x" ;', False),
        ("int a ; b = 3 ;", "int a = 3 ;", False),
        ("int a ; b = 3 ;", "int b = 3 ;", False),
        ("int a ; cin >> a ; a = 3 ;", "int a = 3 ; cin >> a ;", False),
        ("bool a = true ;", "bool a = false ;", False),
        ("int a ; ab = 3 ;", "int ab = 3 ;", False),
        ("b += 3 ;", "b = ab + 3 ;", False),
        ("a += 3", "a = a + 3 ;", False),
        ("a = a && true ;", "", False),
    ],
)
def test_pairs_worked_out_by_hand(one, other, same):
    assert (normal_form(one) == normal_form(other)) is same
