"""Python programs: run in the judge's box, on every test in a process of its own, what they print compared.

A program is compiled in the box as well, since the text of one can be too much for the compiler. What does not compile
is invalid; that is asked of programs alone that fail. The interpreter is the one that the judge runs on, without its
site-packages; hashes of strings are the same each time.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import ClassVar

from composed.judges.box import Box, Interpreter, Job, Result, SupervisorError, private_folders, readable
from composed.judges.cache import Cache
from composed.judges.interface import NO_RECORD, Record, Row, TextJudge, written
from composed.judges.outcome import Outcome, encoded, outcome, shortened
from composed.judges.programs import limits, program, told
from composed.judges.records import Compare, JudgeError, Limits, Program, Verdict
from composed.judges.shares import SCRIPTS
from composed.judges.toolchain import SYSTEM, open_toolchain

PROGRAMS_A_SUPERVISOR = 16
# Reads the program from the beginning of its standard input, where the test's input follows.
_BEGIN = """\
def begin():
    from posix import read
    head = read(0, 9)
    left, parts = int.from_bytes(head[1:], "little"), []
    while left:
        parts.append(read(0, left))
        left -= len(parts[-1])
    try:
        code = compile(b"".join(parts), "program.py", "exec", dont_inherit=True)
    except BaseException as error:
        raise SystemExit(f"{type(error).__name__}: {error}"[:500]) from None
    return code if head[:1] == b"R" else ""
