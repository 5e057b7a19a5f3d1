"""Verdicts kept by the content of what was judged, in one file of verdict lines that is only ever appended to."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

from composed.judges.records import JudgeError, Limits, Program, Verdict


class Cache:
    """Knows the verdicts in `path`, if one is given; a line that a killed judge left half-written is passed over.

    `context` is whatever verdicts depend on beside the program and the limits. Raises JudgeError if `path` cannot be
    written.
    """

    def __init__(self, path: Path | None, context: str, limits: Limits) -> None:
        self._context = json.dumps([context, dataclasses.asdict(limits)]).encode()
        self._known: dict[str, Verdict] = {}
        self._file = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
        except OSError as error:
            raise JudgeError(f"cannot write verdicts to {path}: {error.strerror}") from error
        self._file.seek(0)
        line = b"\n"
        for line in self._file:
            try:
                verdict = Verdict.from_json(line)
            except (ValueError, TypeError):
                continue
            self._known[verdict.key] = verdict
        if not line.endswith(b"\n"):
            self._file.write(b"\n")

    def key(self, program: Program) -> str:
        tests = [(test.input, test.output) for test in program.tests]
        return hashlib.sha256(self._context + json.dumps([program.code, tests]).encode()).hexdigest()[:32]

    def get(self, program: Program) -> Verdict | None:
        verdict = self._known.get(self.key(program))
        return verdict and dataclasses.replace(verdict, id=program.id)

    def put(self, verdict: Verdict) -> None:
        if self._file:
            self._file.write(verdict.to_json().encode() + b"\n")
            self._file.flush()

    def close(self) -> None:
        if self._file:
            self._file.close()
