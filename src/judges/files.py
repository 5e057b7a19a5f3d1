"""Predictions and verdicts as files: an object of JSON a line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from composed.judges.records import JudgeError, Program, Test, Verdict

T = TypeVar("T")


class InputError(JudgeError):
    """A line of the predictions cannot be read; names the file and the line."""

    code = 2


def read_programs(source: str, skip: Callable[[str], None] | None = None) -> list[Program]:
    """The programs of a file of lines {"id", "code", "tests": [{"input", "output"}]}, or of standard input for "-".

    A line that is none is left out, and `skip` gets the reason. Raises InputError for it where there is no `skip`, and
    OSError.
    """
    return _read(source, _program, skip)


def read_rows(source: str, needs: Sequence[str], skip: Callable[[str], None] | None = None) -> list[dict[str, Any]]:
    """The predictions of a file of lines {"id", "text", ...} with the keys that a judge needs; else as `read_programs`.

    An id is unique, and a text.
    """
    names: set[str] = set()

    def row(fields: Any) -> dict[str, Any]:
        made = _row(fields, needs)
        if made["id"] in names:
            raise ValueError(f"another line has the id {_quoted(made['id'])}")
        names.add(made["id"])
        return made

    return _read(source, row, skip)


def _read(source: str, make: Callable[[Any], T], skip: Callable[[str], None] | None) -> list[T]:
    made = []
    with sys.stdin.buffer if source == "-" else open(source, "rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                made.append(make(json.loads(line)))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                reason = f"no field {error}" if isinstance(error, KeyError) else str(error)
                message = f"{'standard input' if source == '-' else source}:{number}: not a prediction: {reason}"
                if skip is None:
                    raise InputError(message) from error
                skip(message)
    return made


def _row(fields: Any, needs: Sequence[str]) -> dict[str, Any]:
    name = _id(fields)
    _text(fields["code"] if "code" in fields else fields["text"])
    for key in needs:
        if key == "tests":
            _tests(fields)
        elif key in ("target", "text"):
            _text(fields[key])
    return {**fields, "id": name}


def _program(fields: Any) -> Program:
    return Program(_id(fields), _text(fields["code"]), _tests(fields))


def _id(fields: Any) -> str:
    if not isinstance(fields, dict):
        raise TypeError(f"{_quoted(fields)} is not an object")
    if not isinstance(fields["id"], str | int):
        raise TypeError(f"the id {_quoted(fields['id'])} is not a string")
    return str(fields["id"])


def _tests(fields: dict[str, Any]) -> tuple[Test, ...]:
    if not isinstance(fields["tests"], list):  # a program without tests would be correct whatever it prints
        raise TypeError(f"the tests are {_quoted(fields['tests'])}, not a list of objects; [] if it is only to run")
    return tuple(Test(_text(test["input"]), _text(test["output"])) for test in fields["tests"])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{_quoted(value)} is not a string")
    return value


def _quoted(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def write_verdicts(verdicts: Sequence[Verdict], out: Path | None) -> None:
    """A line for each, in place of what is there at once; None: on standard output."""
    text = "".join(verdict.to_json() + "\n" for verdict in verdicts)
    if out is None:
        sys.stdout.write(text)
        return
    temporary = out.with_name(f"{out.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(out)
