"""Programs become lines of words and come back as C++ of the same tokens; pseudocode is spelled like its code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.datamodules.spoc.code import as_source, spell, spell_text, to_cpp, to_line
from composed.datamodules.text import PRELUDE


def back(code: str) -> str:
    """What a line of code is after it was spelled and read again."""
    return to_cpp(to_line([(spell(code), 0)])).removeprefix(PRELUDE).rstrip("\n")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("int main() {", "int main ( ) {"),
        ("a+=b++ <<c;", "a += b ++ << c ;"),
        ("x=1e-9+.5f*0x1Fu;", "x = 1e-9 + .5f * 0x1Fu ;"),
        ("s[i]='\\''; p->q::r;", "s [ i ] = '\\'' ; p -> q :: r ;"),
        ("f(1'000'000, 'a');", "f ( 1'000'000 , 'a' ) ;"),
        ("#define  f(x)   (x)*2", "#define f(x) (x)*2"),
        ("#include <bits/stdc++.h>", "#include <bits/stdc++.h>"),
        ("i++; // it's   one", "i ++ ; // it's   one"),
        ("i++; // ", "i ++ ; //"),
    ],
)
def test_code_is_spelled_token_by_token(code, words):
    assert spell(code) == words


@pytest.mark.parametrize(
    "code",
    [
        'cout << "a  b\\t\\"" ;',
        'printf ( "a\tb%d" , x ) ;',
        'string s = R"x(a " b)x" ;',
        'auto s = u8"a b"s ;',
        "char c = ' ' ;",
        'int $x = ~ a ; cout << "~$ #" ;',
        '#define S "a   b"',
    ],
)
def test_what_could_be_mistaken_comes_back_as_it_was(code):
    assert back(code) == code


@given(st.text(st.sampled_from(" \t\\\"'ab1.$~+-<>=#/*(){};:&|é"), max_size=30))
def test_tokens_survive_or_the_line_is_refused(code):
    """Spelled again, what came back has the same words: nothing joined, split or lost."""
    try:
        words = spell(code)
    except ValueError:
        return
    if not code.lstrip().startswith("#"):
        assert spell(back(code)) == words
    assert "$" not in words
    assert "~" not in words


@given(st.lists(st.tuples(st.sampled_from(["x = 1 ;", "// a", "#define A 1", '"$ ~" ;', "}"]), st.integers(0, 4))))
def test_lines_and_indentation_survive(lines):
    text = to_cpp(to_line((spell(code), indent) for code, indent in lines)).removeprefix(PRELUDE)
    assert text.rstrip("\n").split("\n") == (["\t" * indent + code for code, indent in lines] or [""])


@pytest.mark.parametrize(("code", "what"), [('s = "abc;', "quote at column 5"), ("c = 'a;", "quote at column 5")])
def test_a_literal_without_an_end_is_refused(code, what):
    with pytest.raises(ValueError, match=what):
        spell(code)


def test_stand_ins_in_the_code_are_refused():
    with pytest.raises(ValueError, match="stand for others"):
        spell('cout << "\u2423";')


def test_pseudocode_is_spelled_like_code_and_takes_every_quote():
    assert spell_text('don\'t print min(v+a, "a b")') == 'don \' t print min ( v + a , "a\u2423b" )'
    assert as_source("set a to 1; print a;") == "set a to 1 $ print a"
    assert as_source("set a to 1 $ print a") == "set a to 1 $ print a"


@pytest.mark.parametrize(
    ("prediction", "lines"),
    [
        ("", [""]),
        ("~~ ~ x $ $ y ~ z", ["\t\t\tx", "", "y ~ z"]),
        ("a <unk> b $", ["a unk b", ""]),
    ],
)
def test_any_prediction_becomes_a_text(prediction, lines):
    assert to_cpp(prediction).removeprefix(PRELUDE) == "\n".join(lines) + "\n"
