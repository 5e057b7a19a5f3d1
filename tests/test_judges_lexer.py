"""Which programs may share a translation unit, and that sharing leaves their meaning alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.judges.lexer import PRELUDE, SUFFIX, HeaderNames, shareable
from composed.judges.toolchain import open_toolchain

TOY = HeaderNames(
    frozenset(["cin", "cout", "string", "max", "count", "gcd", "n", "exit", "first", "what"]),
    frozenset(["n", "first", "what"]),
)


def shared(code: str, header: HeaderNames = TOY) -> str | None:
    text = shareable(PRELUDE + code, header)
    return None if text is None else text.replace(SUFFIX, "'")


def test_new_names_get_the_suffix_and_known_names_do_not():
    assert shared("int main () { int var_1 ; cin >> var_1 ; }") == (
        "int main' () {{ int var_1' ; cin >> var_1' ; } return 0; }"
    )


def test_a_hidden_name_is_new_unless_it_may_be_a_member():
    assert shared("int n; int main() { cin >> n; }") == "int n'; int main'() {{ cin >> n'; } return 0; }"
    assert shared("int main() { int n = x.n; }") == "int main'() {{ int n = x'.n; } return 0; }"
    assert shared("int n; int main() { x.n = n; }") is None
    assert shared("int main() { struct A { int n; }; }") == "int main'() {{ struct A' { int n; }; } return 0; }"


@pytest.mark.parametrize(
    "code",
    [
        "int main() {}",
        "int main(void) { return 0; }",
        "typedef long long ll; ll a[100], b = 2; int main() { a[1] = b; }",
        "const int N = 1e5 + 5; vector<int> g[N]; map<string, int> m; int main() {}",
        'int f(int x, string s) { return x; } void h(); int main() { f(1, "}"); } void h() { }',
        "struct P { int x, y; }; P p[10]; int main() { p[0].x = '}'; }",
        "struct P { int x; P() { x = 1; } }; int f(P p) { return p.x; } int main() {}",
        'const double PI = acos(-1.0); char t[2][3] = {{"ab"}, {"cd"}}; int main() {}',
        "int main() { auto f = [&](int x) { return x + 1; }; return f(1); }",
    ],
)
def test_programs_that_keep_to_themselves_are_shared(code):
    assert shared(code) is not None


@pytest.mark.parametrize(
    "code",
    [
        "",
        "int f() {}",
        "main() {}",
        "void main() {}",
        "long main() {}",
        "int main(int c, char** v) {}",
        "int main() {} int main() {}",
        "int main() { main(); }",
        "int main() {}}",
        "int main() { (] }",
        "int main() {",
        "int main() { // }\n}",
        "int main() { /* } */ }",
        "#define x\nint main() {}",
        "int main() {\n#\n}",
        "int main() <% %>",
        "int main() { int a<::>; }",
        "int main() { [[maybe_unused]] int x; }",
        'int main() { auto s = R"(})"; }',
        'int main() { auto s = "a"_x; }',
        "int main() { int x = 1'000; }",
        "int main() { char c = '\n'; }",
        "int main() { int \\\n x; }",
        "int main() { int é; }",
        "int main() { return __LINE__; }",
        "int main() { int _Big; }",
        "int main() { x: goto x; }",
        "int main() { static int x; }",
        "int main() { extern int x; }",
        'int main() { asm("nop"); }',
        "namespace a {} int main() {}",
        "using namespace std; int main() {}",
        "template <class T> T f(T t) { return t; } int main() {}",
        "enum E { A }; int main() {}",
        "int count; int main() {}",
        "int gcd(int a, int b) { return 0; } int main() {}",
        "int x = exit(0); int main() {}",
        "int f() { return 1; } int x = f(); int main() {}",
        "int x = [] { return 1; }(); int main() {}",
        "struct P { P() { exit(0); } }; P p; int main() {}",
        "struct P { int x = exit(0); }; P p[3]; int main() {}",
        "struct P { P() { exit(0); } }; struct Q { P p; }; Q q; int main() {}",
        "struct P { P() { exit(0); } }; typedef P Q; Q q; int main() {}",
        "struct P { P() { exit(0); } } p; int main() {}",
        "struct P { P() { exit(0); } }; vector<P> p(3); int main() {}",
        "struct P : string { }; int main() {}",
        "string s(f(), 'a'); int main() {}",
        "int a[f()]; int main() {}",
        "int x = (f)(); int main() {}",
    ],
)
def test_programs_that_could_reach_others_stay_alone(code):
    assert shared(code) is None


def test_without_the_whole_prelude_a_program_stays_alone():
    assert shareable("int main() {}", TOY) is None
    assert shareable(PRELUDE[:-1] + "int main() {}", TOY) is None


@given(
    st.lists(
        st.sampled_from(["int", "main", "(", ")", "{", "}", ";", "x", "n", "=", "1", '"a"', "struct", ",", " "]),
        max_size=24,
    )
)
def test_a_shared_text_is_the_program_with_suffixes_and_a_wrapped_main(tokens):
    code = " ".join(["int a ;", *tokens, "int main ( ) { x = 1 ; }"])
    text = shared(code)
    if text is not None:
        assert text.replace("'", "") == code.replace("main ( ) {", "main ( ) {{")[:-1] + "} return 0; }"


def test_the_header_names_are_what_the_compiler_knows():
    names = open_toolchain().header_names
    assert {"cout", "vector", "EOF", "printf", "tm", "FD_SET"} <= names.all - names.hidden
    assert {"a", "n", "x"} <= names.hidden <= names.all
    assert not names.hidden & {"int", "main", "__x", "string", "std", "errno", "unix"}
