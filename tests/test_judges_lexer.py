"""Which programs may share a translation unit, and that sharing leaves their meaning alone."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.judges import lexer
from composed.judges.lexer import LONGEST, MAIN_PLACE, PLACE, PRELUDE, SUFFIX, HeaderNames, shareable
from composed.judges.toolchain import open_toolchain

TOY = HeaderNames(
    frozenset(
        [
            "cin",
            "cout",
            "string",
            "max",
            "count",
            "gcd",
            "n",
            "exit",
            "first",
            "what",
            "fork",
            "EOF",
            "assert",
            "pthread_cleanup_push",
        ]
    ),
    frozenset(["n", "first", "what"]),
    frozenset(["EOF", "assert", "pthread_cleanup_push"]),
)


def shared(code: str, header: HeaderNames = TOY) -> str | None:
    """The shared text, with ' for a suffix and without the marks of places."""
    part = shareable(PRELUDE + code, header)
    return None if part is None else re.sub(f"{MAIN_PLACE}|{PLACE}", "", part.text).replace(SUFFIX, "'")


def wrapped(main: str) -> str:
    return f"int main'() {{ int end' = 0; {{{main}}} return end'; }}"


def test_new_names_get_the_suffix_and_known_names_do_not():
    assert shared("int main() { int var_1 ; cin >> var_1 ; }") == wrapped(" int var_1' ; cin >> var_1' ; ")


def test_a_hidden_name_is_new_unless_it_may_be_a_member():
    assert shared("int n; int main() { cin >> n; }") == "int n'; " + wrapped(" cin >> n'; ")
    assert shared("int main() { int n = x.n; }") == wrapped(" int n = x'.n; ")
    assert shared("int n; int main() { x.n = n; }") is None
    assert shared("int main() { struct A { int n; }; }") == wrapped(" struct A' { int n; }; ")


def test_every_function_at_file_scope_has_its_place():
    part = shareable(PRELUDE + "int a; int f(); int f() { return 1; } ; int main() { return f(); }", TOY)
    assert re.findall(f"[{MAIN_PLACE}{PLACE}]\\s*\\w+ \\w+", part.text) == [f"{PLACE} int f", f"{MAIN_PLACE} int main"]
    assert part.confined


@pytest.mark.parametrize(
    "code",
    [
        "int main() { auto f = [] { return 5; }; }",
        "int main() { return [&](int x) { return x; }(5); }",
        "int main() { f([=] { return 1; }, 2); }",
        "struct P { int f() { return 1; } }; int main() {}",
        "int main() { class P { }; }",
        "inline int f() { return 1; } int main() {}",
    ],
)
def test_code_that_cannot_be_given_a_place_is_known(code):
    assert not shareable(PRELUDE + code, TOY).confined


@pytest.mark.parametrize(
    "code",
    [
        "int a[5]; int main() { a[0] = a[a[1]] + f(a)[2]; }",
        "int main(void) { int b [3]; }",
        "vector<int> v; int main() { v[0] = 1; }",
    ],
)
def test_indexing_is_no_lambda(code):
    assert shareable(PRELUDE + code, TOY).confined


