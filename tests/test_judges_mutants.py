"""Mutants of accepted programs get, in company, the verdict of one plain g++ and a run for each of them, in the box."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from composed.judges import PRELUDE, Program, Test, execute, judge
from composed.judges.box import Box
from composed.judges.lexer import shareable
from composed.judges.toolchain import open_toolchain
from tests.judges import QUICK
from tests.judges.mutants import CORPUS, KINDS, mutant
from tests.judges.plain_way import gold, plain_in_the_box

INPUT = "3 4\n"
NUMBER = st.integers(0, 999)
CHANGES = st.lists(st.tuples(st.sampled_from(KINDS), NUMBER, NUMBER), min_size=1, max_size=3)


@cache
def originals() -> list[Program]:
    """The accepted programs, with what they print."""
    printed = execute([PRELUDE + code for code in CORPUS], [[INPUT]] * len(CORPUS))
    assert {one.verdict for one in printed} == {"correct"}
    corpus = [
        Program(f"corpus {at}", PRELUDE + code, (Test(INPUT, one.printed[0].decode()),))
        for at, (code, one) in enumerate(zip(CORPUS, printed, strict=True))
    ]
    return [*corpus, *gold(12)]


def mutated(one: Program, changes: list[tuple[str, int, int]]) -> Program:
    return Program(one.id, PRELUDE + mutant(one.code.removeprefix(PRELUDE), changes), one.tests)


def disagreements(programs: list[Program]) -> list[tuple[str, str, str]]:
    verdicts = judge(programs, limits=QUICK)
    box = Box(open_toolchain())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        wanted = list(pool.map(lambda one: plain_in_the_box(one, box, QUICK), programs))
    return [
        (one.code.removeprefix(PRELUDE), verdict.verdict, right)
        for one, verdict, right in zip(programs, verdicts, wanted, strict=True)
        if verdict.verdict != right
    ]


def test_what_is_mutated_is_shared():
    names = open_toolchain().header_names
    assert all(shareable(one.code, names) for one in originals())


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 29), CHANGES), min_size=5, max_size=8))
def test_a_few_mutants(chosen):
    assert not disagreements([mutated(originals()[at], changes) for at, changes in chosen])


@pytest.mark.slow("compiles 2,000 programs one by one as well")
@pytest.mark.parametrize("seed", range(4))
def test_two_thousand_mutants(seed):
    """500 for each seed, all in one judge: half of them with a second change, a quarter with a third."""
    chooser = random.Random(seed)
    programs = [
        mutated(
            chooser.choice(originals()),
            [
                (chooser.choice(KINDS), chooser.randrange(1000), chooser.randrange(1000))
                for _ in range(chooser.choice([1, 1, 2, 3]))
            ],
        )
        for _ in range(500)
    ]
    assert not disagreements(programs)
