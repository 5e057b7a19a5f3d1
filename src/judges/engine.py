"""The judge: shares out programs over translation units and cores, and turns what happened to each into a verdict."""

from __future__ import annotations

import dataclasses
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from .box import ENDED, MEMORY_LIMIT, OUTPUT_LIMIT, TIME_LIMIT, Box, Result
from .lexer import PRELUDE, body_of_main
from .records import Class, Execution, Limits, Program, Verdict

SHARED = 250
_CLASSES: dict[int, Class] = {
    TIME_LIMIT: "time_limit",
    MEMORY_LIMIT: "memory_limit",
    OUTPUT_LIMIT: "output_limit",
}
_MENTION = re.compile(r"^program-(\d+):\d+:(?:\d+:)? ((?:fatal )?error: )?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Task:
    """`expected` is None where any output is right; `body` is None where the program must be compiled alone."""

    number: int
    code: str
    inputs: tuple[bytes, ...]
    expected: tuple[bytes, ...] | None
    body: str | None


@dataclass(frozen=True, slots=True)
class _Outcome:
    verdict: Verdict
    output: bytes = b""


# What one unit of work gives: outcomes by the task's number, and tasks that have to be done again, alone.
_Done = tuple[dict[int, _Outcome], list[_Task]]


def judge(
    programs: Iterable[Program],
    *,
    limits: Limits = Limits(),  # noqa: B008
    workers: int | None = None,
    cache: Path | None = None,
    unsafe: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Verdict]:
    """One verdict for each program, in their order.

    `progress` is called with (finished, all). Raises JudgeError if there is no compiler, or no containment without `unsafe`.
    """
    programs = list(programs)
    tasks = [
        _Task(
            number,
            program.code,
            tuple(_bytes(test.input) for test in program.tests) or (b"",),
            tuple(_bytes(test.output) for test in program.tests) or None,
            body_of_main(program.code),
        )
        for number, program in enumerate(programs)
    ]
    outcomes = _work(tasks, limits, workers, unsafe, progress)
    return [
        dataclasses.replace(outcome.verdict, id=program.id)
        for program, outcome in zip(programs, outcomes, strict=True)
    ]


def execute(
    codes: Sequence[str],
    inputs: Sequence[str],
    *,
    limits: Limits = Limits(),  # noqa: B008
    workers: int | None = None,
    unsafe: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Execution]:
    """What each program prints on its input, in their order. Raises as `judge`, and ValueError on unequal lengths."""
    tasks = [
        _Task(number, code, (_bytes(text),), None, body_of_main(code))
        for number, (code, text) in enumerate(zip(codes, inputs, strict=True))
    ]
    return [
        Execution(outcome.verdict.verdict, outcome.output, outcome.verdict.diagnostics)
        for outcome in _work(tasks, limits, workers, unsafe, progress)
    ]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _work(
    tasks: list[_Task],
    limits: Limits,
    workers: int | None,
    unsafe: bool,
    progress: Callable[[int, int], None] | None,
) -> list[_Outcome]:
    workers = workers or len(os.sched_getaffinity(0))
    box = Box.open(unsafe)
    outcomes: dict[int, _Outcome] = {}
    shared = [task for task in tasks if task.body is not None]
    units = -(-len(shared) // SHARED)
    units = max(units, min(workers, -(-len(shared) // 10)))
    with (
        tempfile.TemporaryDirectory(prefix="composed-judge-", ignore_cleanup_errors=True) as folder,
        ThreadPoolExecutor(workers) as pool,
    ):
        bench = _Bench(box, limits, Path(folder))
        waiting: set[Future[_Done]] = {
            pool.submit(bench.together, shared[unit::units]) for unit in range(units)
        }
        waiting |= {pool.submit(bench.alone, task) for task in tasks if task.body is None}
        try:
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    settled, again = future.result()
                    outcomes |= settled
                    waiting |= {pool.submit(bench.alone, task) for task in again}
                if progress:
                    progress(len(outcomes), len(tasks))
        finally:
            pool.shutdown(cancel_futures=True)
    return [outcomes[task.number] for task in tasks]


@dataclass(frozen=True, slots=True)
class _Bench:
    """Where units of work are done, each in a folder of its own."""

    box: Box
    limits: Limits
    folder: Path

    def alone(self, task: _Task) -> _Done:
        """Compiles a program exactly as it is written, but for the prelude, which is taken as compiled before."""
        with tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            arguments = ["-fdiagnostics-color=never", "-fmax-errors=20", "program.cpp", "-o", "program"]
            code = task.code
            if code.startswith(PRELUDE):
                code = '#line 5 "program.cpp"\n' + code[len(PRELUDE) :]
                arguments[:0] = ["-include", str(self.box.built / "prelude.hpp")]
            (folder / "program.cpp").write_bytes(_bytes(code))
            compiled = self.box.compile(folder, arguments, self.limits)
            if compiled.exit:
                return {task.number: self._rejected(compiled.errors, compiled.exit)}, []
            jobs = ((0, test, text) for test, text in enumerate(task.inputs))
            return {task.number: self._settle(task, self.box.run(folder / "program", jobs, self.limits))}, []

    def together(self, tasks: list[_Task]) -> _Done:
        """Compiles programs as functions of one translation unit, without those that g++ rejects."""
        settled: dict[int, _Outcome] = {}
        with tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            remaining = {task.number: task for task in tasks}
            again: list[_Task] = []
            arguments = ["-w", "-fdiagnostics-color=never", "-fno-diagnostics-show-caret"]
            arguments += ["-include", str(self.box.built / "prelude.hpp")]
            arguments += ["unit.cpp", str(self.box.built / "supervisor.o"), "-o", "unit"]
            while remaining:
                numbers = list(remaining)
                (folder / "unit.cpp").write_bytes(_bytes(_unit(remaining.values())))
                compiled = self.box.compile(folder, arguments, self.limits, len(numbers))
                if not compiled.exit:
                    break
                errors: dict[int, list[str]] = defaultdict(list)
                text = compiled.errors.decode("utf-8", "replace")
                mentioned = set()
                for line in text.splitlines():
                    if match := _MENTION.match(line):
                        mentioned.add(int(match[1]))
                        if match[2]:
                            errors[int(match[1])].append(line)
                for number, lines in errors.items():
                    settled[number] = self._rejected("\n".join(lines).encode(), compiled.exit)
                again += [remaining[number] for number in mentioned - errors.keys()]
                for number in mentioned:
                    del remaining[number]
                if not mentioned:
                    return settled, again + list(remaining.values())
            else:
                return settled, again
            jobs = [
                (place, test, text)
                for place, number in enumerate(numbers)
                for test, text in enumerate(remaining[number].inputs)
            ]
            results: dict[int, list[Result]] = defaultdict(list)
            for result in self.box.run(folder / "unit", jobs, self.limits, server=True):
                results[result.program].append(result)
            for place, number in enumerate(numbers):
                if place in results:
                    settled[number] = self._settle(remaining[number], iter(results[place]))
                else:
                    again.append(remaining[number])
            return settled, again

    def _rejected(self, errors: bytes, code: int) -> _Outcome:
        return _Outcome(Verdict("", "compile_error", exit=code, diagnostics=self._diagnostics(errors)))

    def _diagnostics(self, text: bytes) -> str:
        return text.decode("utf-8", "replace")[: self.limits.diagnostics]

    def _settle(self, task: _Task, results: Iterator[Result]) -> _Outcome:
        cpu = wall = 0.0
        peak = 0
        for result in results:
            cpu += result.cpu_seconds
            wall += result.wall_seconds
            peak = max(peak, result.peak_memory)
            verdict: Class = "correct"
            if result.reason != ENDED:
                verdict = _CLASSES[result.reason]
            elif result.exit:
                verdict = "runtime_error"
            elif task.expected is not None and result.output != task.expected[result.test]:
                verdict = "wrong_output"
            if verdict != "correct":
                break
        failed = None if verdict == "correct" else result.test
        text = self._diagnostics(result.errors)
        return _Outcome(Verdict("", verdict, cpu, wall, peak, result.exit, failed, text), result.output)


def _unit(tasks: Iterable[_Task]) -> str:
    parts, names = [], []
    for task in tasks:
        names.append(f"program_{task.number}")
        parts.append(
            f'#line 1 "program-{task.number}"\nstatic int {names[-1]}() {{{{{task.body}}}\nreturn 0; }}\n'
        )
    parts.append(f'extern "C" int (*const programs[])() = {{{", ".join(names)}}};\n')
    return "".join(parts)
