"""Speed of the judge against the plain way: one g++ for each program, one run for each test, one after the other.

    python benchmarks/judge.py [--spoc FOLDER] [--programs 500] [--sample 20] [--tier A] [--alone] [--measures]

For each set of programs: the plain way on a sample, the judge on all of them, and the ratios of their means, in CPU
seconds (of the whole control group where one can be made, since namespaces hide what runs in them) and wall seconds.
The sample's mean is corrected by how much longer the programs themselves run, compilers apart, in the whole set.
--alone compiles each program by itself. --measures says, of the first set alone, what each measure of safety costs: the
judge as it is and with one of them left out, in turns, as ratios.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import os
import platform
import random
import re
import resource
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from composed.judges import PRELUDE, Program, Test, box, containment, engine, judge
from composed.judges import translation_unit as unit
from composed.judges.box import Box
from composed.judges.toolchain import Toolchain, open_toolchain

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.judges.plain_way import gold, plain, with_deletion, with_edit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spoc", type=Path, help="folder of the SPoC release: judges its hidden worker test set too")
    parser.add_argument("--programs", type=int, default=500, help="programs of a set that the judge gets")
    parser.add_argument("--sample", type=int, default=20, help="programs of a set that are judged the plain way")
    parser.add_argument("--tier", choices=["A", "B", "unsafe"], default=None)
    parser.add_argument("--alone", action="store_true", help="compile every program by itself")
    parser.add_argument("--measures", action="store_true", help="what each measure of safety costs")
    options = parser.parse_args()
    tier = containment(options.tier)
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, tier {tier}")
    if options.measures:
        measures(options.programs)
        return
    print("| set | programs | CPU ms plain | CPU ms | ratio | wall ms plain | wall ms | ratio | peak MB | verdicts |")
    print("| --- " * 10 + "|")
    for name, programs in sets(options.spoc, options.programs):
        sample = random.Random(1).sample(range(len(programs)), min(options.sample, len(programs)))
        with measured() as slow:
            for place in sample:
                plain(programs[place])
        with measured() as fast, peak_memory() as peak:
            compare = "tokens" if name == "SPoC" else "exact"
            verdicts = judge(programs, tier=tier, compare=compare, shared=not options.alone)
        counts = ", ".join(
            f"{count} {verdict}" for verdict, count in Counter(v.verdict for v in verdicts).most_common()
        )
        columns = [name, f"{len(programs)}"]
        runs = [verdict.cpu_seconds for verdict in verdicts]
        luck = statistics.mean(runs) - statistics.mean(runs[place] for place in sample)
        for before, after in zip(slow, fast, strict=True):
            before, after = 1e3 * (before / len(sample) + luck), 1e3 * after / len(programs)
            columns += [f"{before:.0f}", f"{after:.2f}", f"**{before / after:.0f}x**"]
        print("|", " | ".join([*columns, f"{peak[0] / 1e6:.0f}", counts]), "|", flush=True)


def measures(count: int, rounds: int = 5) -> None:
    """Prints the CPU time of the judge over that of a judge without the measure, median and range of some rounds."""

    def split(tasks: list[engine._Task], workers: int) -> tuple[list[list[engine._Task]], list[engine._Task]]:
        units = max(-(-len(tasks) // engine.PROGRAMS_A_UNIT), workers)
        return [tasks[unit::units] for unit in range(units)], []

    dynamic = dataclasses.replace(open_toolchain().paths, static=False)
    without: dict[str, list[tuple[object, str, object]]] = {
        "programs that are to print the same are in different units": [(engine, "_units", split)],
        "the code of others is taken out of a program's memory": [
            (unit, "_MAIN", re.sub(r"munmap\(from, to - from\)", "0", unit._MAIN))
        ],
        "programs are linked statically and use no path": [(Toolchain, "paths", dynamic)],
        "namespaces (tier A, not B)": [
            (Box, "_confined", lambda *_, **__: []),
            (box, "_FLAGS", dict.fromkeys("AB", "-l")),
        ],
    }
    programs = gold(count)
    print("| measure | CPU time with it / without it | lowest | highest |\n| --- | --- | --- | --- |")
    for name, changes in without.items():
        ratios = []
        for _ in range(rounds):
            with measured() as kept:
                judge(programs)
            with ExitStack() as stack:
                for owner, attribute, value in changes:
                    stack.enter_context(patch.object(owner, attribute, value))
                with measured() as left_out:
                    judge(programs)
            ratios.append(kept[0] / left_out[0])
        print(f"| {name} | {statistics.median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f} |", flush=True)


def sets(spoc_folder: Path | None, count: int) -> Iterator[tuple[str, list[Program]]]:
    chooser = random.Random(0)
    yield "SansType gold, one input", gold(count)
    programs = gold(count, most=8)
    yield "SansType gold", programs
    yield (
        "SansType half broken",
        [
            one if place % 2 else Program(one.id, PRELUDE + change(one.code.removeprefix(PRELUDE), chooser), one.tests)
            for place, one in enumerate(programs)
            for change in [with_deletion if place % 4 else with_edit]
        ],
    )
    if spoc_folder:
        yield "SPoC", chooser.sample(spoc(spoc_folder), count)


def spoc(folder: Path) -> list[Program]:
    """The programs of the hidden worker test set, with all test cases of their problems."""
    lines: dict[tuple[str, str, str], list[str]] = {}
    with (folder / "test" / "spoc-testw.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            lines.setdefault((row["probid"], row["subid"], row["workerid"]), []).append(row["code"])
    return [
        Program("/".join(key), PRELUDE + "\n".join(code) + "\n", test_cases(folder / "testcases" / key[0]))
        for key, code in lines.items()
    ]


def test_cases(folder: Path) -> tuple[Test, ...]:
    blocks = (folder / f"{folder.name}_testcases.txt").read_text().split("###ENDOUTPUT###")
    pairs = (block.strip().split("###ENDINPUT###") for block in blocks if block.strip())
    return tuple(Test(text.strip() + "\n", output.strip()) for text, output in pairs)


@contextmanager
def measured() -> Iterator[list[float]]:
    """Gives the CPU and the wall seconds of what is done within."""
    figures: list[float] = []
    with cpu_clock() as clock:
        cpu, wall = clock(), time.perf_counter()
        yield figures
        figures += [clock() - cpu, time.perf_counter() - wall]


@contextmanager
def cpu_clock() -> Iterator[Callable[[], float]]:
    """Reads the CPU seconds of a control group that this process is in meanwhile; without groups, of its children."""
    root = Path("/sys/fs/cgroup/cpuacct")
    group = root / f"composed-{os.getpid()}"
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError:
        usages = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        yield lambda: sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, usages))
        return
    try:
        yield lambda: int((group / "cpuacct.usage").read_text()) / 1e9
    finally:
        (root / "cgroup.procs").write_text(str(os.getpid()))
        while (group / "cgroup.procs").read_text():  # what has just been killed
            time.sleep(0.01)
        group.rmdir()


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Gives the largest sum of resident bytes (shared pages counted once) of this process and all below it."""
    peak, stop = [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            peak[0] = max(peak[0], sum(map(proportional_memory, descendants(os.getpid()))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        stop.set()
        watcher.join()


def descendants(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = [
            child for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()
        ]
    except OSError:  # it has ended
        return
    for child in children:
        yield from descendants(int(child))


def proportional_memory(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()
