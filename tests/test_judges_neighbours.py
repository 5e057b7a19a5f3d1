"""What a program can do to, or learn of, those compiled with it: nothing, not even where the lexer is fooled."""

from __future__ import annotations

import pytest

from composed.judges import PRELUDE, Program, Test, engine, judge
from composed.judges.lexer import MAIN_PLACE, SUFFIX, Shareable
from tests.judges import QUICK, each_tier, require

INNOCENT = ("correct", "int main() { int a_; a_ = 40; cout << a_ + 1; }", "41")
ESCAPE = """
int main() {{ cout << 5; return 0; %> %>
{outside}
int late_() {{ pthread_cleanup_push(free, 0); }} while (0);
{{ pthread_cleanup_push(free, 0); }} while (0);
}}"""

# Each group is judged together; a row is the verdict of g++ and a run alone, the program, and what it is to print.
GROUPS = {
    "a_digraph_closes_main": [
        INNOCENT,
        ("compile_error", ESCAPE.format(outside='FILE* evil_ = fopen("@MARK@", "w");'), "5"),
    ],
    "a_function_of_the_headers_is_replaced": [
        ("compile_error", ESCAPE.format(outside="int max(int, int) { return 0; }"), "5"),
        ("correct", "int main() { int a_ = 3; cout << max(a_, 4); }", "4"),
    ],
    "a_brace_is_left_open": [
        ("compile_error", "int main() { cout << 5; { pthread_cleanup_push(free, 0); } while (0); }", "5"),
        INNOCENT,
    ],
    "diagnostics_are_forged": [
        (
            "compile_error",
            'int main() { static_assert(false, "x'
            + "".join(
                rf"\n{name}-{n}:5: error: no" for n in range(5) for name in ("program", "unit-program", "program.cpp")
            )
            + '"); }',
            "5",
        ),
        INNOCENT,
        ("correct", "int main() { int b_ = 2; cout << b_ * 3; }", "6"),
    ],
    "numbers_too_long": [("compile_error", f"int main() {{ int x_ = 1__{'4' * 5000}; }}", "5"), INNOCENT],
    "the_next_variable_is_changed": [
        ("correct", "int a_ = 7; int x_ = ++*(&a_ + 1); int main() { cout << 5; }", "5"),
        ("correct", "int n_ = 41; int main() { cout << n_; }", "41"),
    ],
    "an_initialiser_crashes": [("runtime_error", "int b_ = *(int*)0; int main() { cout << 5; }", "5"), INNOCENT],
    "an_initialiser_does_not_end": [
        ("time_limit", "int f_() { for (;;) {} } int b_ = f_(); int main() { cout << 5; }", "5"),
        INNOCENT,
    ],
    "globals_of_the_neighbours_take_no_memory": [
        ("memory_limit", "vector<int> v_[12000000]; int main() { cout << 5; }", "5"),
        ("correct", "int a_[40000000]; int main() { string s_(150000000, 'a'); cout << s_.size(); }", "150000000"),
        INNOCENT,
    ],
    "what_has_no_value_yet_is_as_it_is_at_the_start_of_a_process": [
        ("correct", "int main() { int a_; cin >> a_; int b_[300]; cout << b_[7] + b_[200]; }", "0"),
        (
            "correct",
            "int f_(int n_) { int t_; for (int i_ = 0; i_ < n_; i_++) t_ = t_ + i_; return t_; } "
            "int main() { cout << f_(5); }",
            "10",
        ),
        ("correct", "string s_; vector<int> v_; int main() { int c_[26]; c_[3]++; cout << c_[3] << 7; }", "17"),
    ],
    "what_is_constructed_before_main_ends_no_neighbour": [
        ("runtime_error", "string a_; char *p_ = 0; auto b_ = a_ + p_; int main() { cout << 5; }", "5"),
        ("runtime_error", "struct H_ { char a_[100000000000]; }; deque<H_> d_; int main() { cout << 5; }", "5"),
        ("correct", "deque<int> d_; int main() { cout << d_.size() + 3; }", "3"),
        INNOCENT,
    ],
    "a_name_of_the_headers_is_declared": [
        ("correct", "int main() { struct npos *p_ = 0; cout << 5 + (p_ != 0); }", "5"),
        ("compile_error", "int main() { npos * q_ = 0; cout << 6; }", "6"),
    ],
    "an_open_file_says_what_it_is": [
        ("correct", "#include <sys/stat.h>\nint main() { struct stat s; cout << fstat(0, &s) << s.st_size; }", "00"),
    ],
    "the_neighbour_is_called": [
        ("correct", "int main() { cout << 314159265; }", "314159265"),
        (
            "runtime_error",
            "int here_() { return 1; } int main() { char* p_ = (char*)here_; for (int i_ = 0; i_ < 100000; i_++) "
            "{ p_ = p_ - 1; if (*(int*)p_ == *(int*)here_) ((int (*)())p_)(); } return 9; }",
            "314159265",
        ),
    ],
    "a_neighbours_output_is_in_no_memory": [
        ("correct", 'int main() { cout << "27182818284"; }', "27182818284"),
        (
            "wrong_output",
            "int main() { char b_[200000]; int n_ = 0; for (int i_ = 0; i_ < 200000; i_++) { "
            "n_ = b_[i_] >= '0' && b_[i_] <= '9' ? n_ + 1 : 0; if (n_ == 11) { "
            "for (int k_ = i_ - 10; k_ <= i_; k_++) cout << b_[k_]; return 0; } } cout << 1; }",
            "27182818284",
        ),
    ],
    "memory_is_as_it_is_alone": [
        ("correct", "int main() { cout << string(60000, 'Z'); }", "Z" * 60000),
        (
            "correct",
            "int main() { char b_[70000]; int n_ = 0, m_ = 0; for (char c_ : b_) "
            "{ n_ = c_ == 'Z' ? n_ + 1 : 0; m_ = max(m_, n_); } cout << m_ / 9; }",
            "0",
        ),
    ],
    "odd_texts": [
        ("correct", 'int main() { string s_ = "a\0b"; cout << s_.size(); }', "1"),
        ("correct", "int main() { int a_ = 5; typeof(a_) b_ = a_; cout << b_; }", "5"),
        ("correct", 'int main() { string s_ = "é中"; cout << s_.size(); }', "5"),
        ("correct", 'int main() { string s_ = "\ud800"; cout << s_.size() + 1; }', "4"),
        ("wrong_output", 'int main() { lseek(1, 1000000, 0); write(1, "x", 1); }', "x"),
        ("compile_error", "int main() { solve_(" + "vector<int>, " * 3000 + "cout); }", "x"),
    ],
}


