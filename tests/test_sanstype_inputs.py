import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.datamodules.sanstype.files import to_cpp
from composed.datamodules.sanstype.grammar import READ_VALUES, Grammar, generate
from composed.datamodules.sanstype.inputs import branches, choose
from composed.judges import execute

PAPER = Grammar()
examples = st.builds(
    lambda seed, grammar: generate(1, seed=seed, split="any", grammar=grammar)[0],
    st.integers(0, 2**32),
    st.builds(Grammar, max_variables=st.integers(1, 4), max_rounds=st.integers(1, 6)),
)


def program(*statements: str) -> str:
    return " $ ".join(["int main () {", *statements, "return 0; }"])


def types_read(target: str) -> list[str]:
    return re.findall(r"(int|bool|string) (var_\d) ; \$ cin >> \2 ;", target)


READ_BOTH = ("bool var_0 ;", "cin >> var_0 ;", "bool var_1 ;", "cin >> var_1 ;")
SET = "bool var_0 ; var_0 = false ;"
SWAP = "bool temp = var_0 ; var_0 = var_1 ; var_1 = temp ; }"


@pytest.mark.parametrize(
    ("statements", "values", "taken"),
    [
        ((*READ_BOTH, f"if ( var_0 ) {{ {SWAP}", f"if ( var_0 ) {{ {SWAP}"), "10", (True, False)),
        ((*READ_BOTH, f"if ( var_0 ) {{ {SWAP}", f"if ( var_1 ) {{ {SWAP}"), "01", (False, True)),
        ((*READ_BOTH, f"if ( var_0 ) {{ ~ bool var_0 = true ; ~ bool var_1 ; var_1 = true ; {SWAP}",
          f"if ( var_0 ) {{ {SWAP}"), "10", (True, True)),
        ((*READ_BOTH, "if ( var_0 ) { int temp = var_2 ; var_2 = var_3 ; var_3 = temp ; }",
          f"if ( var_1 ) {{ {SWAP}"), "10", (True, False)),
        ((SET, "bool var_1 = true ;", "var_0 = true ;", f"if ( var_0 ) {{ {SWAP}"), "", (True,)),
        ((SET, "bool var_1 = true ;", "var_0 = var_0 && false ;", f"if ( var_0 ) {{ {SWAP}"), "", (False,)),
        ((*READ_BOTH, "var_0 = var_0 && true ;", f"if ( var_0 ) {{ {SWAP}"), "11", (True,)),
    ],
)  # fmt: skip
def test_branches_of_programs_worked_out_by_hand(statements, values, taken):
    assert branches(program(*statements), tuple(values)) == taken


def test_branches_are_those_that_the_compiled_program_takes():
    """A mark that each block prints says so, on every chosen input of 150 programs."""
    drawn = [one for one in generate(400, seed=5, split="test", grammar=PAPER) if "if (" in one.target][:150]
    inputs = [choose(one.target, one.inputs, 8) for one in drawn]
    marked = []
    for one in drawn:
        parts = to_cpp(one.target).split(" ) {")
        marked.append(parts[0] + "".join(f' ) {{ cout << "<{at}>" ; {part}' for at, part in enumerate(parts[1:])))
    ran = execute(marked, [["\n".join(values) + "\n" for values in of_program] for of_program in inputs])
    for one, of_program, outcome in zip(drawn, inputs, ran, strict=True):
        for values, printed in zip(of_program, outcome.printed, strict=True):
            told = {int(number) for number in re.findall(r"<(\d+)>", printed.decode())}
            assert {at for at, taken in enumerate(branches(one.target, values)) if taken} == told


@given(examples)
def test_inputs_are_different_values_of_the_types_that_are_read_the_drawn_ones_first(example):
    chosen = choose(example.target, example.inputs, 8)
    read = types_read(example.target)
    different = 1
    for type_, _ in read:
        different *= {"bool": 2, "int": 100, "string": 10}[type_]
    assert chosen[0] == example.inputs
    assert len(chosen) == len(set(chosen)) == min(8, different)
    for values in chosen:
        assert len(values) == len(read)
        assert all(value in READ_VALUES[type_] for (type_, _), value in zip(read, values, strict=True))
    assert chosen == choose(example.target, example.inputs, 8)
    assert choose(example.target, example.inputs, 1) == [example.inputs]


@given(examples)
def test_every_branch_that_some_input_takes_is_taken(example):
    """With room for all: every `if` adds one input at most to the first."""
    ifs = example.target.count("if (")
    chosen = choose(example.target, example.inputs, 1 + ifs)
    bools = [type_ == "bool" for type_, _ in types_read(example.target)]
    every = product(
        *(("0", "1") if is_bool else (value,) for is_bool, value in zip(bools, example.inputs, strict=True))
    )
    possible = {branch for values in every for branch in enumerate(branches(example.target, values))}
    assert {branch for values in chosen for branch in enumerate(branches(example.target, values))} == possible


def test_eight_inputs_are_enough_for_all_branches_of_the_paper_s_programs():
    drawn = generate(2000, seed=0, split="test", grammar=PAPER)
    missed = 0
    for example in drawn:
        few, many = (
            {
                branch
                for values in choose(example.target, example.inputs, count)
                for branch in enumerate(branches(example.target, values))
            }
            for count in (8, 40)
        )
        missed += few != many
    assert missed == 0
