import os
import re
import subprocess
import sys
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composed.datamodules.sanstype.grammar import FOOTER, HEADER, Example, Grammar, generate
from composed.errors import ConfigError

grammars = st.builds(Grammar, max_variables=st.integers(1, 10), max_rounds=st.integers(1, 12))
examples = st.builds(
    lambda seed, grammar, ood: generate(1, seed=seed, split="any", grammar=grammar, ood=ood)[0],
    st.integers(0, 2**32),
    grammars,
    st.booleans(),
)


def statements(example: Example) -> list[str]:
    """The pseudocode statements of an example."""
    assert example.source.startswith(" $ ")
    assert example.source.endswith("  $ ")
    return [statement.strip() for statement in example.source.split("$")[1:-1]]


def shape(statement: str) -> str:
    """A pseudocode statement without its names and values."""
    statement = re.sub(r"if var_\d is true", "if V", re.sub(r"if var_\d true", "if V holds", statement))
    return re.sub(r"\b(true|false|\d+)\b|\"str_\d\"", "X", re.sub(r"var_\d", "V", statement))


def test_a_stream_is_the_same_in_every_process():
    code = (
        "from composed.datamodules.sanstype.grammar import generate\nprint(generate(20, seed=3, split='ood', ood=True))"
    )
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert run.stdout.strip() == str(generate(20, seed=3, split="ood", ood=True))


def test_a_longer_list_begins_with_the_shorter_one():
    assert generate(50, seed=0, split="train")[:20] == generate(20, seed=0, split="train")


def test_seeds_and_splits_are_different_streams():
    lists = [generate(5, seed=seed, split=split) for seed in (0, 1) for split in ("train", "val")]
    assert len({example.source for examples in lists for example in examples}) == 20


def test_nothing_occurs_twice_not_even_in_a_tiny_grammar():
    seen: set[str] = set()
    tiny = Grammar(max_variables=1, max_rounds=1)
    drawn = [
        example
        for split in ("train", "test")
        for example in generate(3000, seed=0, split=split, grammar=tiny, seen=seen)
    ]
    assert len({example.source for example in drawn}) == len({example.target for example in drawn}) == 6000
    assert seen == {text for example in drawn for text in (example.source, example.target)}


@given(examples)
def test_every_variable_is_declared_once_before_its_use_and_printed_in_that_order(example):
    segments = example.target.split(" $ ")
    assert (segments[0], segments[-1]) == (HEADER, FOOTER)
    declared: list[str] = []
    printed: list[str] = []
    for segment in segments[1:-1]:
        if declaration := re.match(r"(?:int|bool|string) (var_\d) ", segment):
            assert declaration[1] not in declared
            declared.append(declaration[1])
        own = re.findall(r"~ (?:int|bool|string) (var_\d) ", segment)
        assert set(re.findall(r"var_\d", segment)) <= {*declared, *own}
        if segment.startswith("cout"):
            printed.append(segment.split()[2])
    assert printed == declared


@given(examples)
def test_values_and_operators_fit_the_declared_types(example):
    types = {}
    values = {"int": r"\d\d?", "bool": "true|false", "string": r'"str_\d"'}
    for segment in example.target.split(" $ ")[1:-1]:
        if declaration := re.match(r"(int|bool|string) (var_\d) ", segment):
            types[declaration[2]] = declaration[1]
        if segment.startswith("if"):
            assert types[segment.split()[2]] == "bool"
            type_, first, second = re.search(r"(\w+) temp = (\w+) ; \2 = (\w+) ; \3 = temp ; }$", segment).groups()
            inner = types | {name: own_type for own_type, name in re.findall(r"~ (\w+) (var_\d)", segment)}
            assert inner[first] == inner[second] == type_
        elif assignment := re.fullmatch(r"(var_\d) (=|\+=|-=) (?:\1 (\+|-|&&) )?(\S+) ;", segment):
            type_ = types[assignment[1]]
            assert re.fullmatch(values[type_], assignment[4])
            operator = assignment[3] or assignment[2]
            assert operator in {"int": "= += -= + -", "bool": "= &&", "string": "= += +"}[type_].split()


