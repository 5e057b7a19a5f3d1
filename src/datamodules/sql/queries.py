"""Queries as parts: how they are written, which are simpler, and whether their rows tell them from these."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from composed.datamodules.sql.schemas import Table, Theme

FUNCTIONS = ("avg", "sum", "min", "max")
OTHERWISE = {">": (">=", "<"), "<": ("<=", ">"), "=": ("!=",), "!=": ("=",)}  # of an operator, what it might have been


@dataclass(frozen=True)
class Column:
    """Of a table of a query; `path`: the tables from the query's first one to it, without that one."""

    table: str
    name: str
    path: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """As a question has it: the author country of a book."""
        return " ".join((*self.path, self.name))


@dataclass(frozen=True)
class Condition:
    """`value` as SQL writes it."""

    column: Column
    operator: str
    value: str


@dataclass(frozen=True)
class Query:
    """What is selected of the first of the tables, joined with the others, each with the one before it.

    function: of the column `of` or, where it is count, of rows; it is selected after the columns.
    more: the rows that a group has to have more of.
    """

    tables: tuple[Table, ...]
    select: tuple[Column, ...] = ()
    function: str = ""
    of: Column | None = None
    where: tuple[Condition, ...] = ()
    group: Column | None = None
    more: int | None = None
    order: Column | None = None
    descending: bool = False
    limit: int | None = None

    @property
    def joins(self) -> tuple[tuple[str, str], ...]:
        """Pairs of tables that it joins."""
        names = [table.name for table in self.tables]
        return tuple(pairwise(names))

    def sql(self) -> str:
        """A line of tokens between blanks."""
        selected = [*map(self._column, self.select), *([self._applied()] if self.function else [])]
        parts = [f"SELECT {' , '.join(selected)} FROM {self.tables[0].name}"]
        parts += [f"JOIN {above} ON {below} . {above}_id = {above} . id" for below, above in self.joins]
        if self.where:
            parts.append(f"WHERE {' AND '.join(map(self._condition, self.where))}")
        if self.group:
            parts.append(f"GROUP BY {self._column(self.group)}")
        if self.more is not None:
            parts.append(f"HAVING count ( * ) > {self.more}")
        if self.order:
            parts.append(f"ORDER BY {self._column(self.order)} {'DESC' if self.descending else 'ASC'}")
        if self.limit is not None:
            parts.append(f"LIMIT {self.limit}")
        return " ".join(parts)

    def _column(self, column: Column) -> str:
        return f"{column.table} . {column.name}" if len(self.tables) > 1 else column.name

    def _applied(self) -> str:
        return f"{self.function} ( {self._column(self.of) if self.of else '*'} )"

    def _condition(self, condition: Condition) -> str:
        return f"{self._column(condition.column)} {condition.operator} {condition.value}"

    def simpler(self) -> Iterator["Query"]:
        """Queries that a careless writer may have in its place: with a part less, or with another word of a part."""
        for place, condition in enumerate(self.where):
            rest = self.where[:place], self.where[place + 1 :]
            yield replace(self, where=(*rest[0], *rest[1]))
            for operator in OTHERWISE[condition.operator]:
                yield replace(self, where=(*rest[0], replace(condition, operator=operator), *rest[1]))
        if self.of:
            yield from (replace(self, function=other) for other in FUNCTIONS if other != self.function)
        if self.more is not None:
            yield from (replace(self, more=other) for other in (None, self.more - 1, self.more + 1))
        if self.order:
            yield replace(self, descending=not self.descending)
            yield replace(self, order=None)
        if self.limit is not None:
            yield replace(self, limit=None)


class Database:
    """The tables of a theme, open to be asked."""

    def __init__(self, theme: Theme, script: str) -> None:
        self.script = script
        self.record = {"database": script}
        self._connection = sqlite3.connect(":memory:")
        self._connection.executescript(script)
        self._values = {
            (table.name, column): self._column(table.name, column)
            for table in theme
            for column in (*table.words, *table.numbers)
        }

    def _column(self, table: str, column: str) -> list[Any]:
        return [value for (value,) in self._connection.execute(f"SELECT {column} FROM {table} ORDER BY id")]

    def values(self, column: Column) -> Sequence[Any]:
        """Of all rows, in their order."""
        return self._values[column.table, column.name]

    def rows(self, query: Query, *, ordered: bool = False) -> list[tuple[Any, ...]]:
        """What a query gives: sorted, or in the order in which it comes."""
        rows = self._connection.execute(query.sql()).fetchall()
        return rows if ordered else sorted(rows)

    def tells(self, query: Query) -> bool:
        """Whether it gives something, and something else than each of its simpler ones gives, as the judge compares."""
        ordered = query.order is not None
        rows = self.rows(query, ordered=ordered)
        if not any(value for row in rows for value in row):
            return False
        return all(self.rows(other, ordered=ordered) != rows for other in query.simpler())
