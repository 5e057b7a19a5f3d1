"""A program of your own as a judge: rows of JSON on its standard input, a line of JSON for each on its standard output.

A row has `id`, `text`, `target` and what else the prediction has; the answer is {"id": ..., "verdict": "correct" (or
"invalid" or "wrong"), "diagnostics": a text, if there is something to say}, in any order. A row without `target` asks
for validity alone: any verdict but invalid is valid. The program runs in the judge's box: no network; of the file
system there are the system's programs, the files that its words name, `reads`, and a folder that it may write to.
"""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

from composed.judges.box import TIME_LIMIT, Box, Result, private_folders, readable
from composed.judges.cache import Cache
from composed.judges.interface import NO_RECORD, Record, Row, TextJudge
from composed.judges.outcome import shortened
from composed.judges.python import interpreter
from composed.judges.records import MEBIBYTE, JudgeError, Limits, Program, Verdict
from composed.judges.scratch import Workplace
from composed.judges.toolchain import SYSTEM, open_toolchain

ROWS_A_START = 64
STARTING = 30.0  # seconds that the program has beside those for its rows
IN_VAIN = 3  # starts without an answer, one after the other, until it is given up
NOT_FOUND = (
    "127 says that it starts a program which is not there: a script that finds an interpreter, as pyenv and conda have "
    "them, does not see it in the box. Name the interpreter's own path in judge.program, which "
    "`python -c 'import sys; print(sys.executable)'` prints, or name what is needed in judge.reads"
)
VERDICTS = ("correct", "invalid", "wrong")
_PROGRAMS = ("/bin", "/usr/bin", "/usr/local/bin", "/usr/local/lib", "/usr/share", "/etc/alternatives", *SYSTEM)


@dataclass(frozen=True, kw_only=True)
class Judge(TextJudge):
    """program: its words as a shell reads them; seconds: CPU time for one row, twice that by the clock; memory: MiB of
    address space; reads: further files and folders that it reads; unsafe: run it with all rights, in no box.
    """

    method: ClassVar[str] = "verdicts of a program of your own"
    needs = ()

    program: str
    seconds: float
    memory: int
    reads: Sequence[str] = ()
    workers: int | None = None
    unsafe: bool = False
    reuse: bool = True

    def judge(self, rows: Sequence[Row], record: Record = NO_RECORD) -> list[Verdict]:
        programs = [Program(row["id"], json.dumps({**row, "id": ""}, sort_keys=True)) for row in rows]
        limits = self._limits(1)
        context = json.dumps([self.words(), [sha256(path.read_bytes()).hexdigest() for path in files(self.program)]])
        with closing(Cache(record.kept, context, limits, record.earlier if self.reuse else ())) as known:
            return known.judged(programs, lambda numbers: self._work(rows, numbers), record.progress)

    def faults(self, rows: Sequence[Row]) -> list[str]:
        asked = [{key: value for key, value in row.items() if key != "target"} for row in rows]
        found = dict(self._work(asked, range(len(rows))))
        for verdict in found.values():
            if verdict.verdict == "not_judged":
                raise JudgeError(f"judge.program={self.program}: {verdict.diagnostics}")
        verdicts = [found[number] for number in range(len(rows))]
        return [each.diagnostics or "invalid" if each.verdict == "invalid" else "" for each in verdicts]

    def check(self) -> None:
        self._box()

    def words(self) -> list[str]:
        """The program's file and words, paths in whole. Raises JudgeError where there is no program."""
        try:
            name, *words = shlex.split(self.program)
        except ValueError as error:
            raise JudgeError(f"judge.program={self.program}: no words of a shell ({error})") from error
        place = shutil.which(name)
        if place is None:
            raise JudgeError(f"judge.program={self.program}: there is no program {name}")
        return [os.path.abspath(place), *(os.path.abspath(word) if os.path.exists(word) else word for word in words)]

    def _box(self) -> Box:
        self.words()
        return Box(open_toolchain(), "unsafe" if self.unsafe else None)

    def _limits(self, rows: int) -> Limits:
        seconds = STARTING + rows * self.seconds
        return Limits(compile_cpu=seconds, compile_wall=2 * seconds, compile_memory=self.memory * MEBIBYTE)

    def _work(self, rows: Sequence[Row], numbers: Iterable[int]) -> Iterator[tuple[int, Verdict]]:
        """Verdicts of the rows with these numbers, which the program knows by them."""
        asked = [{**rows[number], "id": str(number)} for number in numbers]
        box, place = self._box(), Workplace()
        pool = ThreadPoolExecutor(self.workers or len(os.sched_getaffinity(0)))
        try:
            chunks = [asked[at : at + ROWS_A_START] for at in range(0, len(asked), ROWS_A_START)]
            for found in pool.map(lambda chunk: self._answered(box, place, chunk), chunks):
                yield from ((int(name), verdict) for name, verdict in found.items())
        finally:
            box.stop()
            pool.shutdown(cancel_futures=True)
            place.remove()

    def _answered(self, box: Box, place: Workplace, rows: Sequence[Row]) -> dict[str, Verdict]:
        """Of all rows: where the program ends before it has answered them, it is begun again behind the next row."""
        verdicts: dict[str, Verdict] = {}
        in_vain = 0
        while left := [row for row in rows if row["id"] not in verdicts]:
            with place.folder() as folder:
                result = box.tool(folder, self.words(), _lines(left), self._limits(len(left)), self._readable())
            found, problem = read_answers(result.output, {row["id"] for row in left})
            verdicts |= found
            in_vain = 0 if found else in_vain + 1
            reason = problem or _ending(result)
            ended_well = not problem and result.exit == 0
            lost = [row["id"] for row in left if row["id"] not in found]
            for name in lost if ended_well or in_vain == IN_VAIN else lost[:1]:
                verdicts[name] = Verdict("", "not_judged", diagnostics=shortened(reason, Limits()))
        return verdicts

    def _readable(self) -> list[str]:
        words = self.words()
        named = [word for word in words if os.path.isabs(word) and os.path.exists(word)]
        ours = os.path.realpath(words[0]) == os.path.realpath(sys.executable)
        python = [*interpreter().paths, sys.prefix] if ours else []
        paths = [
            *(link for path in named for link in _links(path)),
            *map(os.path.abspath, self.reads),
            *python,
            *_PROGRAMS,
        ]
        return readable(dict.fromkeys(path for path in paths if os.path.exists(path)), private_folders())


