"""Verdicts kept by the content of what was judged, in one file of verdict lines that is only ever appended to."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from composed.judges.records import JudgeError, Limits, Program, Verdict

OLDEST = 90 * 24 * 3600.0  # seconds: a file that was left for longer is not gone on with
LARGEST = 1 << 30  # bytes: nor is a larger one
_JUDGE = hashlib.sha256(
    b"\0".join(path.read_bytes() for path in sorted(Path(__file__).parent.iterdir()) if path.suffix in (".py", ".c"))
).hexdigest()  # another judge's verdicts are judged again


class Cache:
    """Knows the verdicts in `path`, if one is given; a line that is damaged or was left half-written is passed over.

    `context` is whatever verdicts depend on beside the program and the limits. `earlier` are files that are only read;
    what the judge failed on there is judged again. One judge at a time has `path`. Raises JudgeError if another one has
    it or it cannot be written.
    """

    def __init__(self, path: Path | None, context: str, limits: Limits, earlier: Sequence[Path] = ()) -> None:
        self._context = json.dumps([_JUDGE, context, dataclasses.asdict(limits)]).encode()
        self._known: dict[str, Verdict] = {}
        self._file: IO[bytes] | None = None
        for other in filter(Path.is_file, earlier):
            with other.open("rb") as file:
                self._read(file)
        self._known = {key: verdict for key, verdict in self._known.items() if verdict.verdict != "not_judged"}
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _locked(path)
        except OSError as error:
            raise JudgeError(f"cannot write verdicts to {path}: {error.strerror}") from error
        self._file.seek(0)
        if self._read(self._file):
            self._file.write(b"\n")

    def _read(self, file: IO[bytes]) -> bool:
        """Takes the verdicts of a file, unless it is too old or too large. Returns whether it ends in half a line."""
        status = os.fstat(file.fileno())
        if status.st_size > LARGEST or time.time() - status.st_mtime > OLDEST:
            if file.writable():
                file.truncate(0)
            return False
        line = b"\n"
        for line in file:
            try:
                verdict = Verdict.from_json(line)
            except (ValueError, TypeError, RecursionError, OverflowError):
                continue
            self._known[verdict.key] = verdict
        return not line.endswith(b"\n")

    def key(self, program: Program) -> str:
        tests = [(test.input, test.output) for test in program.tests]
        return hashlib.sha256(self._context + json.dumps([program.code, tests]).encode()).hexdigest()[:32]

    def get(self, key: str) -> Verdict | None:
        return self._known.get(key)

    def put(self, verdict: Verdict) -> None:
        if self._file:
            self._file.write(verdict.to_json().encode() + b"\n")
            self._file.flush()

    def judged(
        self,
        programs: Sequence[Program],
        work: Callable[[Iterable[int]], Iterator[tuple[int, Verdict]]],
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Verdict]:
        """One verdict for each, in their order: those that are known, and what `work` says of the others' numbers.

        Equal programs with equal tests are worked on once. `progress` is called with (finished, all).
        """
        same: dict[str, list[int]] = defaultdict(list)
        for number, program in enumerate(programs):
            same[self.key(program)].append(number)
        verdicts = {n: verdict for key, numbers in same.items() if (verdict := self.get(key)) for n in numbers}
        if progress:
            progress(len(verdicts), len(programs))
        for number, verdict in work([numbers[0] for numbers in same.values() if numbers[0] not in verdicts]):
            program = programs[number]
            verdict = dataclasses.replace(verdict, id=program.id, key=self.key(program))
            self.put(verdict)
            verdicts |= dict.fromkeys(same[verdict.key], verdict)
            if progress:
                progress(len(verdicts), len(programs))
        return [dataclasses.replace(verdicts[number], id=program.id) for number, program in enumerate(programs)]

    def close(self) -> None:
        if self._file:
            self._file.close()


def _locked(path: Path) -> IO[bytes]:
    """The file, which no other judge has; one that another judge removed at its end is made anew."""
    while True:
        file = path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BlockingIOError as error:
            file.close()
            raise JudgeError(f"another judge is writing to {path}: wait for its end, or give another --out") from error
        except FileNotFoundError:
            pass
        file.close()
