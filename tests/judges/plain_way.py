"""The plain way to judge, which the judge must agree with and outrun, and the programs that both are given."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from composed.datamodules.sanstype.files import to_cpp
from composed.datamodules.sanstype.grammar import generate
from composed.datamodules.sanstype.inputs import choose
from composed.judges import Limits, Program, Test, execute
from composed.judges.box import MEMORY_LIMIT, OUTPUT_LIMIT, TIME_LIMIT, Box, Job

LIMITS = {TIME_LIMIT: "time_limit", MEMORY_LIMIT: "memory_limit", OUTPUT_LIMIT: "output_limit"}


def gold(count: int, most: int = 1) -> list[Program]:
    """SansType programs of the paper's sizes, with what they print on at most `most` inputs."""
    examples = generate(count, seed=0, split="train")
    codes = [to_cpp(one.target) for one in examples]
    inputs = [["\n".join(values) + "\n" for values in choose(one.target, one.inputs, most)] for one in examples]
    rows = zip(codes, inputs, execute(codes, inputs), strict=True)
    return [
        Program(
            f"{number}", code, tuple(Test(text, out.decode()) for text, out in zip(texts, ran.printed, strict=True))
        )
        for number, (code, texts, ran) in enumerate(rows)
    ]


def plain(one: Program) -> str:
    """One g++ for the program as it is, one run for each test, and nothing else."""
    with TemporaryDirectory() as name:
        (Path(name) / "program.cpp").write_text(one.code)
        if subprocess.run(["g++", "program.cpp", "-o", "program"], cwd=name, capture_output=True).returncode:
            return "compile_error"
        for test in one.tests:
            try:
                done = subprocess.run(
                    ["./program"], cwd=name, input=test.input.encode(), capture_output=True, timeout=20
                )
            except subprocess.TimeoutExpired:
                return "time_limit"
            if done.returncode:
                return "runtime_error"
            if done.stdout != test.output.encode():
                return "wrong_output"
    return "correct"


def plain_in_the_box(one: Program, box: Box, limits: Limits) -> str:
    """The same in the box, for programs that nobody should run: no precompiled header, and linked as g++ does it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "program.cpp").write_bytes(one.code.encode("utf-8", "surrogatepass"))
        if box.compile(folder, ["program.cpp", "-o", "program"], limits).exit:
            return "compile_error"
        for number, test in enumerate(one.tests):
            jobs = [Job(0, number, test.input.encode())]
            (result,) = box.run(folder / "program", jobs, limits, static=False)
            if result.reason in LIMITS:
                return LIMITS[result.reason]
            if result.exit:
                return "runtime_error"
            if result.output != test.output.encode():
                return "wrong_output"
    return "correct"


def with_deletion(code: str, random: random.Random) -> str:
    """`code` without one of its tokens."""
    tokens = re.findall(r'"[^"]*"|\w+|\s+|[^\w\s]', code)
    place = random.choice([place for place, token in enumerate(tokens) if token.strip()])
    return "".join(tokens[:place] + tokens[place + 1 :])


def with_edit(code: str, random: random.Random) -> str:
    """`code` with a statement left out, doubled, moved or put in, or with another variable or constant somewhere."""
    head, brace, body = code.partition("{")
    statements = re.split(r"(?<=;)", body)
    place = random.randrange(len(statements) - 1)
    names = re.findall(r"var_\d+", body)
    match random.randrange(6):
        case 0:
            del statements[place]
        case 1:
            statements.insert(place, statements[place])
        case 2:
            statements.insert(random.randrange(len(statements) - 1), statements.pop(place))
        case 3:
            faults = [
                "cout << 1 / (var_1 - var_1);",
                "exit(0);",
                "abort();",
                "throw 3;",
                "return 7;",
                "int u; cout << u;",
            ]
            statements.insert(
                place, random.choice([*faults, "string q; q.at(5);", "*(volatile int *)0 = 1;", 'cout << "x";'])
            )
        case 4:
            parts = re.split(r"(var_\d+)", body)
            parts[random.randrange(len(names)) * 2 + 1] = random.choice([*names, "var_99"])
            statements = parts
        case _:
            parts = re.split(r'(?<![\w"])(\d+|"\w+")', body)
            if len(parts) > 1:
                parts[random.randrange(len(parts) // 2) * 2 + 1] = random.choice(
                    ["0", "-1", '"str_0"', "true", "100000"]
                )
            statements = parts
    return head + brace + "".join(statements)
