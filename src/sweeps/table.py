"""Tables: the runs that conf/table/NAME.yaml lists, one for each of its rows and replicates."""

import difflib
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from composed.config.command_line import check, every_job, every_value
from composed.config.options import CONF, with_own_options
from composed.errors import ConfigError
from composed.reporting.comparable import comparable
from composed.reporting.compare import Compare, pairs_of
from composed.reporting.comparisons import Family
from composed.reporting.description import describe
from composed.reporting.report import write_report
from composed.reporting.runs import find_runs
from composed.reporting.table import build_table
from composed.sweeps.jobs import Job
from composed.system.console import say
from composed.system.files import write_text

TABLES = CONF / "table"
KEYS = {"every": str, "replicates": list, "rows": list, "by": list}
MORE_KEYS = {"title": str, "reference": str, "compare": list, "family": dict}
LISTS = ("tests", "measures", "decodings")  # of a family, beside its pairs
STAND_IN = 2_305_843_009_213_693_951  # for the number that runs differ in, and for what follows it


@dataclass(frozen=True)
class Table:
    """What conf/table/NAME.yaml says: overrides of every run, those of the rows, replicates, keys that tell rows apart.

    `title` stands before what the runs say of themselves; `reference` is the row that all others are compared with,
    `compare` the pairs (row, reference) of names that are compared instead of those of conf/compare.yaml. `family` says
    which of these comparisons are corrected together, by pairs, tests, measures and decodings; without it all are.
    """

    name: str
    every: str
    rows: list[str]
    replicates: list[int]
    by: list[str]
    title: str = ""
    reference: str = ""
    compare: list[list[str]] | None = None
    family: dict[str, list[Any]] | None = None

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
                ", ".join(f"{key} (a {kind.__name__})" for key, kind in types.items()) for types in (KEYS, MORE_KEYS)
            )
            raise ConfigError(f"{path}: must have the keys {must}, may have {may}, and no others")
        try:
            pairs_of(entries.get("compare", []))
        except ValueError as error:
            raise ConfigError(f"{path}: compare {error}") from error
        try:
            family_of(entries.get("family", {}))
        except ValueError as error:
            raise ConfigError(f"{path}: family {error}") from error
        return cls(name, **entries)

    def place(self, words: Sequence[str]) -> str:
        """NAME-PROFILE, the folder of its runs below runs/ and of its files below results/."""
        profile = _by_key(words).get("profile", "profile=quick").partition("=")[2]
        if "," in profile:
            raise ConfigError(f"profile={profile}: a table has one profile")
        return f"{self.name}-{profile}"

    def jobs(self, words: Sequence[str]) -> list[Job]:
        """The runs, in the order of rows and replicates. `words` replace the table's overrides of the same keys.

        Words with seed= and without replicate= are of the table's first replicate. Raises ConfigError, as
        `composed-train` would, and where both have several values.
        """
        jobs: dict[Path, Job] = {}
        for row in self.rows:
            first = [f"runs=runs/{self.place(words)}", f"replicate={','.join(map(str, self.replicates))}"]
            named = _by_key([*first, *shlex.split(f"{self.every} {row}"), *words])
            if "seed" in named and "replicate" not in _by_key(words):
                named["replicate"] = f"replicate={self.replicates[0]}"
            with_own_options([*named.values()])
            varied, values = _varied(named)
            for overrides, config in every_job([*named.values()]):
                kept = [word for word in overrides if word != named[varied]]
                for word, number in values:
                    job = Job((*kept, word), check(_put(config.plain(), number)))
                    jobs[job.folder.path] = job
        return [*jobs.values()]


def _varied(named: dict[str, str]) -> tuple[str, list[tuple[str, Any]]]:
    """The key that the runs of a row differ in, seed or replicate, and its words and values; in `named` a number stands
    in for them, for a config takes a quarter of a second.
    """
    values = {key: every_value(named[key]) for key in ("replicate", "seed") if key in named}
    several = [key for key, numbers in values.items() if len(numbers) > 1]
    if len(several) > 1:
        raise ConfigError(
            f"{named['replicate']} {named['seed']}: a replicate moves the seed with data and denoiser; vary the "
            "replicate, or the seed of one replicate"
        )
    varied = several[0] if several else "replicate"
    named[varied] = f"{varied}={STAND_IN}"
    return varied, values[varied]


def _put(node: Any, number: Any) -> Any:
    """A config with the number in the place of what stands in for it."""
    if isinstance(node, dict):
        return {key: _put(value, number) for key, value in node.items()}
    if isinstance(node, list):
        return [_put(value, number) for value in node]
    if node == STAND_IN:
        return number
    return node.replace(str(STAND_IN), str(number)) if isinstance(node, str) else node


def _by_key(words: Iterable[str]) -> dict[str, str]:
    return {word.partition("=")[0].lstrip("+"): word for word in words}


def family_of(entries: Any) -> Family:
    """What a file says, as a family. Raises ValueError where it is none."""
    if not isinstance(entries, dict) or not entries.keys() <= {"pairs", *LISTS}:
        raise ValueError(f"may have the keys pairs, {', '.join(LISTS)}, and no others")
    names = [entries.get(key, []) for key in LISTS]
    if not all(
        isinstance(entries_of, list) and all(isinstance(entry, str) for entry in entries_of) for entries_of in names
    ):
        raise ValueError(f"has to name {', '.join(LISTS)} in lists of words")
    return Family(pairs_of(entries.get("pairs", [])), *names)


def report(table: Table, finished: Sequence[Path], out: Path, command: str) -> None:
    """Writes what the table's finished runs say into `out`, with the `command` that does. Raises ComposedError."""
    runs = comparable(find_runs(finished, table.by)).runs
    rows = build_table(runs).rows
    labels = [row.label for row in rows]
    if table.reference not in ("", *labels):
        say(f"no finished run is the reference, {table.reference}: no row is compared with it")
    title = ": ".join(filter(None, (table.title, runs[0].result.title)))
    against = table.reference if table.reference in labels else ""
    compare = None if table.compare is None else Compare(pairs_of(table.compare))
    family = None if table.family is None else family_of(table.family)
    for pair in (*(compare.pairs if compare else ()), *(family.pairs if family else ())):
        if absent := [name for name in pair if name not in {row.name for row in rows}]:
            say(f"no finished run is {' or '.join(absent)}: {pair[0]} is not compared with {pair[1]}")
    write_report(finished, out, by=table.by, against=against, title=title, compare=compare, family=family)
    write_text(out / "README.md", describe([run.folder for run in runs], command, title))