def files(program: str) -> list[Path]:
    """Those that the words of a program name beside the program's own."""
    try:
        words = shlex.split(program)[1:]
    except ValueError:
        return []
    return [path for path in map(Path, words) if path.is_file()]


def _links(path: str) -> Iterator[str]:
    """A path, and what it leads to from link to link."""
    for _ in range(40):
        yield path
        if not os.path.islink(path):
            return
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))


def _lines(rows: Iterable[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def read_answers(output: bytes, names: set[str]) -> tuple[dict[str, Verdict], str]:
    """The verdicts of a program's lines, and what is wrong with the first line that is no answer, behind which none
    counts; "" where all are.
    """
    found: dict[str, Verdict] = {}
    for number, line in enumerate(output.splitlines(), 1):
        if not line.strip():
            continue
        try:
            answer = json.loads(line)
            problem = _problem(answer, names, found)
        except (ValueError, RecursionError):
            problem = "is no JSON"
        if problem:
            return found, f"line {number} of its answers {problem}"
        said = answer.get("diagnostics") or ""
        found[answer["id"]] = Verdict("", answer["verdict"], diagnostics=shortened(said, Limits()))
    return found, ""


def _problem(answer: Any, names: set[str], found: Mapping[str, Verdict]) -> str:
    if not isinstance(answer, dict):
        return "is no object"
    name, verdict = answer.get("id"), answer.get("verdict")
    if not isinstance(name, str) or name not in names:
        return f"has an id that no row has: {json.dumps(name)[:80]}"
    if name in found:
        return f"answers row {name} again"
    if verdict not in VERDICTS:
        return f"has the verdict {json.dumps(verdict)[:80]}, which is none of {', '.join(VERDICTS)}"
    if not isinstance(answer.get("diagnostics") or "", str):
        return "has diagnostics that are no text"
    return ""


def _ending(result: Result) -> str:
    said = result.errors.decode("utf-8", "replace").strip().rpartition("\n")[2]
    if result.reason == TIME_LIMIT:
        return "the program took too long"
    how = f"was ended by signal {-result.exit}" if result.exit < 0 else f"ended with exit code {result.exit}"
    remedy = f". {NOT_FOUND}" if result.exit == 127 else ""
    return f"the program {how} without an answer for this row" + (f": {said}" if said else "") + remedy