@given(examples)
def test_inputs_are_one_value_of_the_right_type_for_each_read(example):
    reads = re.findall(r"(int|bool|string) (var_\d) ; \$ cin >> \2 ;", example.target)
    assert example.target.count("cin") == len(reads) == len(example.inputs)
    for (type_, _), value in zip(reads, example.inputs, strict=True):
        assert re.fullmatch({"int": r"\d\d?", "bool": "[01]", "string": r"str_\d"}[type_], value)


@given(examples)
def test_pseudocode_has_a_statement_for_each_of_the_program_and_never_names_a_type(example):
    assert len(statements(example)) == len(example.target.split(" $ ")) - 2
    assert not re.search(r"\b(int|bool|string)\b", example.source)


@given(st.integers(0, 1000))
@settings(max_examples=20)
def test_lengths_stay_within_the_bounds_of_the_recipe(seed):
    # shortest: declare, use, one round, print; longest: 3 reads, 3 uses, 4 rounds of 2 statements, 3 prints
    lengths = [len(statements(example)) for example in generate(100, seed=seed, split="train")]
    assert min(lengths) >= 4
    assert max(lengths) <= 20


@pytest.mark.parametrize(("ood", "count"), [(False, 16), (True, 33)])
def test_pseudocode_has_as_many_shapes_as_the_published_data(ood, count):
    drawn = generate(5000, seed=0, split="any", ood=ood)
    assert len({shape(statement) for example in drawn for statement in statements(example)}) == count


def test_in_and_out_of_distribution_pseudocode_share_only_what_the_paper_left_unchanged():
    shapes = [
        {
            shape(statement)
            for example in generate(5000, seed=0, split="any", ood=ood)
            for statement in statements(example)
        }
        for ood in (False, True)
    ]
    assert shapes[0] & shapes[1] == {
        "set V to X;",
        "instantiate V;",
        "set V to max applied to V and V;",
        "set V to min applied to V and V;",
    }


# The published data: 2,500 labeled examples of all splits, statement counts of the 1,000 of train alone.
PUBLISHED = 2500
SHARES = {"no input": 723, "if": 773, "TAB": 443, "max or min": 55}
MEAN_SEGMENTS, DEVIATION_SEGMENTS = 11.94, 3.3
TRAIN = 1000
STATEMENTS = {
    "set V to X": 2808,
    "output V to stdout": 1248,
    "print V": 1192,
    "instantiate V": 955,
    "read V from stdin": 955,
    "set V to X minus V": 508,
    "add X to the beginning of V": 476,
    "add X to the end of V": 474,
    "set V to the and with X": 410,
    "set V to X plus V": 409,
    "if": 417,
    "set V to min applied to V and V": 19,
    "set V to max applied to V and V": 11,
}


@pytest.fixture(scope="module")
def drawn() -> list[Example]:
    return generate(10_000, seed=0, split="train")


def test_shares_of_programs_agree_with_the_published_data(drawn):
    counts = {
        "no input": sum(not example.inputs for example in drawn),
        "if": sum("if (" in example.target for example in drawn),
        "TAB": sum("TAB" in example.source for example in drawn),
        "max or min": sum("applied" in example.source for example in drawn),
    }
    for name, published in SHARES.items():
        share, expected = counts[name] / len(drawn), published / PUBLISHED
        deviation = sqrt(expected * (1 - expected) * (1 / PUBLISHED + 1 / len(drawn)))
        assert abs(share - expected) < 3 * deviation, name


def test_lengths_agree_with_the_published_data(drawn):
    mean = sum(len(example.target.split(" $ ")) for example in drawn) / len(drawn)
    assert abs(mean - MEAN_SEGMENTS) < 3 * DEVIATION_SEGMENTS * sqrt(1 / PUBLISHED + 1 / len(drawn))


def test_statement_kinds_agree_with_the_published_data(drawn):
    shapes = [shape(statement).removesuffix(";") for example in drawn for statement in statements(example)]
    for name, published in STATEMENTS.items():
        count = sum(found.startswith("if") if name == "if" else found == name for found in shapes)
        rate, expected = count / len(drawn), published / TRAIN
        assert abs(rate - expected) < 4 * sqrt(expected * (1 / TRAIN + 1 / len(drawn))), name  # as if Poisson


@pytest.mark.parametrize("bounds", [{"max_variables": 0}, {"max_variables": 11}, {"max_rounds": 0}])
def test_impossible_grammars_are_refused_by_name(bounds):
    with pytest.raises(ConfigError, match=f"grammar.{next(iter(bounds))}="):
        Grammar(**bounds)
