"""Verdicts kept by the content of what was judged, in one file that is only ever appended to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from composed.judges.records import JudgeError, Limits, Program, Verdict


class Cache:
    """A line a verdict: its fields and `key`. A line that a killed judge left half-written is passed over."""

    def __init__(self, path: Path, context: str, limits: Limits) -> None:
        """`context` is whatever else verdicts depend on. Raises JudgeError if the file cannot be written."""
        self._context = json.dumps([context, asdict(limits)]).encode()
        self._known: dict[str, dict[str, Any]] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
        except OSError as error:
            raise JudgeError(f"the verdict file {path} cannot be written: {error.strerror}") from error
        self._file.seek(0)
        line = b"\n"
        for line in self._file:
            try:
                fields = json.loads(line)
                self._known[fields.pop("key")] = fields
            except (ValueError, KeyError, AttributeError, TypeError):
                continue
        if not line.endswith(b"\n"):
            self._file.write(b"\n")

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def get(self, program: Program) -> Verdict | None:
        fields = self._known.get(self._key(program))
        return None if fields is None else replace(Verdict(**fields), id=program.id)

    def put(self, program: Program, verdict: Verdict) -> None:
        line = json.dumps({"key": self._key(program)} | asdict(verdict))
        self._file.write(line.encode() + b"\n")
        self._file.flush()

    def _key(self, program: Program) -> str:
        tests = [(test.input, test.output) for test in program.tests]
        return hashlib.sha256(self._context + json.dumps([program.code, tests]).encode()).hexdigest()
