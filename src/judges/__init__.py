"""Judges C++ programs that no human has read: compiled by g++, run in confinement, compared byte for byte."""

from composed.judges.engine import containment, execute, judge
from composed.judges.lexer import PRELUDE
from composed.judges.records import Execution, JudgeError, Limits, Program, Test, Verdict

__all__ = [
    "PRELUDE",
    "Execution",
    "JudgeError",
    "Limits",
    "Program",
    "Test",
    "Verdict",
    "containment",
    "execute",
    "judge",
]
