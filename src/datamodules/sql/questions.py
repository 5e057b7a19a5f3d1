"""Questions about a schema and their queries, drawn: of each kind some wordings in distribution, and others out of it.

The wordings out of distribution are made of words of the others.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from composed.datamodules.sql.queries import FUNCTIONS, Column, Condition, Database, Query
from composed.datamodules.sql.schemas import RANGES, THEMES, WORDS, Table, Theme

SPOKEN = {"avg": "average", "sum": "total", "min": "lowest", "max": "highest"}
MOST = 5  # rows of the highest or lowest; and rows that a group has more of

# Of a kind of question, in distribution and out of it. {columns} are of {rows}, or of one {row}.
WORDINGS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "list": (
        ("list the {columns} of all {rows}{where} .", "what is the {columns} of each of the {rows}{where} ?"),
        ("for all {rows}{where} give the {columns} .", "of each of the {rows}{where} list the {columns} ."),
    ),
    "sorted": (
        (
            "list the {columns} of all {rows}{where} from the {first} to the {last} {order} .",
            "what is the {columns} of each of the {rows}{where} in order of {order} from the {first} ?",
        ),
        (
            "in order of {order} from the {first} to the {last} give the {columns} of all {rows}{where} .",
            "from the {first} {order} list all {rows}{where} with the {columns} .",
        ),
    ),
    "several": (
        (
            "list the {columns} of the {limit} {rows}{where} with the {first} {order} .",
            "what is the {columns} of each of the {limit} {rows}{where} that have the {first} {order} ?",
        ),
        (
            "which {limit} {rows}{where} have the {first} {order} ? give the {columns} .",
            "for the {limit} {rows}{where} with the {first} {order} list the {columns} .",
        ),
    ),
    "one": (
        ("what is the {columns} of the {row}{where} with the {first} {order} ?",),
        ("give the {columns} of the {row} that has the {first} {order} of all {rows}{where} .",),
    ),
    "count": (
        ("how many {rows}{where} are there ?", "give the number of {rows}{where} ."),
        ("what is the number of all {rows}{where} ?", "list how many {rows}{where} there are ."),
    ),
    "function": (
        ("what is the {function} {of} of all {rows}{where} ?", "give the {function} {of} of {rows}{where} ."),
        ("for all {rows}{where} what is the {function} {of} ?", "list the {function} of the {of} of {rows}{where} ."),
    ),
    "count of each": (
        ("how many {rows}{where} are there for each {group} ?",),
        (
            "for each {group} give the number of all {rows}{where} .",
            "of each {group} how many {rows}{where} are there ?",
        ),
    ),
    "function of each": (
        ("what is the {function} {of} of the {rows}{where} for each {group} ?",),
        ("for each {group} give the {function} {of} of all {rows}{where} .",),
    ),
    "groups": (
        ("which {group} has more than {more} {rows}{where} ?",),
        ("list each {group} that has more than {more} of the {rows}{where} .",),
    ),
}
CONDITIONS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "=": (("whose {column} is {value}",), ("with {value} in the {column}", "that have the {column} {value}")),
    "!=": (("whose {column} is not {value}",), ("with {column} not {value}",)),
    ">": (("whose {column} is above {value}", "whose {column} is more than {value}"), ("with {column} above {value}",)),
    "<": (("whose {column} is below {value}", "whose {column} is less than {value}"), ("with {column} below {value}",)),
}
AND = " and "


@dataclass(frozen=True)
class Route:
    """Tables that a query may be about: one, or one and those above it that it is joined with."""

    theme: Theme
    tables: tuple[Table, ...]

    @property
    def joins(self) -> frozenset[tuple[str, str]]:
        return frozenset(Query(self.tables).joins)


def routes(theme: Theme) -> list[Route]:
    """All of a theme."""
    return [
        Route(theme, tuple(theme[first - step] for step in range(length)))
        for first in range(len(theme))
        for length in range(1, first + 2)
    ]


def held_out(theme: Theme) -> frozenset[tuple[str, str]]:
    """The pair of tables of a theme that no training query joins: of every other theme the upper one."""
    first, second, third = (table.name for table in theme)
    return frozenset([(second, first) if THEMES.index(theme) % 2 else (third, second)])


def draw(rng: random.Random, route: Route, database: Database, conditions: int, *, ood: bool) -> tuple[str, Query]:
    """A question, in wordings out of distribution where it is `ood`, and its query, in which every table has a say."""
    while True:
        kind = rng.choice([*WORDINGS])
        query = _KINDS[kind](rng, route.tables)
        where = [_condition(rng, route.tables, database) for _ in range(rng.randint(0, conditions))]
        query = replace(query, where=tuple(where))
        if (
            len({condition.column for condition in where}) == len(where)
            and _says_nothing_twice(query)
            and _reaches(query)
        ):
            return _asked(rng, kind, query, ood), query


def _reaches(query: Query) -> bool:
    """Whether it says something of the last of its tables, so that no shorter chain would do."""
    named = [*query.select, *(condition.column for condition in query.where), query.of, query.group]
    return any(column and column.table == query.tables[-1].name for column in named)


def _says_nothing_twice(query: Query) -> bool:
    """Whether no column is shown that has one value."""
    fixed = {condition.column for condition in query.where if condition.operator == "="}
    return fixed.isdisjoint(query.select)


def _any(rng: random.Random, tables: Sequence[Table], columns: Callable[[Table], Sequence[str]]) -> Column:
    """One of the columns, the tables alike."""
    place = rng.randrange(len(tables))
    table = tables[place]
    return Column(table.name, rng.choice(columns(table)), tuple(each.name for each in tables[1 : place + 1]))


def _selected(rng: random.Random, tables: Sequence[Table], most: int = 2) -> tuple[Column, ...]:
    columns = (_any(rng, tables, lambda table: table.columns) for _ in range(rng.randint(1, most)))
    return tuple(dict.fromkeys(columns))


def _own_number(rng: random.Random, tables: Sequence[Table]) -> Column:
    """Of the first table, whose rows are ordered by it without a tie."""
    return _any(rng, tables[:1], lambda table: table.numbers)


def _number(rng: random.Random, tables: Sequence[Table]) -> Column:
    return _any(rng, tables, lambda table: table.numbers)


def _grouping(rng: random.Random, tables: Sequence[Table]) -> Column:
    """A column of words, or of names of a table above."""
    return _any(rng, tables, lambda table: [*table.words, *(() if table is tables[0] else table.columns[:1])])


def _listed(rng: random.Random, tables: tuple[Table, ...]) -> Query:
    return Query(tables, _selected(rng, tables))


def _sorted(rng: random.Random, tables: tuple[Table, ...]) -> Query:
    order = _own_number(rng, tables)
    return Query(tables, _selected(rng, tables), order=order, descending=rng.random() < 0.5)


def _several(rng: random.Random, tables: tuple[Table, ...]) -> Query:
    return replace(_sorted(rng, tables), limit=rng.randint(2, MOST))


def _one(rng: random.Random, tables: tuple[Table, ...]) -> Query:
    return replace(_sorted(rng, tables), select=_selected(rng, tables, 1), limit=1)


def _count(rng: random.Random, tables: tuple[Table, ...]) -> Query:
    return Query(tables, function="count")


def _function(rng: random.Random, tables: tuple[Table, ...]) -> Query:
    return Query(tables, function=rng.choice(FUNCTIONS), of=_number(rng, tables))


def _count_of_each(rng: random.Random, tables: tuple[Table, ...]) -> Query:
    group = _grouping(rng, tables)
    return Query(tables, (group,), function="count", group=group)


def _function_of_each(rng: random.Random, tables: tuple[Table, ...]) -> Query:
    group = _grouping(rng, tables)
    return Query(tables, (group,), function=rng.choice(FUNCTIONS), of=_number(rng, tables), group=group)


def _groups(rng: random.Random, tables: tuple[Table, ...]) -> Query:
    group = _grouping(rng, tables)
    return Query(tables, (group,), group=group, more=rng.randint(1, MOST))


_KINDS: Mapping[str, Callable[[random.Random, tuple[Table, ...]], Query]] = {
    "list": _listed,
    "sorted": _sorted,
    "several": _several,
    "one": _one,
    "count": _count,
    "function": _function,
    "count of each": _count_of_each,
    "function of each": _function_of_each,
    "groups": _groups,
}


def _condition(rng: random.Random, tables: Sequence[Table], database: Database) -> Condition:
    """With a value that a row has."""
    column = _any(rng, tables, lambda table: [*table.words, *table.numbers])
    value = rng.choice(database.values(column))
    if column.name in RANGES:
        return Condition(column, rng.choice("<>"), str(value))
    return Condition(column, "=" if rng.random() < 0.8 else "!=", f"'{value}'")


def _asked(rng: random.Random, kind: str, query: Query, ood: bool) -> str:
    said = [
        rng.choice(CONDITIONS[each.operator][ood]).format(column=each.column.words, value=each.value.strip("'"))
        for each in query.where
    ]
    first, last = ("highest", "lowest") if query.descending else ("lowest", "highest")
    return rng.choice(WORDINGS[kind][ood]).format(
        columns=AND.join(column.words for column in query.select),
        rows=query.tables[0].plural,
        row=query.tables[0].name,
        where=f" {AND.join(said)}" if said else "",
        first=first,
        last=last,
        order=query.order and query.order.words,
        limit=query.limit,
        function=SPOKEN.get(query.function),
        of=query.of and query.of.words,
        group=query.group and query.group.words,
        more=query.more,
    )


def vocabulary() -> list[str]:
    """Texts for a tokenizer: every word of questions and queries, whatever the settings."""
    numbers = sorted({number for values in RANGES.values() for number in values} | {*range(1, MOST + 1)})
    words = [word for values in WORDS.values() for word in values]
    tables = [table for theme in THEMES for table in theme]
    forms = [form for table in (WORDINGS, CONDITIONS) for known, _ in table.values() for form in known]
    return [
        "SELECT FROM JOIN ON WHERE AND GROUP BY HAVING ORDER ASC DESC LIMIT count id",
        ". , ( ) * = != < >",
        " ".join((*FUNCTIONS, *SPOKEN.values(), AND, "lowest highest")),
        " ".join(map(str, numbers)),
        " ".join(words),
        " ".join(f"'{word}'" for word in words),
        *(" ".join((table.name, table.plural, f"{table.name}_id", *table.columns)) for table in tables),
        *(" ".join(word for word in form.replace("}", "} ").split() if "{" not in word) for form in forms),
    ]
