"""Predictions and verdicts as files: an object of JSON a line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from composed.judges.records import JudgeError, Program, Test, Verdict


class InputError(JudgeError):
    """A line of the predictions cannot be read; names the file and the line."""

    code = 2


def read_programs(source: str, skip: Callable[[str], None] | None = None) -> list[Program]:
    """The programs of a file of lines {"id", "code", "tests": [{"input", "output"}]}, or of standard input for "-".

    A line that is none is left out, and `skip` gets the reason. Raises InputError for it where there is no `skip`, and
    OSError.
    """
    programs = []
    with sys.stdin.buffer if source == "-" else open(source, "rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                programs.append(_program(json.loads(line)))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                reason = f"no field {error}" if isinstance(error, KeyError) else str(error)
                message = f"{'standard input' if source == '-' else source}:{number}: not a prediction: {reason}"
                if skip is None:
                    raise InputError(message) from error
                skip(message)
    return programs


def _program(fields: Any) -> Program:
    if not isinstance(fields, dict):
        raise TypeError(f"{_quoted(fields)} is not an object")
    if not isinstance(fields["id"], str | int):
        raise TypeError(f"the id {_quoted(fields['id'])} is not a string")
    code = _text(fields["code"])
    if not isinstance(fields["tests"], list):  # a program without tests would be correct whatever it prints
        raise TypeError(f"the tests are {_quoted(fields['tests'])}, not a list of objects; [] if it is only to run")
    tests = tuple(Test(_text(test["input"]), _text(test["output"])) for test in fields["tests"])
    return Program(str(fields["id"]), code, tests)


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
