"""Verdicts: that they are the compiler's and the program's own, however the work is shared out."""

from __future__ import annotations

import ctypes
import os
import signal
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composed.judges import PRELUDE, JudgeError, Program, engine, execute, grouping, judge
from composed.judges.box import Box, SupervisorError
from composed.judges.lexer import shareable
from composed.judges.toolchain import open_toolchain
from tests.judges import QUICK, each_tier, program, require


def classes(programs: list[Program], **options) -> list[str]:
    return [verdict.verdict for verdict in judge(programs, limits=QUICK, **options)]


def numbered(count: int) -> list[Program]:
    """Programs that each print their number, and should."""
    return [program(f"int main() {{ cout << {n}; }}", ("", f"{n}")) for n in range(count)]


CASES = {
    "correct": program("int main() { int a, b; cin >> a >> b; cout << a + b; }", ("1 2", "3"), ("3 4", "7")),
    "compile_error": program("int main() { int x = ; }", ("", "")),
    "wrong_output": program("int main() { int a; cin >> a; cout << 5 - a; }", ("0", "5"), ("1", "5"), ("2", "5")),
    "runtime_error": program("int main() { string s; cout << 5; s.at(3); }", ("", "5")),
    "time_limit": program("int main() { for (;;) {} }", ("", "")),
    "memory_limit": program("int main() { for (;;) memset(new char[1 << 22], 1, 1 << 22); }", ("", "")),
    "output_limit": program('int main() { for (;;) cout << "a long line of text\\n"; }', ("", "")),
}


@each_tier
def test_every_class_together_and_alone(tier):
    require(tier)
    alone = [Program(case.id, case.code + "\n#define ALONE\n", case.tests) for case in CASES.values()]
    verdicts = judge([*CASES.values(), *alone], limits=QUICK, tier=tier)
    assert [verdict.verdict for verdict in verdicts] == [*CASES, *CASES]
    together = dict(zip(CASES, verdicts, strict=False))
    assert together["correct"].failed_test is None
    assert together["wrong_output"].failed_test == 1
    assert together["runtime_error"].exit == -6
    assert "out_of_range" in together["runtime_error"].diagnostics
    assert "program.cpp:5: error: expected primary-expression" in together["compile_error"].diagnostics
    assert 1.0 < together["time_limit"].cpu_seconds < 1.5
    assert together["memory_limit"].peak_memory > 0.99 * QUICK.memory  # the kernel counts in batches of pages


@each_tier
def test_addresses_are_the_same_each_time_so_that_undefined_behaviour_has_one_verdict(tier):
    require(tier)
    personality = ctypes.CDLL(None).personality
    before = personality(ctypes.c_ulong(0xFFFFFFFF))
    if personality(ctypes.c_ulong(before | 0x0040000)) == -1:
        pytest.skip("this system forbids fixed addresses (a container's seccomp filter, say)")
    personality(ctypes.c_ulong(before))
    code = program("int main() { int x; cout << &x << ' ' << new int << ' ' << (void*) &main; }").code
    for each in (code, code + "\n#define ALONE\n"):
        first, second = (execute([each], [[""]], limits=QUICK, tier=tier)[0].printed[0] for _ in range(2))
        assert first == second
        assert first.startswith(b"0x")


@each_tier
def test_a_temporary_folder_behind_a_link_is_as_good_as_another(tier, tmp_path, monkeypatch):
    require(tier)
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "link"))
    assert classes([*numbered(2), Program("alone", "int main() {}")], tier=tier) == ["correct"] * 3


def test_what_nothing_could_be_judged_under_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    with pytest.raises(JudgeError, match="SIGCHLD is ignored"):
        judge(numbered(1))
    monkeypatch.undo()
    real = os.statvfs
    flagged = SimpleNamespace(f_flag=real(tmp_path).f_flag | os.ST_NOEXEC)
    monkeypatch.setattr(os, "statvfs", lambda path: flagged)
    with pytest.raises(JudgeError, match="mounted noexec: set TMPDIR"):
        judge(numbered(1))


