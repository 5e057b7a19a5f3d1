"""The judge: shares programs out over translation units and cores, and turns what each did into a verdict.

Programs are compiled many at a time, since most of a compiler's time goes into the headers, but run one at a time: each
test is a process of its own, confined before the first instruction of the unit, and holds the code of no other program.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from composed.judges.box import TIME_LIMIT, Box, Job, Result, SupervisorError, Tier
from composed.judges.cache import Cache
from composed.judges.grouping import Item, units
from composed.judges.lexer import PRELUDE, shareable
from composed.judges.outcome import Outcome, encoded, outcome, shortened
from composed.judges.records import Compare, Execution, JudgeError, Limits, Program, Verdict
from composed.judges.scratch import Folder, Workplace
from composed.judges.toolchain import in_use, open_toolchain
from composed.judges.translation_unit import FIRST_LINE, Names

PROGRAMS_A_SUPERVISOR = 64
_DEFAULT_LIMITS = Limits()
_ENDED_EARLY = ("runtime_error", "time_limit", "memory_limit")


def judge(
    programs: Iterable[Program],
    *,
    limits: Limits = _DEFAULT_LIMITS,
    workers: int | None = None,
    cache: Path | None = None,
    earlier: Sequence[Path] = (),
    unsafe: bool = False,
    progress: Callable[[int, int], None] | None = None,
    compare: Compare = "exact",
    tier: Tier | None = None,
    shared: bool = True,
) -> list[Verdict]:
    """One verdict for each program, in their order.

    A program is correct if it compiles and each test ends with exit code 0, within the limits, having printed exactly
    the expected bytes; a program without tests has to end well on empty input. Equal programs with equal tests are
    judged once. A program that the judge itself failed on, twice, is `not_judged`: all others keep their verdicts.

    Args:
        limits: what a test and the compiler may take.
        workers: programs compiled or run at the same time; None for one on each core.
        cache: a file that verdicts are looked up in and added to as soon as they are known.
        earlier: files of verdicts to look in as well.
        unsafe: go on where no containment is possible.
        progress: called with (finished, all).
        compare: "tokens" takes outputs of the same words for equal, whatever the white space between them.
        tier: one kind of containment instead of the best one.
        shared: whether programs may be compiled together; without it each is compiled and run alone.

    Raises:
        JudgeError: there is no compiler, no space, or no containment; verdicts so far are in `cache`.
    """
    programs = list(programs)
    with _Bench(limits, workers, tier, unsafe, shared, compare) as bench, closing(bench.cache(cache, earlier)) as known:

        def work(numbers: Iterable[int]) -> Iterator[tuple[int, Verdict]]:
            for number, (verdict, _) in bench.work([bench.of_program(number, programs[number]) for number in numbers]):
                yield number, verdict

        return known.judged(programs, work, progress)


def execute(
    codes: Sequence[str],
    inputs: Sequence[Sequence[str]],
    *,
    limits: Limits = _DEFAULT_LIMITS,
    workers: int | None = None,
    unsafe: bool = False,
    progress: Callable[[int, int], None] | None = None,
    tier: Tier | None = None,
    shared: bool = True,
) -> list[Execution]:
    """What each program prints on each of its inputs, in their order; it is compiled once.

    Raises as `judge`, and ValueError for numbers of programs and of their inputs that differ.
    """
    pairs = list(zip(codes, inputs, strict=True))
    executions: dict[int, Execution] = {}
    with _Bench(limits, workers, tier, unsafe, shared) as bench:
        tasks = [bench.task(number, code, texts) for number, (code, texts) in enumerate(pairs)]
        for number, (verdict, printed) in bench.work(tasks):
            executions[number] = Execution(verdict.verdict, printed, verdict.diagnostics)
            if progress:
                progress(len(executions), len(tasks))
    return [executions[number] for number in range(len(pairs))]


def containment(tier: Tier | None = None, unsafe: bool = False) -> Tier:
    """The kind of containment that `judge` would use. Raises as `judge`."""
    return Box(open_toolchain(), tier, unsafe).tier


# A step of the work gives outcomes, each with its task's number, and the steps to do next.
_Done = tuple[list[tuple[int, Outcome]], list["_Step"]]
_Step = Callable[[], _Done]


class _Bench:
    """Does tasks on all cores; in tier A and B nothing of theirs outlives it."""

    def __init__(
        self,
        limits: Limits,
        workers: int | None,
        tier: Tier | None,
        unsafe: bool,
        shared: bool,
        compare: Compare | None = None,
    ) -> None:
        self.limits = limits
        self.compare = compare
        self.shared = shared
        self.workers = workers or len(os.sched_getaffinity(0))
        self.toolchain = open_toolchain()
        self.box = Box(self.toolchain, tier, unsafe)
        self.workplace = Workplace()
        self._stack = ExitStack()
        self._stack.enter_context(in_use(self.toolchain.folder))

    def __enter__(self) -> _Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.box.stop()
        self.workplace.remove()
        self._stack.close()

    def cache(self, path: Path | None, earlier: Sequence[Path]) -> Cache:
        context = [self.toolchain.folder.name, self.compare, self.box.tier, "shared" if self.shared else "alone"]
        return Cache(path, " ".join(map(str, context)), self.limits, earlier)

    def of_program(self, number: int, program: Program) -> Item:
        inputs, expected = [test.input for test in program.tests], [test.output for test in program.tests]
        return self.task(number, program.code, inputs or [""], expected)

    def task(self, number: int, code: str, inputs: Iterable[str], expected: Iterable[str] = ()) -> Item:
        part = shareable(code, self.toolchain.header_names) if self.shared else None
        if part and not self.toolchain.paths.static:  # the loader has to read the unit, so its programs can, too
            part = part._replace(confined=False)
        return Item(number, code, part, [*map(encoded, inputs)], [*map(encoded, expected)])

    def work(self, tasks: list[Item]) -> Iterator[tuple[int, Outcome]]:
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

    def _first_steps(self, tasks: list[Item]) -> list[_Step]:
        groups, left = units([task for task in tasks if task.shareable], self.workers)
        together = [partial(self._together, group) for group in groups]
        return [*together, *self._each_alone([*left, *(task for task in tasks if not task.shareable)])]

    def _each_alone(self, tasks: Iterable[Item]) -> list[_Step]:
        return [partial(self._alone, task) for task in tasks]

    def _alone(self, task: Item, again: bool = False) -> _Done:
        """Judges one program by itself; what the judge fails on twice is not judged, and the judge goes on."""
        try:
            return [(task.number, self._judged_alone(task))], []
        except (JudgeError, OSError) as error:
            if not isinstance(error, SupervisorError):  # no space, or stopped: that is nobody's fault
                raise
            reason = str(error)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        if not again:
            return [], [partial(self._alone, task, again=True)]
        return [(task.number, (Verdict("", "not_judged", diagnostics=shortened(reason, self.limits)), ()))], []

    def _judged_alone(self, task: Item) -> Outcome:
        """Compiles a program exactly as it is written, but for the prelude, which was compiled before, and runs it.

        It is linked statically, so that it needs no file; one that cannot be, for instance because it has a function
        of the C library's name, is linked as g++ does by itself.
        """
        arguments: list[str | Path] = ["-fdiagnostics-color=never", "-fmax-errors=20"]
        code = task.code
        if code.startswith(PRELUDE):
            code = f'#line {FIRST_LINE} "program.cpp"\n{code[len(PRELUDE) :]}'
            arguments += ["-include", self.toolchain.prelude]
        arguments += ["program.cpp", self.toolchain.main, "-Wl,--wrap=main", "-o", "program"]
        with self.workplace.folder() as folder:
            (folder / "program.cpp").write_bytes(encoded(code))
            static = self.toolchain.paths.static
            compiled = self.box.compile(folder, [*arguments, *(["-static"] if static else [])], self.limits)
            if static and compiled.exit and b"ld returned" in compiled.errors:
                static = False
                compiled = self.box.compile(folder, arguments, self.limits)
            if compiled.exit:
                return self._compile_error(compiled, compiled.errors.decode("utf-8", "replace"))
            jobs = (Job(0, test, text) for test, text in enumerate(task.inputs))
            outcome = self._outcome(task, self.box.run(folder / "program", jobs, self.limits, static))
        if outcome is None:
            raise SupervisorError("a program's results are incomplete")
        return outcome

    def _together(self, tasks: list[Item]) -> _Done:
        """Compiles programs as functions of one unit; then come the steps to run them, or to deal with g++'s errors.

        Where the judge itself fails, each program is done alone.
        """
        try:
            return self._compiled_together(tasks)
        except (JudgeError, OSError) as error:
            if not isinstance(error, SupervisorError):
                raise
        except Exception:  # whatever it was about, it will be found alone
            pass
        return [], self._each_alone(tasks)

    def _compiled_together(self, tasks: list[Item]) -> _Done:
        unit, names = self.workplace.folder(), Names()
        with unit as folder:
            compiled, messages = self._compile_unit(folder, tasks, names)
            if compiled.exit == 0:
                apart = names.uninitialized(messages)
                served = [(place, task) for place, task in enumerate(tasks) if task.number not in apart]
                constructs = [task.number for task in tasks if task.shareable and task.shareable.constructs]
                size = PROGRAMS_A_SUPERVISOR
                chunks = [served[at : at + size] for at in range(0, len(served), size)]
                unit.share(len(chunks))
                left = [task for task in tasks if task.number in apart]
                return [], [
                    *(partial(self._serve, unit, names, chunk, constructs) for chunk in chunks),
                    *self._each_alone(left),
                ]
            concerned = names.mentioned(messages)
            doubtful = [task for task in tasks if task.number in concerned]
            if not doubtful:  # the unit as a whole was too much for the compiler
                return [], self._divided(tasks, 16 if compiled.reason == TIME_LIMIT else 2)
            names = Names()
            checked, messages = self._compile_unit(folder, doubtful, names, "-fsyntax-only")
        errors = names.rejected([task.number for task in doubtful], messages)
        outcomes = [(number, self._compile_error(checked, text)) for number, text in errors.items()]
        steps = self._each_alone(task for task in doubtful if task.number not in errors)
        rest = [task for task in tasks if task.number not in concerned]
        return outcomes, [*steps, *([partial(self._together, rest)] if rest else [])]

    def _divided(self, tasks: list[Item], parts: int) -> list[_Step]:
        if len(tasks) <= parts:
            return self._each_alone(tasks)
        return [partial(self._together, tasks[part::parts]) for part in range(parts)]

    def _compile_unit(self, folder: Path, tasks: list[Item], names: Names, *checking: str) -> tuple[Result, str]:
        texts = {task.number: task.shareable.text for task in tasks if task.shareable}
        (folder / "unit.cpp").write_bytes(encoded(names.unit(texts, guarded=bool(checking))))
        # Columns would be those of the shared text.
        options = ["-fdiagnostics-color=never", "-fno-diagnostics-show-caret", "-fno-show-column", "-Wuninitialized"]
        linking = ["-static"] if self.toolchain.paths.static else []
        files: list[str | Path] = ["-include", self.toolchain.prelude, "unit.cpp", "-o", "unit", *linking]
        compiled = self.box.compile(folder, [*options, *checking, *files], self.limits, len(tasks))
        return compiled, compiled.errors.decode("utf-8", "replace")

    def _serve(self, unit: Folder, names: Names, tasks: list[tuple[int, Item]], constructs: list[int]) -> _Done:
        """Runs programs of a unit, given with their places in it; what has no result is done alone.

        So is what met a limit or ended early where other programs construct something before main.
        """
        jobs = (Job(place, test, text) for place, task in tasks for test, text in enumerate(task.inputs))
        left = dict(tasks)
        outcomes = []
        static = self.toolchain.paths.static
        with unit as folder:
            try:
                results = self.box.run(folder / "unit", jobs, self.limits, static, numbered=True)
                for place, of_program in groupby(results, attrgetter("program")):
                    task = left[place]
                    outcome = self._outcome(task, of_program, names)
                    if outcome is None or (outcome[0].verdict in _ENDED_EARLY and {*constructs} - {task.number}):
                        continue
                    outcomes.append((task.number, outcome))
                    del left[place]
            except SupervisorError:
                pass
        return outcomes, self._each_alone(left.values())

    def _outcome(self, task: Item, results: Iterable[Result], names: Names | None = None) -> Outcome | None:
        readable = names.readable if names else str
        return outcome(results, len(task.inputs), task.expected, self.compare, self.limits, readable)

    def _compile_error(self, compiled: Result, messages: str) -> Outcome:
        text = shortened(messages, self.limits)
        if compiled.reason == TIME_LIMIT:
            text += "\nthe compiler took too long"
        return Verdict("", "compile_error", exit=compiled.exit, diagnostics=text), ()
