"""The judge: shares programs out over translation units and cores, and turns what each did into a verdict."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from composed.judges.box import ENDED, MEMORY_LIMIT, OUTPUT_LIMIT, TIME_LIMIT, Box, Job, Result, Tier
from composed.judges.cache import Cache
from composed.judges.lexer import PRELUDE, shareable
from composed.judges.records import Class, Compare, Execution, JudgeError, Limits, Program, Verdict
from composed.judges.toolchain import open_toolchain
from composed.judges.unit import FIRST_LINE, mentioned, rejected, uninitialized, unit_text

PROGRAMS_A_UNIT = 250
PROGRAMS_A_SERVER = 64
_DEFAULT_LIMITS = Limits()
_LIMIT_CLASSES: dict[int, Class] = {
    TIME_LIMIT: "time_limit",
    MEMORY_LIMIT: "memory_limit",
    OUTPUT_LIMIT: "output_limit",
}


def judge(
    programs: Iterable[Program],
    *,
    limits: Limits = _DEFAULT_LIMITS,
    workers: int | None = None,
    cache: Path | None = None,
    unsafe: bool = False,
    progress: Callable[[int, int], None] | None = None,
    compare: Compare = "exact",
    tier: Tier | None = None,
) -> list[Verdict]:
    """One verdict for each program, in their order.

    A program is correct if it compiles and each test ends with exit code 0, within the limits, having printed exactly
    the expected bytes (with `compare="tokens"`: the same words, whatever the white space between them); a program
    without tests has to end well on empty input. `cache` is a file that verdicts are looked up in and added to as soon
    as they are known; `progress` is called with (finished, all). `tier` asks for one kind of containment instead of the
    best one. Raises JudgeError if there is no compiler, no space, or no containment (and `unsafe` is not set).
    """
    programs = list(programs)
    with _Bench(limits, workers, tier, unsafe, compare) as bench:
        verdicts: dict[int, Verdict] = {}
        with nullcontext() if cache is None else Cache(cache, bench.context, limits) as known:
            if known:
                found = {number: known.get(program) for number, program in enumerate(programs)}
                verdicts = {number: verdict for number, verdict in found.items() if verdict}
            tasks = [
                bench.task(
                    number,
                    program.code,
                    [test.input for test in program.tests] or [""],
                    [test.output for test in program.tests],
                )
                for number, program in enumerate(programs)
                if number not in verdicts
            ]
            if progress:
                progress(len(verdicts), len(programs))
            for number, (verdict, _) in bench.work(tasks):
                verdicts[number] = dataclasses.replace(verdict, id=programs[number].id)
                if known:
                    known.put(programs[number], verdicts[number])
                if progress:
                    progress(len(verdicts), len(programs))
    return [verdicts[number] for number in range(len(programs))]


def execute(
    codes: Sequence[str],
    inputs: Sequence[str],
    *,
    limits: Limits = _DEFAULT_LIMITS,
    workers: int | None = None,
    unsafe: bool = False,
    progress: Callable[[int, int], None] | None = None,
    tier: Tier | None = None,
) -> list[Execution]:
    """What each program prints on its input, in their order. Raises as `judge`, and ValueError on unequal lengths."""
    pairs = list(zip(codes, inputs, strict=True))
    executions: dict[int, Execution] = {}
    with _Bench(limits, workers, tier, unsafe) as bench:
        tasks = [bench.task(number, code, [text]) for number, (code, text) in enumerate(pairs)]
        for number, (verdict, output) in bench.work(tasks):
            executions[number] = Execution(verdict.verdict, output, verdict.diagnostics)
            if progress:
                progress(len(executions), len(tasks))
    return [executions[number] for number in range(len(pairs))]


@dataclass(frozen=True, slots=True)
class _Task:
    """`text` is None if the program must be compiled alone, `expected` is empty if any output is right."""

    number: int
    code: str
    text: str | None
    inputs: list[bytes]
    expected: list[bytes]


# A verdict (without its id) and what the deciding test printed. A step of the work gives outcomes, each with its task's
# number, and the steps to do next.
_Outcome = tuple[Verdict, bytes]
_Done = tuple[list[tuple[int, _Outcome]], list["_Step"]]
_Step = Callable[[], _Done]


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


class _Folder:
    """A folder that lives as long as somebody holds on to it."""

    def __init__(self, parent: Path | None = None) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="composed-judge-", dir=parent))
        self.remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


class _Bench:
    """Does tasks on all cores; in tier A and B nothing of theirs outlives it."""

    def __init__(
        self, limits: Limits, workers: int | None, tier: Tier | None, unsafe: bool, compare: Compare = "exact"
    ) -> None:
        self.limits = limits
        self.compare = compare
        self.workers = workers or len(os.sched_getaffinity(0))
        self.toolchain = open_toolchain()
        self.box = Box(self.toolchain, tier, unsafe)
        self.context = f"{self.toolchain.folder.name} {compare}"
        self.folder = _Folder()

    def __enter__(self) -> _Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.box.stop()
        self.folder.remove()

    def task(self, number: int, code: str, inputs: Iterable[str], expected: Iterable[str] = ()) -> _Task:
        text = shareable(code, self.toolchain.header_names)
        return _Task(number, code, text, [*map(_bytes, inputs)], [*map(_bytes, expected)])

    def work(self, tasks: list[_Task]) -> Iterator[tuple[int, _Outcome]]:
        """Each task's number and outcome as soon as it is known."""
        pool = ThreadPoolExecutor(self.workers)
        try:
            waiting: set[Future[_Done]] = {pool.submit(step) for step in self._first_steps(tasks)}
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    outcomes, steps = future.result()
                    yield from outcomes
                    waiting |= {pool.submit(step) for step in steps}
        except OSError as error:
            raise JudgeError(f"the judge cannot work in {self.folder.path}: {error.strerror}") from error
        finally:
            self.box.stop()
            pool.shutdown(cancel_futures=True)

    def _first_steps(self, tasks: list[_Task]) -> Iterator[_Step]:
        shared = [task for task in tasks if task.text is not None]
        units = max(-(-len(shared) // PROGRAMS_A_UNIT), min(self.workers, -(-len(shared) // 10)))
        for unit in range(units):
            yield partial(self._together, shared[unit::units])
        for task in tasks:
            if task.text is None:
                yield partial(self._alone, task)

    def _alone(self, task: _Task) -> _Done:
        """Compiles a program exactly as it is written, but for the prelude, which was compiled before."""
        folder = _Folder(self.folder.path)
        arguments: list[str | Path] = ["-fdiagnostics-color=never", "-fmax-errors=20"]
        code = task.code
        if code.startswith(PRELUDE):
            code = f'#line {FIRST_LINE} "program.cpp"\n{code[len(PRELUDE) :]}'
            arguments += ["-include", self.toolchain.prelude]
        (folder.path / "program.cpp").write_bytes(_bytes(code))
        compiled = self.box.compile(folder.path, [*arguments, "program.cpp", "-o", "program"], self.limits)
        if compiled.exit:
            messages = compiled.errors.decode("utf-8", "replace")
            return [(task.number, self._compile_error(compiled, messages))], []
        jobs = (Job(0, test, text) for test, text in enumerate(task.inputs))
        results = self.box.run(folder.path / "program", jobs, self.limits)
        outcome = self._outcome(task, results)
        if outcome is None:
            raise JudgeError("a program's results are incomplete: the supervisor was killed")
        return [(task.number, outcome)], []

    def _together(self, tasks: list[_Task]) -> _Done:
        """Compiles programs as functions of one unit; then come the steps to run them, or to deal with g++'s errors."""
        folder = _Folder(self.folder.path)
        by_number = {task.number: task for task in tasks}
        compiled, messages = self._compile_unit(folder, tasks)
        if compiled.exit == 0:
            apart = by_number.keys() & uninitialized(messages)
            served = [(place, task) for place, task in enumerate(tasks) if task.number not in apart]
            chunks = [served[start : start + PROGRAMS_A_SERVER] for start in range(0, len(served), PROGRAMS_A_SERVER)]
            steps = [partial(self._serve, folder, chunk) for chunk in chunks]
            return [], steps + [partial(self._alone, by_number[number]) for number in apart]
        doubtful = [task for task in tasks if task.number in mentioned(messages)]
        if not doubtful:  # the unit as a whole was too much for the compiler
            return [], self._divide(tasks)
        checked, messages = self._compile_unit(folder, doubtful, "-fsyntax-only")
        errors = rejected([task.number for task in doubtful], messages)
        outcomes = [(number, self._compile_error(checked, text)) for number, text in errors.items()]
        steps = [partial(self._alone, task) for task in doubtful if task.number not in errors]
        rest = [task for task in tasks if task not in doubtful]
        return outcomes, [*steps, partial(self._together, rest)] if rest else steps

    def _divide(self, tasks: list[_Task]) -> list[_Step]:
        if len(tasks) == 1:
            return [partial(self._alone, tasks[0])]
        return [partial(self._together, tasks[half::2]) for half in (0, 1)]

    def _compile_unit(self, folder: _Folder, tasks: list[_Task], *checking: str) -> tuple[Result, str]:
        texts = {task.number: task.text for task in tasks if task.text is not None}
        (folder.path / "unit.cpp").write_text(unit_text(texts, guarded=bool(checking)))
        options = ["-fdiagnostics-color=never", "-fno-diagnostics-show-caret", "-Wuninitialized", *checking]
        files = ["-include", self.toolchain.prelude, "unit.cpp", self.toolchain.server, "-o", "unit"]
        compiled = self.box.compile(folder.path, [*options, *files], self.limits, len(tasks))
        return compiled, compiled.errors.decode("utf-8", "replace")

    def _serve(self, folder: _Folder, tasks: list[tuple[int, _Task]]) -> _Done:
        """Runs programs of a unit, given with their places in it; those that the server did not finish are done alone."""
        jobs = (Job(place, test, text) for place, task in tasks for test, text in enumerate(task.inputs))
        left = dict(tasks)
        outcomes = []
        for place, results in groupby(self.box.serve(folder.path / "unit", jobs, self.limits), attrgetter("program")):
            if outcome := self._outcome(left[place], results):
                outcomes.append((left.pop(place).number, outcome))
        return outcomes, [partial(self._alone, task) for task in left.values()]

    def _compile_error(self, compiled: Result, messages: str) -> _Outcome:
        text = messages[: self.limits.diagnostics]
        if compiled.reason == TIME_LIMIT:
            text += "\nthe compiler took too long"
        return Verdict("", "compile_error", exit=compiled.exit, diagnostics=text), b""

    def _outcome(self, task: _Task, results: Iterable[Result]) -> _Outcome | None:
        """What the first test that failed decides, or that none did; None if tests are missing. Reads all results."""
        cpu = wall = 0.0
        peak = 0
        outcome = None
        for result in results:
            if outcome:
                continue
            cpu += result.cpu_seconds
            wall += result.wall_seconds
            peak = max(peak, result.peak_memory)
            verdict = self._class(task, result)
            if verdict != "correct" or result.test == len(task.inputs) - 1:
                failed = None if verdict == "correct" else result.test
                text = result.errors.decode("utf-8", "replace")[: self.limits.diagnostics]
                outcome = Verdict("", verdict, cpu, wall, peak, result.exit, failed, text), result.output
        return outcome

    def _class(self, task: _Task, result: Result) -> Class:
        if result.reason != ENDED:
            return _LIMIT_CLASSES[result.reason]
        if result.exit == -signal.SIGABRT and b"std::bad_alloc" in result.errors:
            return "memory_limit"
        if result.exit:
            return "runtime_error"
        if not task.expected:
            return "correct"
        printed, expected = result.output, task.expected[result.test]
        same = printed == expected if self.compare == "exact" else printed.split() == expected.split()
        return "correct" if same else "wrong_output"
