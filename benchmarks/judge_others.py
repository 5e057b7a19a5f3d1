"""Speed of the judges of Python, SQL and molecules against the plain way of each, which contains nothing.

    python benchmarks/judge_others.py [--count 2000] [--rounds 5]

The plain ways: `python -I -S -c PROGRAM` one after the other; a loop of sqlite3 in one process, with one database; a
loop of RDKit in one process. Judge and plain way take turns, on one worker. A row says how many outputs a second each
does, and the median and range of the ratio: by CPU time of all processes, of Python by the clock, since namespaces
hide what runs in them. Of Python there are a twentieth of --count.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from composed.judges import molecule, python, sql
from composed.judges.interface import TextJudge

Rows = Sequence[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000, help="queries and molecules of a set")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, one worker, {options.rounds} rounds")
    print("| judge | outputs | a second | plain, a second | judge / plain | lowest | highest |\n" + "| --- " * 7 + "|")
    for name, judge, rows, plain, clock in contests(options.count):
        judge.judge(rows[:2])  # what is done once is done
        rates: list[tuple[float, float]] = []
        for _ in range(options.rounds):
            rates.append((rate(rows, judge.judge, clock), rate(rows, plain, clock)))
        ratios = [ours / theirs for ours, theirs in rates]
        ours, theirs = (statistics.median(of) for of in zip(*rates, strict=True))
        told = [f"{ours:.0f}", f"{theirs:.0f}", f"**{statistics.median(ratios):.2f}**"]
        print(
            "|", " | ".join([name, f"{len(rows)}", *told, f"{min(ratios):.2f}", f"{max(ratios):.2f}"]), "|", flush=True
        )


def contests(count: int) -> list[tuple[str, TextJudge, Rows, Callable[[Rows], object], Callable[[], float]]]:
    of_sql: dict[str, Any] = {"compare": "bag", "seconds": 2.0, "memory": 256, "longest": 10_000, "rows": 10_000}
    judges = (
        python.Judge(compare="exact", seconds=2.0, memory=1024, workers=1),
        sql.Judge(**of_sql, workers=1),
        molecule.Judge(longest=1000, seconds=2.0, workers=1),
    )
    return [
        ("python", judges[0], programs(max(count // 20, 4)), plain_python, time.perf_counter),
        ("sql", judges[1], queries(count), plain_sql, cpu),
        ("molecule", judges[2], molecules(count), plain_molecules, cpu),
    ]


def rate(rows: Rows, work: Callable[[Rows], object], clock: Callable[[], float]) -> float:
    started = clock()
    work(rows)
    return len(rows) / (clock() - started)


def cpu() -> float:
    return sum(os.times()[:4])


def programs(count: int) -> Rows:
    code = "n = int(input())\nfor i in range(n):\n    print(i * {0})"
    tests = [[{"input": "3\n", "output": f"0\n{n}\n{2 * n}\n"}] for n in range(count)]
    return [{"id": str(n), "code": code.format(n), "tests": tests[n]} for n in range(count)]


def plain_python(rows: Rows) -> list[bool]:
    def run(row: dict[str, Any]) -> bool:
        command = [getattr(sys, "_base_executable", sys.executable), "-I", "-S", "-c", row["code"]]
        [test] = row["tests"]
        done = subprocess.run(command, input=test["input"].encode(), capture_output=True)
        return done.stdout == test["output"].encode()

    return [run(row) for row in rows]


def queries(count: int) -> Rows:
    chooser = random.Random(0)
    table = [{"name": f"n{n}", "age": chooser.randrange(90), "city": f"c{n % 7}"} for n in range(100)]
    ask = ["SELECT name FROM t WHERE age > {0}", "SELECT city, count(*) FROM t GROUP BY city HAVING count(*) > {0}"]
    texts = [ask[n % 2].format(n % 50) for n in range(count)]
    return [{"id": str(n), "text": text, "target": text, "database": {"t": table}} for n, text in enumerate(texts)]


def plain_sql(rows: Rows) -> list[bool]:
    import sqlite3

    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (name, age, city)")
    connection.executemany("INSERT INTO t VALUES (:name, :age, :city)", rows[0]["database"]["t"])

    def content(query: str) -> list[Any]:
        return sorted(connection.execute(query).fetchall())

    found = [content(row["text"]) == content(row["target"]) for row in rows]
    connection.close()
    return found


def molecules(count: int) -> Rows:
    """Chains with rings and groups of up to 40 atoms, each with a target that is often another one."""
    chooser = random.Random(0)
    parts = ["C", "CC", "c1ccccc1", "C(=O)N", "C(=O)O", "C1CCNCC1", "N(C)", "C(F)(F)", "S(=O)(=O)", "c1ccncc1"]

    def drawn() -> str:
        return "C" + "".join(chooser.choice(parts) for _ in range(chooser.randint(2, 6)))

    texts = [drawn() for _ in range(count)]
    return [{"id": str(n), "text": text, "target": text if n % 2 else texts[n // 2]} for n, text in enumerate(texts)]


def plain_molecules(rows: Rows) -> list[bool]:
    from rdkit import Chem, RDLogger

    RDLogger.DisableLog("rdApp.*")

    def canonical(smiles: str) -> str | None:
        read = Chem.MolFromSmiles(smiles)
        return None if read is None else Chem.MolToSmiles(read)

    return [canonical(row["text"]) == canonical(row["target"]) for row in rows]


if __name__ == "__main__":
    main()
