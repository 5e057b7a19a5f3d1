"""Questions about small schemas to SQL, generated, each with the database that its query is asked on.

A question is words between blanks, and a query is one line of tokens. In the test set `ood_joins` every query joins
tables that no training query joins; in `ood_wordings` the questions are worded as no training question is. Unlabeled
are queries of all joins, but none of another split; they are not asked, so some give nothing.
"""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from composed.datamodules.sql.queries import Database
from composed.datamodules.sql.questions import Route, draw, held_out, routes, vocabulary
from composed.datamodules.sql.schemas import THEMES, Theme, database
from composed.datamodules.text import Execute, Split, TextData
from composed.errors import DataError

TRIES = 200  # draws for each query that is asked for, before the settings count as too narrow
_WORD = re.compile(r"\w+|[^\w\s]")


def load(settings: Mapping[str, Any], execute: Execute) -> TextData:
    """By the settings of conf/task/sql.yaml. Raises DataError."""
    generator = _Generator(settings["seed"], **settings["grammar"])
    sizes = settings["sizes"]
    # The splits that measure come first: the sizes of those that train cannot change them.
    splits = {name: generator.split(name, sizes[name]) for name in ("test", "ood_joins", "ood_wordings", "val")}
    unlabeled_val = generator.split("unlabeled_val", sizes["unlabeled_val"])
    train = generator.split("train", sizes["train"])
    unlabeled = generator.split("unlabeled", sizes["unlabeled"])
    count = settings["grammar"]["schemas"]
    return TextData(
        train=train,
        val=splits["val"],
        tests={"id": splits["test"], **{name: splits[name] for name in ("ood_joins", "ood_wordings")}},
        unlabeled=unlabeled.targets,
        unlabeled_val=unlabeled_val.targets,
        as_source=as_source,
        vocabulary=vocabulary(),
        about=f"{count} schemas of three tables; OOD has joins, or wordings, that no training question has",
    )


def as_source(line: str) -> str:
    """A question that a person wrote, in small letters, with blanks around punctuation."""
    return " ".join(_WORD.findall(line.lower().replace("'s", "")))


class _Generator:
    """Draws splits; no question and no query occurs twice in all of them."""

    def __init__(self, seed: int, *, schemas: int, conditions: int, rows: int) -> None:
        self.seed, self.conditions = seed, conditions
        self.databases = {theme: Database(theme, database(theme, seed=seed, rows=rows)) for theme in THEMES[:schemas]}
        self.known: set[str] = set()

    def split(self, name: str, size: int) -> Split:
        """A function of the settings, and of what was drawn before. Raises DataError for too few queries."""
        rng = random.Random(f"sql/{self.seed}/{name}")
        from_ = _routes([*self.databases], name)
        split = Split([], [], records=[])
        for _ in range(TRIES * size):
            if len(split) == size:
                return split
            self._add(split, name, rng.choice(from_), rng)
        if len(split) == size:
            return split
        raise DataError(
            f"the grammar has too few queries: {len(split)} of task.sizes.{name}={size}; lower it, or raise "
            "task.grammar.conditions, task.grammar.schemas or task.grammar.rows"
        )

    def _add(self, split: Split, name: str, route: Route, rng: random.Random) -> None:
        """One more example, unless the query that is drawn is known or does not tell."""
        base = self.databases[route.theme]
        question, query = draw(rng, route, base, self.conditions, ood=name == "ood_wordings")
        written = query.sql()
        if {question, written} & self.known or not (name.startswith("unlabeled") or base.tells(query)):
            return
        self.known |= {question, written}
        split.sources.append(question)
        split.targets.append(written)
        split.records.append(base.record)


def _routes(themes: Sequence[Theme], name: str) -> list[Route]:
    """Of which each query of a split is drawn; those of the training that join are there twice."""
    every = [route for theme in themes for route in routes(theme)]
    unseen = [route for route in every if route.joins & held_out(route.theme)]
    if name == "ood_joins":
        return unseen
    seen = [route for route in every if route not in unseen]
    return every if name.startswith("unlabeled") else [*seen, *(route for route in seen if route.joins)]