def test_no_programs_and_no_tests_are_no_exceptions():
    assert judge([]) == []
    assert classes([program("int main() {}"), program("int main() { return 1; }")]) == ["correct", "runtime_error"]


@settings(max_examples=5, deadline=None)
@given(st.lists(st.sampled_from(["right", "wrong", "broken", "unbalanced", "alone"]), max_size=12), st.randoms())
def test_order_and_count_are_those_of_the_input(kinds, shuffler):
    texts = {
        "right": ("int main() { cout << 1; }", "correct"),
        "wrong": ("int main() { cout << 2; }", "wrong_output"),
        "broken": ("int main() { cout << y; }", "compile_error"),
        "unbalanced": ("int main() { cout << 1; ", "compile_error"),
        "alone": ("#define X\nint main() { cout << 1; }", "correct"),
    }
    programs = [program(texts[kind][0], ("", "1"), id=f"{place}") for place, kind in enumerate(kinds)]
    shuffler.shuffle(programs)
    verdicts = judge(programs, limits=QUICK)
    assert [verdict.id for verdict in verdicts] == [program.id for program in programs]
    assert [verdict.verdict for verdict in verdicts] == [texts[kinds[int(program.id)]][1] for program in programs]


def test_execute_gives_the_bytes_that_were_printed():
    outcomes = execute(
        [
            PRELUDE + "int main() { int a; cin >> a; cout << a + 8; }",
            "int main() { return 2; }",
            PRELUDE + r"int main() { putchar(255); }",
        ],
        [["3", "-8", "7\n"], ["", ""], [""]],
    )
    assert [(outcome.verdict, outcome.printed) for outcome in outcomes] == [
        ("correct", (b"11", b"0", b"15")),
        ("runtime_error", (b"",)),
        ("correct", (b"\xff",)),
    ]
    with pytest.raises(ValueError, match="shorter"):
        execute(["int main() {}"], [])


def test_words_are_compared_when_asked():
    spaced = [program('int main() { cout << "1  2\\n\\n"; }', ("", "1\n2"))]
    assert classes(spaced) == ["wrong_output"]
    assert classes(spaced, compare="tokens") == ["correct"]


def test_a_cached_verdict_is_not_worked_for_again(tmp_path, monkeypatch):
    first = judge([CASES["correct"], CASES["compile_error"]], limits=QUICK, cache=tmp_path / "cache")
    monkeypatch.setattr(Box, "compile", None)
    finished = []
    again = judge(
        [CASES["correct"], CASES["compile_error"]],
        limits=QUICK,
        cache=tmp_path / "cache",
        progress=lambda done, all: finished.append((done, all)),
    )
    assert again == first
    assert finished == [(2, 2)]


def test_a_judge_that_dies_keeps_the_verdicts_that_it_has(tmp_path, monkeypatch):
    def run(self, binary, *rest, **options):
        runs.append(binary)
        if len(runs) == 2:
            raise OSError(28, "No space left on device")
        return real(self, binary, *rest, **options)

    runs: list[Path] = []
    real = Box.run
    monkeypatch.setattr(Box, "run", run)
    monkeypatch.setattr(engine, "PROGRAMS_A_SUPERVISOR", 3)
    with pytest.raises(JudgeError, match=r"cannot work in .*No space left"):
        judge(numbered(5), limits=QUICK, cache=tmp_path / "cache", workers=1)
    assert len((tmp_path / "cache").read_text().splitlines()) == 3


def test_a_supervisor_that_dies_costs_no_verdict(monkeypatch):
    def run(self, binary, jobs, limits, static, numbered=False):
        for result in real(self, binary, jobs, limits, static, numbered):
            if numbered and result.program == 1:
                raise SupervisorError("killed")
            yield result

    real = Box.run
    monkeypatch.setattr(Box, "run", run)
    assert classes(numbered(3), workers=1) == ["correct"] * 3