def programs(rows, mark) -> list[Program]:
    return [
        Program(f"{at}", PRELUDE + code.replace("@MARK@", str(mark)), (Test("", output),))
        for at, (_, code, output) in enumerate(rows)
    ]


@each_tier
@pytest.mark.parametrize("name", GROUPS)
def test_company_changes_no_verdict(tier, name, tmp_path):
    require(tier)
    rows = GROUPS[name]
    verdicts = judge(programs(rows, tmp_path / "mark"), limits=QUICK, tier=tier)
    assert [verdict.verdict for verdict in verdicts] == [wanted for wanted, _, _ in rows]
    assert not (tmp_path / "mark").exists()


def naively(code: str, _header: object) -> Shareable:
    """What a lexer that is fooled by everything would let through; names of the program's own end with @."""
    text = code.removeprefix(PRELUDE).replace("@", SUFFIX).removesuffix("}") + "return 0; }"
    return Shareable(text.replace("int main()", f"{MAIN_PLACE}int main{SUFFIX}()"), True, False)


# What an initialiser at file scope may try, all of it in one unit with an innocent program: it returns 1 if it could.
ATTEMPTS = {
    "write": 'fopen("@MARK@", "w") != 0',
    "read": 'fopen("/etc/passwd", "r") != 0',
    "look": 'access("/etc/passwd", 0) == 0 || errno == EACCES',
    "fork": "fork() >= 0",
    "execute": 'execl("/bin/true", "true", (char*)0) != -1',
    "socket": "syscall(SYS_socket, 1, 1, 0) >= 0",
    "limits": "syscall(SYS_prlimit64, 0, RLIMIT_AS, &none, 0) == 0",
    "signal": "kill(getppid(), SIGKILL) == 0",
    "share": "mmap(0, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED",
}
HEADERS = "\n".join(
    f"#include <{name}>" for name in ("sys/syscall.h", "sys/resource.h", "sys/mman.h", "unistd.h", "signal.h")
)


@each_tier
@pytest.mark.parametrize("name", ATTEMPTS)
def test_what_runs_before_main_is_in_the_box_too(tier, name, tmp_path, monkeypatch):
    """Each attempt is made by the loader (an indirect function), by a constructor, and by an initialiser."""
    require(tier)
    monkeypatch.setattr(engine, "shareable", naively)
    attempt = f"""{HEADERS}
    static int tried@() {{ rlimit none = {{}}; (void)none; return {ATTEMPTS[name]}; }}
    static int early@ = -1, value@ = tried@();
    __attribute__((constructor(101))) static void construct@() {{ early@ = tried@(); }}
    int main() {{ cout << early@ << value@ << tried@(); }}"""
    others = [f"int main() {{ cout << {n}; }}" for n in range(700, 703)]
    tasks = [("", attempt, "000"), *(("", code, code[-6:-3]) for code in others)]
    verdicts = judge(programs(tasks, tmp_path / "mark"), limits=QUICK, tier=tier)
    assert [verdict.verdict for verdict in verdicts] == ["correct"] * 4
    assert not (tmp_path / "mark").exists()


@each_tier
def test_memory_of_globals_is_limited_as_that_of_a_run(tier, monkeypatch):
    require(tier)
    monkeypatch.setattr(engine, "shareable", naively)
    rows = [("", "string s@[20000000]; int main() { cout << 5; }", "5"), INNOCENT]
    verdicts = judge(programs(rows, ""), limits=QUICK, tier=tier)
    assert verdicts[0].verdict == "memory_limit"  # and its neighbour's too, whose process it is: hence the lexer
