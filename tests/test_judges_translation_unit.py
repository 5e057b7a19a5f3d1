"""That an error of g++ is laid at the right program's door, or at none."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from composed.judges.lexer import MAIN_PLACE, PLACE
from composed.judges.translation_unit import Names

NAMES = Names("N")
GUARD = "N-guard-{0}:1:25: error: static assertion failed: N-guard-{0}\n"
ERROR = "N-program-{0}:5:3: error: 'y' was not declared in this scope\n"


def test_a_unit_names_its_programs_their_places_and_their_lines():
    text = NAMES.unit({3: f"{MAIN_PLACE}int main\0() {{}}", 8: f"{PLACE}int f\0() {{}} {MAIN_PLACE}int main\0() {{}}"})
    lines = text.splitlines()
    assert lines[0] == '#line 5 "N-program-3"'
    assert re.fullmatch(r'__attribute__\(\(section\("pN_3"\), aligned\(\d+\)\)\) int main_N_3\(\) {}', lines[1])
    assert lines[2] == '#line 5 "N-program-8"'
    assert lines[3].startswith(
        '__attribute__((section("pN_8"))) int f_N_8() {} __attribute__((section("pN_8"), aligned('
    )
    assert lines[4] == '#line 1 "N-unit"'
    assert "{__start_pN_3, __stop_pN_3, main_N_3},\n{__start_pN_8, __stop_pN_8, main_N_8},\n" in text


def test_no_two_units_have_the_same_names():
    assert len({Names().nonce for _ in range(100)}) == 100
    assert all(len(Names().nonce) == len(NAMES.nonce) + 16 for _ in range(10))  # and addresses do not depend on them


def test_an_error_with_clean_text_before_it_rejects_its_program():
    messages = ERROR.format(0) + GUARD.format(0) + GUARD.format(1) + ERROR.format(2) + GUARD.format(2)
    assert NAMES.rejected([0, 1, 2], messages) == {
        0: "program.cpp:5:3: error: 'y' was not declared in this scope",
        2: "program.cpp:5:3: error: 'y' was not declared in this scope",
    }


def test_an_error_after_a_silent_or_disturbed_guard_rejects_nobody():
    assert NAMES.rejected([0, 1], ERROR.format(0) + ERROR.format(1) + GUARD.format(1)).keys() == {0}
    disturbed = "N-guard-0:1:1: error: expected '}' before 'namespace'\n" + GUARD.format(0)
    assert NAMES.rejected([0, 1], ERROR.format(0) + disturbed + ERROR.format(1)).keys() == {0}


def test_an_error_that_company_may_have_caused_rejects_nobody():
    for text in ("conflicting declaration 'int x'", "redefinition of 'int f()'", "call of 'f(int)' is ambiguous"):
        assert NAMES.rejected([0], f"N-program-0:5:3: error: {text}\n" + GUARD.format(0)) == {}


def test_diagnostics_show_the_names_that_the_program_has():
    messages = "N-program-12: In function 'int main_N_12()':\nN-program-12:6:1: error: 'abc_N_12' is no type\n"
    assert NAMES.rejected([12], messages) == {
        12: "program.cpp: In function 'int main()':\nprogram.cpp:6:1: error: 'abc' is no type"
    }


def test_programs_are_mentioned_by_their_file_or_by_their_names():
    messages = "N-program-4:5:3:   required from here\n/usr/bin/ld: unit.cpp: undefined reference to `f_N_17(int)'\n"
    assert NAMES.mentioned(messages) == {4, 17}
    assert NAMES.mentioned("cc1plus: out of memory") == set()


@given(st.text(st.sampled_from("program-guard1:5 error'_x\n99")), st.integers(0, 9))
def test_what_a_program_writes_is_no_message_of_another(text, number):
    """Whatever g++ quotes of a program, only lines and names with the random number count."""
    quoted = f"program-{number}:5: error: y\nprogram-{number}:{text}\n{text}__{number}\n{'9' * 5000}"
    names = Names()
    assert names.mentioned(quoted) == names.uninitialized(quoted) == set()
    assert names.rejected([number], quoted + f"\n{names.nonce}-guard-{number}:1: error: x") == {}


def test_only_the_warning_of_an_uninitialized_variable_is_taken_for_one():
    messages = (
        "N-program-1:5:3: warning: 'x_N_1' is used uninitialized [-Wuninitialized]\n"
        "N-program-2:5:3: warning: division by zero [-Wdiv-by-zero]\n"
    )
    assert NAMES.uninitialized(messages) == {1}