exec(globals().pop("begin")(), globals())
"""
_FLAGS = ("-s", "-S", "-P", "-B", "-X", "utf8", "-c", _BEGIN)


@dataclass(frozen=True, kw_only=True)
class Judge(TextJudge):
    """As that of programs in C++."""

    noun: ClassVar[str] = "programs"
    method: ClassVar[str] = "verdicts from running every program"
    remark: ClassVar[str] = (
        "Invalid is what Python cannot compile. Runtime error includes the time, memory and output limits."
    )
    classes = SCRIPTS
    exhibit = "python"

    needs = ("tests",)

    compare: Compare
    seconds: float
    memory: int
    workers: int | None = None
    unsafe: bool = False
    reuse: bool = True

    def judge(self, rows: Sequence[Row], record: Record = NO_RECORD) -> list[Verdict]:
        programs = [program(row) for row in rows]
        bench = self._bench(self.compare)
        context = f"python {sys.version} {self.compare} {bench.box.tier}"
        with closing(Cache(record.kept, context, bench.limits, record.earlier if self.reuse else ())) as known:

            def work(numbers: Iterable[int]) -> Iterator[tuple[int, Verdict]]:
                for number, (verdict, _) in bench.work([_script(number, programs[number]) for number in numbers]):
                    yield number, verdict

            return known.judged(programs, work, record.progress)

    def faults(self, rows: Sequence[Row]) -> list[str]:
        scripts = [Script(number, encoded(written(row)), [b""], []) for number, row in enumerate(rows)]
        found = {number: verdict for number, (verdict, _) in self._bench(None).work(scripts, check=True)}
        return [_reason(found[number]) for number in range(len(rows))]

    def tell(self, rows: Sequence[Row]) -> list[str]:
        scripts = [Script(number, encoded(written(row)), [b""], []) for number, row in enumerate(rows)]
        found = dict(self._bench(None).work(scripts))
        return [
            told(verdict.verdict, printed, verdict.diagnostics)
            for verdict, printed in (found[n] for n in range(len(rows)))
        ]

    def check(self) -> None:
        """Raises JudgeError where no program can be contained, or Python does not run in the box."""
        self._bench(None)

    def _bench(self, compare: Compare | None) -> _Bench:
        box = Box(open_toolchain(), unsafe=self.unsafe)
        _prove(box.tier, box)
        return _Bench(box, limits(self.seconds, self.memory), compare, self.workers or len(os.sched_getaffinity(0)))


@dataclass(frozen=True)
class Script:
    """A program with its inputs; `expected` is empty where any output is right."""

    number: int
    text: bytes
    inputs: Sequence[bytes]
    expected: Sequence[bytes]

    def jobs(self, place: int, check: bool) -> Iterator[Job]:
        head = (b"C" if check else b"R") + len(self.text).to_bytes(8, "little") + self.text
        for test, given in enumerate(self.inputs[: 1 if check else None]):
            yield Job(place, test, head + given)


def _script(number: int, of: Program) -> Script:
    inputs, expected = [encoded(test.input) for test in of.tests], [encoded(test.output) for test in of.tests]
    return Script(number, encoded(of.code), inputs or [b""], expected)


def _reason(verdict: Verdict) -> str:
    """Why a program that was only compiled is invalid; "" where it is not."""
    if verdict.verdict == "correct":
        return ""
    lines = verdict.diagnostics.strip().splitlines()
    return lines[-1] if lines else f"{verdict.verdict.replace('_', ' ')} while it was compiled"


_Found = list[tuple[int, Outcome]]


@dataclass(frozen=True)
class _Bench:
    """Runs programs on all cores, some under each supervisor; in tier A and B nothing of theirs outlives it."""

    box: Box
    limits: Limits
    compare: Compare | None
    workers: int

    def work(self, scripts: Sequence[Script], *, check: bool = False) -> Iterator[tuple[int, Outcome]]:
        """Each program's number and outcome as soon as it is known. With `check` they are only compiled."""
        size = max(1, min(PROGRAMS_A_SUPERVISOR, -(-len(scripts) // self.workers)))
        pool = ThreadPoolExecutor(self.workers)
        chunks = [scripts[at : at + size] for at in range(0, len(scripts), size)]
        run = partial(self._run, check=check)
        try:
            waiting: set[Future[_Found]] = {pool.submit(run, chunk) for chunk in chunks}
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in sorted(finished, key=lambda future: future.exception() is not None):  # verdicts first
                    yield from future.result()
        finally:
            self.box.stop()
            pool.shutdown(cancel_futures=True)

    def _run(self, scripts: Sequence[Script], *, check: bool) -> _Found:
        found = self._outcomes(scripts, check=check)
        if check:
            return [*found.items()]
        failed = [script for script in scripts if found[script.number][0].verdict not in ("correct", "not_judged")]
        asked = self._outcomes([script for script in failed if found[script.number][0].failed_test == 0], check=True)
        for number, (verdict, _) in asked.items():
            if verdict.verdict not in ("correct", "not_judged"):
                invalid = replace(verdict, verdict="invalid", failed_test=None, diagnostics=_reason(verdict))
                found[number] = invalid, ()
        return [*found.items()]

    def _outcomes(self, scripts: Sequence[Script], *, check: bool) -> dict[int, Outcome]:
        """Of all; where a supervisor is killed, those left are run one by one, and not judged if it is again."""
        found: dict[int, Outcome] = {}
        reason = ""
        for few in [scripts, *([script] for script in scripts)]:
            left = [script for script in few if script.number not in found]
            try:
                found |= self._supervised(left, check=check) if left else {}
            except SupervisorError as error:
                reason = str(error)
                if len(few) == 1:
                    found[few[0].number] = Verdict("", "not_judged", diagnostics=shortened(reason, self.limits)), ()
        for script in scripts:
            missing = reason or "a program's results are incomplete"
            found.setdefault(script.number, (Verdict("", "not_judged", diagnostics=missing), ()))
        return found

    def _supervised(self, scripts: Sequence[Script], *, check: bool) -> dict[int, Outcome]:
        jobs = (job for place, script in enumerate(scripts) for job in script.jobs(place, check))
        results = self.box.interpret(interpreter(), jobs, self.limits)
        found = {}
        try:
            for place, of_program in groupby(results, attrgetter("program")):
                script = scripts[place]
                if known := self._outcome(script, of_program, check=check):
                    found[script.number] = known
        except SupervisorError:
            if not found:
                raise
        return found

    def _outcome(self, script: Script, results: Iterable[Result], *, check: bool) -> Outcome | None:
        if check:
            return outcome(results, 1, (), "exact", self.limits)
        return outcome(results, len(script.inputs), script.expected, self.compare, self.limits)


_proven: set[str] = set()


def _prove(tier: str, box: Box) -> None:
    """Raises JudgeError where Python does not run in the tier: once for each process, since all would be invalid."""
    if tier not in _proven:
        results = box.interpret(interpreter(), Script(0, b"import re; print(5)", [b""], []).jobs(0, False), Limits())
        [(exit_code, output, errors)] = [(each.exit, each.output, each.errors) for each in results]
        if (exit_code, output) != (0, b"5\n"):
            said = errors.decode("utf-8", "replace").strip()
            raise JudgeError(f"{interpreter().command[0]} does not run where programs are judged: {said}")
        _proven.add(tier)


@cache
def interpreter() -> Interpreter:
    """The one that this process runs on, without what was installed for it."""
    command = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    base, platbase = sys.base_prefix, sys.base_exec_prefix
    places = {"base": base, "installed_base": base, "platbase": platbase, "installed_platbase": platbase}
    libraries = {os.path.realpath(sysconfig.get_path(name, vars=places)) for name in ("stdlib", "platstdlib")}
    folder = sysconfig.get_config_var("LIBDIR") or ""
    shared = sorted(map(str, Path(folder).glob("libpython*"))) if folder else []
    there = [path for path in [command, *sorted(libraries), *shared, *SYSTEM] if Path(path).exists()]
    seen = readable(dict.fromkeys([*there, *map(os.path.realpath, there)]), private_folders())
    hidden = [Path(folder) / name for folder in libraries for name in ("site-packages", "dist-packages")]
    hidden = [path for path in hidden if path.is_dir()]
    return Interpreter((command, *_FLAGS), seen, [*map(str, hidden)])
