"""The judge against the plain way: one g++ for a program as it is, one run for each of its tests, and nothing else."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from composed.judges import PRELUDE, Program, judge
from tests.judges import QUICK, program
from tests.judges.plain_way import gold, plain, with_deletion, with_edit

# Programs that sharing could get wrong, with g++'s verdict if 5 is to be printed: what they declare, hide, leave open,
# say of themselves, or do to the process that they end in.
AWKWARD = """
correct         int main() { cout << __LINE__; }
wrong_output    int main() { cout << __func__; }
wrong_output    int main() { cout << __COUNTER__; }
compile_error   int map = 5; int main() { cout << map; }
correct         int main() { int map = 5; cout << map; }
compile_error   int count; int main() { cout << count; }
wrong_output    int n, a, b; int main() { cin >> n; a = n; cout << a; }
compile_error   int unix; int main() {}
compile_error   int main() { int linux = 5; }
compile_error   int main() { L: cout << 5 }
compile_error   string cout() { return "1"; } int main() { cout << 5; }
compile_error   int main() { int max(int, int); cout << max(1, 5); }
compile_error   int main() { string f(); cout << f(); }
correct         int main() { string s(); cout << 5; }
compile_error   int f(); int main() { return f(); }
wrong_output    int f() { return 1; } int main() { cout << f(); }
correct         int gcd(int a, int b) { return b ? gcd(b, a % b) : a; } int main() { cout << gcd(10, 15); }
correct         void swap(int a, int b) {} int main() { int a = 5, b = 6; swap(a, b); cout << a; }
correct         int main() { int x = 5; { int x = 6; } cout << x; } ;
correct         int main() { cout << 5; exit(0); }
wrong_output    int main() { cout << 5; _Exit(0); }
correct         int main() { cout << 5 << flush; _exit(0); }
runtime_error   int main() { cout << 5; abort(); }
runtime_error   int main() { cout << 5; throw 5; }
correct         int main() { cout << 5; return 256; }
runtime_error   int main() { cout << 5; return -1; }
correct         int main() { return cout << 5, 0; }
correct         int main() { atexit([] { cout << 5; }); }
wrong_output    struct A { ~A() { cout << 5; } }; int main() { A a; exit(0); }
correct         struct A { ~A() { cout << 5; } } a; int main() {}
runtime_error   struct A { A() { exit(3); } } a; int main() { cout << 5; }
correct         struct A { int x; }; int main() { A a = {5}; cout << a.x; }
correct         int main() { struct A: exception { const char* what() const throw(){ return "5";} }; cout<<A().what(); }
correct         main() { cout << 5; }
compile_error   void main() { cout << 5; }
correct         int main(int c, char **v) { cout << c + 4; }
compile_error   int main() { cout << 5; }}
compile_error   int main() { cout << 5;
compile_error   int main() { if (1 { cout << 5; } }
compile_error   int main() { cout << "5; }
compile_error   int main() { cout << '5; }
correct         int main() { cout << "5"s; }
correct         int main() { cout << R"(5)"; }
compile_error   int main() { cout << 5 // }; }
compile_error   int main() { cout << 5 /* }; }
correct         int main() { L: cout << 5; if (0) goto L; }
correct         int main() { static int x = 5; cout << x; }
correct         int main() { extern int y; cout << 5; }
compile_error   int main() { extern int y; cout << y; }
correct         int y = 5; int main() { extern int y; cout << y; }
correct         int main() { asm("nop"); cout << 5; }
compile_error   int main() { vector<int> v = {3, 1}; sort(v.begin(), v.end(), 5); }
compile_error   int main() { list<int> v = {3, 1}; sort(v.begin(), v.end()); }
compile_error   int main() { list<int> v = {5}; sort(v.begin(), v.end()); cout << v.front(); }
runtime_error   int main() { cout << 5 << endl << 1 / 0; }
compile_error   int a[300000000], b[300000000]; int main() { cout << a[1] + b[2] + 5; }
correct         string s(100000, 'a'); int main() { cout << 5; }
correct         namespace { int x = 5; } int main() { cout << x; }
correct         int main() { int a = 5; int &b = a; cout << b; return 0; return 1; }
compile_error   using namespace nowhere; int main() { cout << 5; }
compile_error   int main() { int class = 5; cout << class; }
compile_error   int main() { cout << 5 }
compile_error   int x = 5; int x = 6; int main() { cout << x; }
compile_error   int f(int a) { return a; } int f(int b) { return b; } int main() { cout << f(5); }
wrong_output    int main() { cout << typeid(int).name(); }
correct         int main() { int a = 5; cout << a; } int after = 1;
compile_error   int main;
"""
CASES = [line.split(maxsplit=1) for line in AWKWARD.strip().splitlines()]


def disagreements(programs: list[Program]) -> list[tuple[str, str, str]]:
    verdicts = judge(programs)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        expected = list(pool.map(plain, programs))
    return [
        (one.code.removeprefix(PRELUDE), verdict.verdict, right)
        for one, verdict, right in zip(programs, verdicts, expected, strict=True)
        if verdict.verdict != right
    ]


def changed(change: Callable[[str, random.Random], str], count: int) -> list[Program]:
    chooser = random.Random(count)
    return [
        Program(one.id, PRELUDE + change(one.code.removeprefix(PRELUDE), chooser), one.tests) for one in gold(count)
    ]


def test_awkward_programs_get_the_compilers_verdict_in_any_company():
    programs = [program(code, ("", "5"), id=f"{right} {code}") for right, code in CASES]
    company = [program("int main() { int x = 5; cout << x; }", ("", "5"), id="correct")] * len(programs)
    mixed = [*random.Random(0).sample(programs, len(programs)), *company]
    random.Random(1).shuffle(mixed)
    verdicts = judge(mixed, limits=QUICK)
    assert not [(verdict.id, verdict.verdict) for verdict in verdicts if verdict.verdict != verdict.id.split()[0]]


@pytest.mark.slow("judges hundreds of programs one by one as well")
def test_the_verdicts_expected_of_awkward_programs_are_those_of_the_plain_way():
    assert [plain(program(code, ("", "5"))) for _, code in CASES] == [right for right, _ in CASES]


def test_a_small_mix_is_judged_as_the_plain_way_does():
    code = 'int main () { int var_1 ; cin >> var_1 ; string var_2 ; var_2 = "a" ; if ( var_1 < 5 ) { var_1 += 8 ; } '
    code += "cout << var_1 << var_2 ; }"
    chooser = random.Random(0)
    texts = [code, *(change(code, chooser) for change in (with_deletion, with_edit) for _ in range(3))]
    assert not disagreements([program(text, ("3", "11a"), ("7", "7a")) for text in texts])


@pytest.mark.slow("judges hundreds of programs one by one as well")
def test_gold_programs_are_correct():
    programs = gold(500)
    assert {verdict.verdict for verdict in judge(programs)} == {"correct"}
    assert not disagreements(programs)


@pytest.mark.slow("judges hundreds of programs one by one as well")
def test_deletions_are_judged_as_the_plain_way_does():
    assert not disagreements(changed(with_deletion, 500))


@pytest.mark.slow("judges hundreds of programs one by one as well")
def test_edits_are_judged_as_the_plain_way_does():
    assert not disagreements(changed(with_edit, 320))
