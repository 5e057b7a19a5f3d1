"""The judge: shares programs out over translation units and cores, and turns what each did into a verdict."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
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
from composed.judges.workplace import Folder, Workplace

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
    with _Bench(limits, workers, tier, unsafe, compare) as bench, closing(bench.cache(cache)) as known:
        found = {number: known.get(program) for number, program in enumerate(programs)}
        verdicts = {number: verdict for number, verdict in found.items() if verdict}
        tasks = []
        for number, program in enumerate(programs):
            if number not in verdicts:
                inputs, expected = [test.input for test in program.tests], [test.output for test in program.tests]
                tasks.append(bench.task(number, program.code, inputs or [""], expected))
        if progress:
            progress(len(verdicts), len(programs))
        for number, (verdict, _) in bench.work(tasks):
            program = programs[number]
            verdicts[number] = dataclasses.replace(verdict, id=program.id, key=known.key(program))
            known.put(verdicts[number])
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


def containment(tier: Tier | None = None, unsafe: bool = False) -> Tier:
    """The kind of containment that `judge` would use. Raises as `judge`."""
    return Box(open_toolchain(), tier, unsafe).tier


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
        self.workplace = Workplace()

    def __enter__(self) -> _Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.box.stop()
        self.workplace.remove()

    def cache(self, path: Path | None) -> Cache:
        return Cache(path, f"{self.toolchain.folder.name} {self.compare}", self.limits)

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
                for future in sorted(finished, key=lambda future: future.exception() is not None):  # verdicts first
                    outcomes, steps = future.result()
                    yield from outcomes
                    waiting |= {pool.submit(step) for step in steps}
        except OSError as error:
            raise JudgeError(f"the judge cannot work in {self.workplace.path}: {error.strerror}") from error
        finally:
            self.box.stop()
            pool.shutdown(cancel_futures=True)

    def _first_steps(self, tasks: list[_Task]) -> list[_Step]:
        shared = [task for task in tasks if task.text is not None]
        units = max(-(-len(shared) // PROGRAMS_A_UNIT), min(self.workers, -(-len(shared) // 10)))
        together = [partial(self._together, shared[unit::units]) for unit in range(units)]
        return [*together, *self._each_alone(task for task in tasks if task.text is None)]

    def _each_alone(self, tasks: Iterable[_Task]) -> list[_Step]:
        return [partial(self._alone, task) for task in tasks]

    def _alone(self, task: _Task) -> _Done:
        """Compiles a program exactly as it is written, but for the prelude, which was compiled before."""
        arguments: list[str | Path] = ["-fdiagnostics-color=never", "-fmax-errors=20"]
        code = task.code
        if code.startswith(PRELUDE):
            code = f'#line {FIRST_LINE} "program.cpp"\n{code[len(PRELUDE) :]}'
            arguments += ["-include", self.toolchain.prelude]
        with self.workplace.folder() as folder:
            (folder / "program.cpp").write_bytes(_bytes(code))
            compiled = self.box.compile(folder, [*arguments, "program.cpp", "-o", "program"], self.limits)
            if compiled.exit:
                messages = compiled.errors.decode("utf-8", "replace")
                return [(task.number, self._compile_error(compiled, messages))], []
            jobs = (Job(0, test, text) for test, text in enumerate(task.inputs))
            outcome = self._outcome(task, self.box.run(folder / "program", jobs, self.limits))
        if outcome is None:
            raise JudgeError("a program's results are incomplete: its supervisor was killed")
        return [(task.number, outcome)], []

    def _together(self, tasks: list[_Task]) -> _Done:
        """Compiles programs as functions of one unit; then come the steps to run them, or to deal with g++'s errors."""
        unit = self.workplace.folder()
        with unit as folder:
            compiled, messages = self._compile_unit(folder, tasks)
            if compiled.exit == 0:
                apart = uninitialized(messages)
                served = [(place, task) for place, task in enumerate(tasks) if task.number not in apart]
                chunks = [served[at : at + PROGRAMS_A_SERVER] for at in range(0, len(served), PROGRAMS_A_SERVER)]
                unit.share(len(chunks))
                left = [task for task in tasks if task.number in apart]
                return [], [*(partial(self._serve, unit, chunk) for chunk in chunks), *self._each_alone(left)]
            concerned = mentioned(messages)
            doubtful = [task for task in tasks if task.number in concerned]
            if not doubtful:  # the unit as a whole was too much for the compiler
                return [], self._divided(tasks)
            checked, messages = self._compile_unit(folder, doubtful, "-fsyntax-only")
        errors = rejected([task.number for task in doubtful], messages)
        outcomes = [(number, self._compile_error(checked, text)) for number, text in errors.items()]
        steps = self._each_alone(task for task in doubtful if task.number not in errors)
        rest = [task for task in tasks if task.number not in concerned]
        return outcomes, [*steps, *([partial(self._together, rest)] if rest else [])]

    def _divided(self, tasks: list[_Task]) -> list[_Step]:
        if len(tasks) == 1:
            return self._each_alone(tasks)
        return [partial(self._together, tasks[half::2]) for half in (0, 1)]

    def _compile_unit(self, folder: Path, tasks: list[_Task], *checking: str) -> tuple[Result, str]:
        texts = {task.number: task.text for task in tasks if task.text is not None}
        (folder / "unit.cpp").write_text(unit_text(texts, guarded=bool(checking)))
        # Columns would be those of the shared text.
        options = ["-fdiagnostics-color=never", "-fno-diagnostics-show-caret", "-fno-show-column", "-Wuninitialized"]
        files: list[str | Path] = ["-include", self.toolchain.prelude, "unit.cpp", self.toolchain.server, "-o", "unit"]
        compiled = self.box.compile(folder, [*options, *checking, *files], self.limits, len(tasks))
        return compiled, compiled.errors.decode("utf-8", "replace")

    def _serve(self, unit: Folder, tasks: list[tuple[int, _Task]]) -> _Done:
        """Runs programs of a unit, given with their places in it; what the server did not finish is done alone."""
        jobs = (Job(place, test, text) for place, task in tasks for test, text in enumerate(task.inputs))
        left = dict(tasks)
        outcomes = []
        with unit as folder:
            for place, results in groupby(self.box.serve(folder / "unit", jobs, self.limits), attrgetter("program")):
                if outcome := self._outcome(left[place], results):
                    outcomes.append((left.pop(place).number, outcome))
        return outcomes, self._each_alone(left.values())

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