@pytest.mark.parametrize(
    "code",
    [
        "int main() {}",
        "int main(void) { return 0; }",
        "typedef vector<int> vi; vi a, b; struct P { int ax, ay[3]; }; P pt[4]; int main() { struct P p; }",
        "typedef long long ll; ll a[100], b = 2; int main() { a[1] = b; }",
        "const int N = 1e5 + 5, M = (N << 1) - -1; int g[2 * N][M]; int main() {}",
        "map<string, int> m; vector<vector<int>> v, w; set<pair<int, string>> *s; int main() {}",
        'int *p, **q; const char* names[] = {"a", "b"}; long long big = 1LL << 40; int main() {}',
        'int f(int x, string s) { return x; } void h(); int main() { f(1, "}"); } void h() { }',
        "struct P { int x, y; }; P p[10]; int main() { p[0].x = '}'; }",
        "struct P { int x; P() { x = 1; } }; int f(P p) { return p.x; } int main() {}",
        'const double E = 2.71e0, F = .5f; char t[2][3] = {{"ab"}, {"cd"}}; int main() {}',
        'int main() { cout << "\\\\ \\" \\x41 é 中 ??/" << \'\\n\'; }',
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
        "int main() { return 0; %> %>",
        "int main() { int a[1:>; }",
        'int main() { cout << "a\0b"; }',
        'int main() { cout << "a\x1bb"; }',
        'int main() { cout << "\ud800"; }',
        "int main() {\r}",
        "int main() { typeof(1) x; }",
        "int main() { pthread_cleanup_push(f, 0); }",
        "int main() { assert(1); }",
        "int main() { fork(); }",
        "int main() { int x = 1__2; }",
        "int main() { int x = 12ab; }",
        "int x = *(int*)0; int main() {}",
        "int a; int x = *&a; int main() {}",
        "int a[2]; int x = a[1]; int main() {}",
        "int a; int x = ++a; int main() {}",
        "int a; int x = a--; int main() {}",
        "int a; int x = (int)a; int main() {}",
        "int a; int x = int(a); int main() {}",
        "int x = 5 / 0; int main() {}",
        "int x = 5 % 0; int main() {}",
        "int x = 2 * 3; int main() {}",
        "int x{f()}; int main() {}",
        "int x(5); int main() {}",
        "vector<int> v[1000]; int main() {}",
        "vector<int> v(1000000000); int main() {}",
        "vector<int> v = {1}; int main() {}",
        "string s = 0; int main() {}",
        "auto x = 5; int main() {}",
        "string s; char *p = 0; bool b = s < p; int main() {}",
        "string s; int x = s + 1; int main() {}",
        "struct P { char a[100000000]; }; deque<P> d; int main() {}",
        "typedef pair<int, int> A; typedef pair<A, A> B; B b; int main() {}",
        "struct P { count a[4000000]; }; P p; int main() {}",
        "bitset<100000000000> b; int main() {}",
        "int main() { struct count *p; }",
        "int main() { struct P { class what *p; }; }",
        "int const const x; {} int main() {}",
        "int x = 1 {} int main() {}",
        "struct P { vector<int> v; }; P p[10]; int main() {}",
        "vector<int> " + ", ".join(f"v{n}" for n in range(17)) + "; int main() {}",
        "__attribute__((constructor)) void f() {} int main() {}",
        'int x __attribute__((section("s"))); int main() {}',
        "int main() " + "{" * 201 + "}" * 201,
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
        main = "main ( ) {"
        assert text.replace("'", "") == code.replace(main, f"{main} int end = 0; {{")[:-1] + "} return end; }"


WORDS = "int vector struct typedef main n unknown const auto using asm 1 1.5 0x1f \"a\" 'a'"
OPERATORS = "( ) [ ] { } < > << >> , ; : :: . -> ++ -- + - * / % & | ^ ~ ! = == ? <: %> // # \\ \" ' \0 é"
TOKENS = [*WORDS.split(), *OPERATORS.split()]


@pytest.mark.parametrize("tail", ["", "int main() {}"])
@pytest.mark.parametrize("glue", ["", " ", ", ", "> "])
def test_time_is_linear_in_the_text(tail, glue):
    """Each token 20,000 characters long, within brackets of each kind, takes less than a second of CPU time."""
    for head in ("", "int f(", "int main() { f(", "vector<", "int a[", "int a = {", "int a = ("):
        for token in TOKENS:
            piece = token + glue
            long = PRELUDE + head + piece * (20_000 // len(piece)) + tail
            started = time.process_time()
            shareable(long, TOY)
            assert time.process_time() - started < 1, (head, token)


def test_repetition_as_in_a_failing_model_is_no_burden():
    for unit in (
        "vector<int>, ",
        "vector<vector<int>>, ",
        "const ",
        "const const {} ",
        "{}",
        "int*&, ",
        "n = 0, ",
        "(",
        "((int)",
        "x<",
        "(1, ",
    ):
        started = time.process_time()
        for head in ("int ", "int x = ", "typedef int ", "const vector<int> const "):
            for tail in ("{}", ";", "n {}", "= 5;"):
                shareable((PRELUDE + head + unit * 4000)[: LONGEST // 2] + tail * 8000, TOY)
        shareable((PRELUDE + "int main() { solve(" + unit * 8000)[:LONGEST], TOY)
        shareable((PRELUDE + "int solve(" + unit * 8000)[: LONGEST - 20] + "cout); int main() {}", TOY)
        assert time.process_time() - started < 1, unit


def test_the_header_names_are_what_the_compiler_knows():
    names = open_toolchain().header_names
    assert {"cout", "vector", "EOF", "printf", "tm", "FD_SET"} <= names.all - names.hidden
    assert {"a", "n", "x"} <= names.hidden <= names.all
    assert not names.hidden & {"int", "main", "__x", "string", "std", "errno", "unix"}
    assert {"EOF", "unix", "pthread_cleanup_push", "INT_MAX"} <= names.macros <= names.all


def test_what_may_be_used_of_the_headers_is_no_macro_that_could_open_a_bracket():
    macros = open_toolchain().header_names.macros
    assert not [
        name
        for name in lexer._HEADER_NAMES & macros
        if shared(f"int main() {{ {name}; }}", open_toolchain().header_names)
    ]
