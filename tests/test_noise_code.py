"""DrRepair's corruptions: families as often as published, changes where they say, everything from the seed."""

import random
from collections import Counter
from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.datamodules.noise import corrupt
from composed.datamodules.noise_code import ATTEMPTS, FAMILIES, PUBLISHED, CodeErrors
from composed.errors import ConfigError

PROGRAM = (
    "int main ( ) { $ ~ int a , b = 3 ; $ ~ cin >> a ; $ ~ if ( a < b ) $ ~~ b = max ( a , b ) ; $ "
    '~ cout << "x\u2423y" << b ; $ ~ return 0 ; $ }'
)
LINES = PROGRAM.split(" $ ")
OWN = {1, 2, 3, 4, 5}


def outcomes(family: str, line: str, draws: int = 400) -> set[str]:
    noise = CodeErrors(0.0, 1, {name: float(name == family) for name in FAMILIES})
    return {noise(f"{line} $ cin >> other ;", random.Random(i)).split(" $ ")[0] for i in range(draws)} - {line}


def changed_lines(noised: str) -> set[int]:
    return {place for place, (old, new) in enumerate(zip(LINES, noised.split(" $ "), strict=True)) if old != new}


def test_one_to_three_lines_change_but_none_that_has_nothing_of_its_own():
    counts: Counter[int] = Counter()
    for i in range(3000):
        places = changed_lines(CodeErrors()(PROGRAM, random.Random(i)))
        assert places <= OWN
        counts[len(places)] += 1
    assert counts[0] / 3000 == pytest.approx(0.1, abs=0.03)  # and a corruption may give way ATTEMPTS times
    for number in (1, 2, 3):
        assert counts[number] / 3000 == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize(
    ("family", "line", "expected"),
    [
        ("syntax", "f ( a ) ;", {"f a ) ;", "f ( ( a ) ;", "f ( a ; )", "f ( a ) ,", "f ( a )"}),
        ("syntax", 'puts "a" ;', {'puts a" ;', 'puts "a ;', 'puts ""a" ;', 'puts "a"" ;'}),
        ("type", "int a ;", {"a ;", "long a ;", "bool a ;", "string a ;"}),
        ("type", "a = 1 ;", {"int a = 1 ;", "double a = 1 ;"}),
        ("declaration", "int a , b ;", {"int a ;", "int , b ;", "int other , b ;", "int a , other , b ;"}),
        ("typo", "a = b ;", {"other = b ;", "b = b ;", "= b ;", "a = ;", "a = other ;"}),
        ("keyword", "else if ( a )", {"( a )", "while ( a )", "else ( a )", "for ( a )"}),
        ("keyword", "b = max ( a ) ;", {"b = ( a ) ;"}),
    ],
)
def test_a_family_makes_its_mistakes(family, line, expected):
    assert expected <= outcomes(family, line)


@pytest.mark.parametrize(
    ("family", "line"),
    [("type", "cin >> a ;"), ("declaration", "a = 1 ;"), ("keyword", "a = 1 ;"), ("typo", "1 + 1 ;")],
)
def test_a_family_with_nothing_to_do_leaves_the_line(family, line):
    assert outcomes(family, line, 20) == set()


def test_families_are_drawn_as_published_and_give_way_where_they_have_nothing_to_do(monkeypatch):
    able = {"syntax", "typo"}
    for name in FAMILIES:
        monkeypatch.setitem(FAMILIES, name, lambda words, _program, _rng, name=name: words.append(name) or name in able)
    tried = [CodeErrors(0.0, 1)("a ;", random.Random(i)).split()[2:] for i in range(6000)]
    first = Counter(names[0] for names in tried)
    for name, share in PUBLISHED.items():
        assert first[name] / 6000 == pytest.approx(share, abs=0.03)
    assert all(able.isdisjoint(names[:-1]) and (names[-1] in able or len(names) == ATTEMPTS) for names in tried)


def test_a_change_is_small():
    for i in range(300):
        noised = CodeErrors(0.0, 1)(PROGRAM, random.Random(i)).split()
        assert SequenceMatcher(None, PROGRAM.split(), noised, autojunk=False).ratio() > 0.9


@given(st.lists(st.sampled_from([*"(){};,+=", "int", "a", "$", "~~", "if", "<<", '"x', "'", "1"]), max_size=30))
def test_any_line_can_be_corrupted_and_the_seed_repeats_it(words):
    program = " ".join(words)
    noise = CodeErrors(0.0, 3)
    assert noise(program, random.Random(1)) == noise(program, random.Random(1))


def test_a_program_has_a_stream_of_its_own():
    programs = [PROGRAM, PROGRAM.replace("a", "c"), PROGRAM]
    assert corrupt(programs, CodeErrors(), 3)[0] == corrupt(programs[:1], CodeErrors(), 3)[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [("unchanged", 1.5), ("max_lines", 0), ("weights", {"syntax": 1.0}), ("weights", dict.fromkeys(FAMILIES, 0.0))],
)
def test_impossible_parameters_are_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=f"noise.{name}="):
        CodeErrors(**{name: value})
