"""Judges C++ programs that no human has read: compiled by g++, run in confinement, compared byte for byte."""

from .engine import execute, judge
from .lexer import PRELUDE
from .records import Execution, JudgeError, Limits, Program, Test, Verdict

__all__ = ["PRELUDE", "Execution", "JudgeError", "Limits", "Program", "Test", "Verdict", "execute", "judge"]
