"""That an error of g++ is laid at the right program's door, or at none."""

from __future__ import annotations

from composed.judges.unit import mentioned, rejected, uninitialized, unit_text

GUARD = "guard-{0}:1:25: error: static assertion failed: guard-{0}\n"
ERROR = "program-{0}:5:3: error: 'y' was not declared in this scope\n"


def test_a_unit_names_its_programs_and_their_lines():
    text = unit_text({3: "int main\0() {{ } return 0; }", 8: "int x\0; int main\0() {{ } return 0; }"})
    assert text == (
        '#line 5 "program-3"\nint main__3() {{ } return 0; }\n'
        '#line 5 "program-8"\nint x__8; int main__8() {{ } return 0; }\n'
        '#line 1 "unit"\nextern "C" int (*const programs[])() = {main__3, main__8};\n'
    )


def test_an_error_with_clean_text_before_it_rejects_its_program():
    messages = ERROR.format(0) + GUARD.format(0) + GUARD.format(1) + ERROR.format(2) + GUARD.format(2)
    assert rejected([0, 1, 2], messages) == {
        0: "program.cpp:5:3: error: 'y' was not declared in this scope",
        2: "program.cpp:5:3: error: 'y' was not declared in this scope",
    }


def test_an_error_after_a_silent_or_disturbed_guard_rejects_nobody():
    assert rejected([0, 1], ERROR.format(0) + ERROR.format(1) + GUARD.format(1)).keys() == {0}
    disturbed = "guard-0:1:1: error: expected '}' before 'namespace'\n" + GUARD.format(0)
    assert rejected([0, 1], ERROR.format(0) + disturbed + ERROR.format(1)).keys() == {0}


def test_an_error_that_company_may_have_caused_rejects_nobody():
    for text in ("conflicting declaration 'int x'", "redefinition of 'int f()'", "call of 'f(int)' is ambiguous"):
        assert rejected([0], f"program-0:5:3: error: {text}\n" + GUARD.format(0)) == {}


def test_diagnostics_show_the_names_that_the_program_has():
    messages = "program-12: In function 'int main__12()':\nprogram-12:6:1: error: 'abc__12' is no type\n"
    assert rejected([12], messages) == {
        12: "program.cpp: In function 'int main()':\nprogram.cpp:6:1: error: 'abc' is no type"
    }


def test_programs_are_mentioned_by_their_file_or_by_their_names():
    messages = "program-4:5:3:   required from here\n/usr/bin/ld: unit.cpp: undefined reference to `f__17(int)'\n"
    assert mentioned(messages) == {4, 17}
    assert mentioned("cc1plus: out of memory") == set()


def test_only_the_warning_of_an_uninitialized_variable_is_taken_for_one():
    messages = (
        "program-1:5:3: warning: 'x__1' is used uninitialized [-Wuninitialized]\n"
        "program-2:5:3: warning: division by zero [-Wdiv-by-zero]\n"
    )
    assert uninitialized(messages) == {1}
