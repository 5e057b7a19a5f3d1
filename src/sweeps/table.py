"""`composed-table NAME`: everything behind a table, from the file that lists its runs to the files that show it.

conf/table/NAME.yaml lists the runs; those that are missing are run (`jobs.py`), then all of them are reported
(`report.py`) into results/NAME-PROFILE. Given again it goes on; when nothing is missing it writes the same bytes.
"""

import argparse
import difflib
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from composed.cli import report
from composed.config.command_line import CONF, check, check_command_line, every_job
from composed.errors import ComposedError, ConfigError, Interrupted
from composed.reporting.description import describe
from composed.reporting.runs import find_runs
from composed.reporting.table import build_table
from composed.sweeps import slurm
from composed.sweeps.estimate import plan
from composed.sweeps.jobs import Job, run_jobs
from composed.system.console import alone, raise_on_signals, say
from composed.system.files import write_text

TABLES = CONF / "table"
KEYS = {"every": str, "seeds": list, "rows": list, "by": list}
MORE_KEYS = {"title": str, "reference": str}


@dataclass(frozen=True)
class Table:
    """What conf/table/NAME.yaml says: overrides of every run, those of the rows, seeds, keys that tell rows apart.

    `title` stands before what the runs say of themselves; `reference` is the row that all others are compared with.
    """

    name: str
    every: str
    rows: list[str]
    seeds: list[int]
    by: list[str]
    title: str = ""
    reference: str = ""

    @classmethod
    def named(cls, name: str) -> "Table":
        """Raises ConfigError where there is no such table, or its file is not as it has to be."""
        names = sorted(path.stem for path in TABLES.glob("*.yaml"))
        if name not in names:
            nearest = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise ConfigError(f"there is no table {name}: valid names are {', '.join(names)}{hint}")
        path = TABLES / f"{name}.yaml"
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        kinds = {key: type(value) for key, value in entries.items()} if isinstance(entries, dict) else {}
        if {**MORE_KEYS, **kinds} != {**MORE_KEYS, **KEYS}:
            must, may = (
                ", ".join(f"{key} (a {kind.__name__})" for key, kind in of.items()) for of in (KEYS, MORE_KEYS)
            )
            raise ConfigError(f"{path}: must have the keys {must}, may have {may}, and no others")
        return cls(name, **entries)

    def place(self, words: Sequence[str]) -> str:
        """NAME-PROFILE, the folder of its runs below runs/ and of its files below results/."""
        profile = _by_key(words).get("profile", "profile=quick").partition("=")[2]
        if "," in profile:
            raise ConfigError(f"profile={profile}: a table has one profile")
        return f"{self.name}-{profile}"

    def jobs(self, words: Sequence[str]) -> list[Job]:
        """The runs, in the order of rows and seeds. `words` replace the table's overrides of the same keys.

        Raises ConfigError, as `composed-train` would.
        """
        jobs: dict[Path, Job] = {}
        for row in self.rows:
            own = [f"runs=runs/{self.place(words)}", f"seed={','.join(map(str, self.seeds))}"]
            named = _by_key([*own, *shlex.split(f"{self.every} {row}"), *words])
            check_command_line(["-m", "hydra/launcher=composed", *named.values()], write=False, effects=False)
            seeds = every_job([named.pop("seed")])
            for overrides, config in every_job([*named.values()]):
                check(config)
                for (seed,), settings in seeds:
                    job = Job((*overrides, seed), {**config, "seed": settings["seed"]})
                    jobs[job.folder.path] = job
        return [*jobs.values()]


def _by_key(words: Iterable[str]) -> dict[str, str]:
    return {word.partition("=")[0].lstrip("+"): word for word in words}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="composed-table", description=__doc__.partition("\n")[0])
    parser.add_argument("name", help=f"one of {', '.join(sorted(path.stem for path in TABLES.glob('*.yaml')))}")
    parser.add_argument("overrides", nargs="*", help="for every run, such as profile=paper seed=0,1 trainer=gpu")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="runs at a time, each on its share of the cores"
    )
    parser.add_argument("--retry-failed", action="store_true", help="also the runs that failed before")
    parser.add_argument(
        "--dry-run", action="store_true", help="only say what there is to do, and about how long it takes"
    )
    parser.add_argument("--no-report", action="store_true", help="only the runs")
    parser.add_argument("--out", type=Path, metavar="DIR", help="instead of results/NAME-PROFILE")
    options = parser.parse_intermixed_args(arguments)
    alone()
    raise_on_signals()
    command = shlex.join(["composed-table", *(sys.argv[1:] if arguments is None else arguments)])
    try:
        return _make(options)
    except ComposedError as error:
        say(f"error: {error}")
        return error.code
    except Interrupted as interrupted:
        say(f"{interrupted}\ngo on with the same command:\n  {command}")
        if refused := slurm.back_into_the_queue(interrupted.number):
            say(refused)
        return interrupted.code


def _make(options: argparse.Namespace) -> int:
    if options.jobs < 1:
        raise ConfigError(f"--jobs {options.jobs}: must be above 0")
    table = Table.named(options.name)
    jobs = table.jobs(options.overrides)
    if options.dry_run:
        print(plan(jobs, at_a_time=options.jobs, retry_failed=options.retry_failed))
        return 0
    failed = run_jobs(jobs, at_a_time=options.jobs, retry_failed=options.retry_failed)
    finished = [job.folder.path for job in jobs if job.folder.finished()]
    if finished and not options.no_report:
        out = options.out or Path("results") / table.place(options.overrides)
        code = _report(table, finished, out, shlex.join(["composed-table", table.name, *options.overrides]))
        if code:
            return code
    return 1 if failed else 0


def _report(table: Table, finished: Sequence[Path], out: Path, command: str) -> int:
    """The exit code of `composed-report`, which says what is wrong."""
    runs = find_runs(finished, table.by).runs
    words = [word for key in table.by for word in ("--by", key)]
    labels = [row.label for row in build_table(runs).rows]
    if table.reference in labels:
        words += ["--against", table.reference]
    elif table.reference:
        say(f"no finished run is the reference, {table.reference}: no row is compared with it")
    title = ": ".join(filter(None, (table.title, runs[0].title)))
    code = report.main([*map(str, finished), *words, "--title", title, "--out", str(out)])
    if code == 0:
        write_text(out / "README.md", describe(finished, command, title))
    return code


if __name__ == "__main__":
    sys.exit(main())