def test_a_program_that_the_judge_fails_on_twice_is_named_and_the_others_have_their_verdicts(monkeypatch, tmp_path):
    def compile(self, folder, *rest, **options):
        texts = [path.read_text() for path in folder.glob("*.cpp")]
        if any("poison" in text for text in texts):
            raise ValueError("a fault of the judge's\x1b[2J")
        return real(self, folder, *rest, **options)

    real = Box.compile
    monkeypatch.setattr(Box, "compile", compile)
    programs = [*numbered(3), program('int main() { cout << "poison"; }', ("", "poison"), id="bad")]
    verdicts = judge(programs, limits=QUICK, cache=tmp_path / "cache")
    assert [verdict.verdict for verdict in verdicts] == ["correct"] * 3 + ["not_judged"]
    assert verdicts[3].diagnostics == r"ValueError: a fault of the judge's\x1b[2J"
    monkeypatch.setattr(Box, "compile", None)  # the same judge again does not meet the fault again
    assert judge(programs, limits=QUICK, cache=tmp_path / "cache") == verdicts


def test_equal_programs_are_judged_once():
    same = [program("int main() { cout << 5; }", ("", "5"), id=f"{place}") for place in range(50)]
    finished = []
    verdicts = judge(same, limits=QUICK, progress=lambda done, all: finished.append(done))
    assert finished == [0, 50]
    assert [verdict.id for verdict in verdicts] == [one.id for one in same]
    assert len({(verdict.verdict, verdict.wall_seconds) for verdict in verdicts}) == 1


def test_programs_that_are_to_print_the_same_share_no_unit():
    def task(number, code, *tests):
        part = shareable(PRELUDE + code, open_toolchain().header_names)
        return grouping.Item(number, code, part, [a for a, _ in tests], [b for _, b in tests])

    plain, closure = "int main() { cout << 5; }", "int main() { auto f = [] { return 5; }; cout << f(); }"
    tests = [((b"1", b"314159"),), ((b"2", b"314159"),), ((b"", b"0"),), ((b"", b"0"),), ((b"", b"yes"), (b"", b"no"))]
    tasks = [
        task(at, code, *of) for at, (code, of) in enumerate((code, of) for code in (plain, closure) for of in tests)
    ]
    units, left = grouping.units(tasks * 3, workers=1)
    assert sorted(one.number for unit in [*units, left] for one in unit) == sorted([*range(10)] * 3)
    for unit in units:
        for at, one in enumerate(unit):
            for other in unit[at + 1 :]:
                short = len(b"".join(one.expected)) <= 2
                kept_apart = not short or not (one.shareable.confined and other.shareable.confined)
                assert not (kept_apart and one.expected == other.expected)
    confined = [one for one in tasks if one.expected == [b"0"] and one.shareable.confined]
    assert grouping.units(confined, workers=1) == ([confined], [])


def test_alone_means_that_nothing_is_shared(monkeypatch):
    monkeypatch.setattr(engine._Bench, "_together", None)
    assert classes(numbered(2), shared=False) == ["correct"] * 2


def test_an_output_that_is_compared_is_not_kept():
    floods = [
        program(f'int main() {{ lseek(1, {n}, 0); write(1, "x", 1); }}', ("", "x")) for n in range(900_000, 900_040)
    ]
    with engine._Bench(QUICK, 1, None, False, True, "exact") as bench:
        tasks = [bench.task(at, one.code, [""], ["x"]) for at, one in enumerate(floods)]
        outcomes = [outcome for _, outcome in bench.work(tasks)]
    assert {(verdict.verdict, output) for verdict, output in outcomes} == {("wrong_output", ())}


@given(
    st.lists(st.sampled_from([b"a", b"bc", b"\xff", b" ", b"\n", b"\t\x0b", b""])),
    st.lists(st.sampled_from([b"a", b" ", b"\n"])),
)
def test_words_are_equal_as_split_says(pieces, others):
    one, other = b"".join(pieces), b"".join(others)
    assert grouping.equal(one, other, "tokens") == (one.split() == other.split())
    assert grouping.equal(one, b" " + one, "tokens")
