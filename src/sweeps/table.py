"""Tables: the runs that conf/table/NAME.yaml lists, one for each of its rows and seeds."""

import difflib
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from composed.config.command_line import check, every_job, every_value
from composed.config.options import CONF, with_own_options
from composed.errors import ConfigError
from composed.reporting.compare import Compare, pairs_of
from composed.reporting.description import describe
from composed.reporting.report import write_report
from composed.reporting.runs import find_runs
from composed.reporting.table import build_table
from composed.sweeps.jobs import Job
from composed.system.console import say
from composed.system.files import write_text

TABLES = CONF / "table"
KEYS = {"every": str, "seeds": list, "rows": list, "by": list}
MORE_KEYS = {"title": str, "reference": str, "compare": list}


@dataclass(frozen=True)
class Table:
    """What conf/table/NAME.yaml says: overrides of every run, those of the rows, seeds, keys that tell rows apart.

    `title` stands before what the runs say of themselves; `reference` is the row that all others are compared with,
    `compare` the pairs (row, reference) of names that are compared instead of those of conf/compare.yaml.
    """

    name: str
    every: str
    rows: list[str]
    seeds: list[int]
    by: list[str]
    title: str = ""
    reference: str = ""
    compare: list[list[str]] | None = None

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
        try:
            pairs_of(entries.get("compare", []))
        except ValueError as error:
            raise ConfigError(f"{path}: compare {error}") from error
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
            with_own_options([*named.values()])
            seeds = every_value(named.pop("seed"))
            for place, (overrides, config) in enumerate(every_job([*named.values()])):
                for word, seed in seeds:
                    seeded = replace(config, seed=seed)
                    if not place:
                        check(seeded.plain())
                    job = Job((*overrides, word), seeded)
                    jobs[job.folder.path] = job
        return [*jobs.values()]


def _by_key(words: Iterable[str]) -> dict[str, str]:
    return {word.partition("=")[0].lstrip("+"): word for word in words}


def report(table: Table, finished: Sequence[Path], out: Path, command: str) -> None:
    """Writes what the table's finished runs say into `out`, with the `command` that does. Raises ComposedError."""
    runs = find_runs(finished, table.by).runs
    rows = build_table(runs).rows
    labels = [row.label for row in rows]
    if table.reference not in ("", *labels):
        say(f"no finished run is the reference, {table.reference}: no row is compared with it")
    title = ": ".join(filter(None, (table.title, runs[0].result.title)))
    against = table.reference if table.reference in labels else ""
    compare = None if table.compare is None else Compare(pairs_of(table.compare))
    for pair in compare.pairs if compare else ():
        if absent := [name for name in pair if name not in {row.name for row in rows}]:
            say(f"no finished run is {' or '.join(absent)}: {pair[0]} is not compared with {pair[1]}")
    write_report(finished, out, by=table.by, against=against, title=title, compare=compare)
    write_text(out / "README.md", describe(finished, command, title))
