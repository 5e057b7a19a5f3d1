"""SQL: a query is right where SQLite gives the rows that the gold query gives, on the example's database.

Rows are compared as bags, or as sets, and as lists where the gold query orders them. A query that is refused or fails
is invalid; one that takes too long or gives too much is wrong. Queries read: they write, attach and set nothing.

A row's `database` is a script of SQL, or for each table its rows: {"city": [{"name": "Ulm", "people": 129942}]}.
"""

import json
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar, Literal

from composed.judges.interface import NO_RECORD, Record, Row, TextJudge, written
from composed.judges.records import MEBIBYTE, Verdict
from composed.judges.workers import Failure, answers

BYTES = 16 * MEBIBYTE  # of texts and blobs in what a query gives
BEYOND = 1024  # MiB of a process beyond what SQLite may take
STEPS = 1000  # of SQLite's machine between two looks at the clock
DATABASES_KEPT = 16
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: MEBIBYTE,  # of a text, a blob and a row
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 10 * MEBIBYTE,  # that of a query is the judge's
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 100,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 32,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 10,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_FOREIGN = {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_CREATE_VTABLE}
_FUNCTIONS = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|\w+|[()]", re.DOTALL)
_MISSING = re.compile(r"no such (table|column|function|collation sequence)|wrong number of arguments")

_READS = re.compile(r"\s*(select|values|with)\b", re.IGNORECASE)

Answer = tuple[str, str]  # correct, wrong, invalid, or not_judged; and why


@dataclass(frozen=True, kw_only=True)
class Judge(TextJudge):
    """compare: "bag" or "set"; seconds: CPU time of a query; memory: MiB that SQLite may take; longest: characters of a
    query; rows: that it may give.
    """

    noun: ClassVar[str] = "queries"
    method: ClassVar[str] = "rows that queries give, compared with those of the gold queries"
    remark: ClassVar[str] = "Invalid is a query that SQLite refuses or that fails."

    compare: Literal["bag", "set"]
    seconds: float
    memory: int
    longest: int
    rows: int
    workers: int | None = None

    def judge(self, rows: Sequence[Row], record: Record = NO_RECORD) -> list[Verdict]:
        gold = [row.get("gold", row["target"]) for row in rows]  # as it is, where the target is a line with marks
        for query in gold:
            if not isinstance(query, str):
                raise TypeError(f"the gold query is {query!r}")
        return [
            Verdict(row["id"], word, diagnostics=reason)  # type: ignore[arg-type]
            for row, (word, reason) in zip(rows, self._answers(rows, gold), strict=True)
        ]

    def faults(self, rows: Sequence[Row]) -> list[str]:
        """Without a `database`, only what no database could take is invalid."""
        return [reason if word == "invalid" else "" for word, reason in self._answers(rows, [None] * len(rows))]

    def _answers(self, rows: Sequence[Row], gold: Sequence[str | None]) -> list[Answer]:
        places: dict[str, int] = {}
        items = []
        for row, target in zip(rows, gold, strict=True):
            content = json.dumps(row["database"]) if row.get("database") is not None else ""
            place = places.setdefault(content, len(places))
            items.append([place, _joined(written(row)), None if target is None else _joined(target)])
        keys = ("compare", "seconds", "memory", "longest", "rows")
        settings = {**{key: getattr(self, key) for key in keys}, "databases": [*places]}
        how: Any = {"memory": self.memory + BEYOND, "workers": self.workers}
        found = answers("judges.sql", settings, items, seconds=self.seconds + 1, **how)
        return [self._failed(each) if isinstance(each, Failure) else (each[0], each[1]) for each in found]

    def _failed(self, failure: Failure) -> Answer:
        return ("wrong", _slow(self.seconds)) if failure.slow else ("not_judged", f"SQLite {failure.reason}")


def _joined(query: str) -> str:
    return query.strip().removesuffix(";").rstrip()


def _slow(seconds: float) -> str:
    return f"took longer than {seconds:g} s of CPU time"


class Limit(Exception):
    """A query met one; says which."""


class DatabaseError(Exception):
    """The example's own database or gold query cannot be used."""


def orders(query: str) -> bool:
    """Whether the query, and not only a part of it in parentheses, orders its rows."""
    depth, before = 0, ""
    for match in _TOKEN.finditer(query):
        token = match[0].lower()
        depth += (token == "(") - (token == ")")
        if depth == 0 and (before, token) == ("order", "by"):
            return True
        before = token
    return False


def answerer(settings: Mapping[str, Any]) -> Callable[[Sequence[Any]], Answer]:
    """What a process does: an item is the place of its database, a query and the gold one or None."""
    seconds, most = settings["seconds"], settings["rows"]

    @lru_cache(DATABASES_KEPT)
    def database(place: int) -> sqlite3.Connection:
        return _opened(settings["databases"][place], settings["memory"], seconds)

    @cache
    def gold(place: int, query: str) -> Any:
        try:
            rows = _rows(database(place), query, seconds, most)
        except (sqlite3.Error, sqlite3.Warning, Limit, MemoryError, ValueError) as error:
            raise DatabaseError(f"the gold query fails: {error}") from error
        return _content(rows, orders(query), settings["compare"])

    def answer(item: Sequence[Any]) -> Answer:
        place, query, target = item
        if len(query) > settings["longest"]:
            return "invalid", f"longer than {settings['longest']} characters"
        try:
            expected = gold(place, target) if target is not None else None
            rows = _rows(database(place), query, seconds, most)
        except DatabaseError as error:
            return "not_judged", str(error)
        except Limit as error:
            return "wrong", str(error)
        except MemoryError:
            return "wrong", f"took more than {settings['memory']} MiB"
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            unknown = not settings["databases"][place] and _MISSING.search(str(error)) and _READS.match(query)
            return ("correct", "") if unknown else ("invalid", str(error))
        if target is None:
            return "correct", ""
        same = _content(rows, orders(target), settings["compare"]) == expected
        return ("correct", "") if same else ("wrong", "")

    return answer


def _opened(content: str, memory: int, seconds: float) -> sqlite3.Connection:
    """A database in memory that is only read. Raises DatabaseError where its script or rows cannot be."""
    connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=0)
    connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute(f"PRAGMA hard_heap_limit={memory * MEBIBYTE}")
    for name, value in LIMITS.items():
        connection.setlimit(name, value)
    connection.set_authorizer(_may_build)
    try:
        with _timed(connection, 10 * seconds):
            given = json.loads(content) if content else ""
            if isinstance(given, str):
                connection.executescript(given)
            else:
                _fill(connection, given)
    except (sqlite3.Error, sqlite3.Warning, MemoryError, ValueError, TypeError, AttributeError, Limit) as error:
        raise DatabaseError(f"the database of the example cannot be made: {error}") from error
    if connection.in_transaction:
        connection.execute("COMMIT")
    connection.set_authorizer(_may_read)
    return connection


def _fill(connection: sqlite3.Connection, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    for table, rows in tables.items():
        columns = [*dict.fromkeys(name for row in rows for name in row)] or ["nothing"]
        connection.execute(f"CREATE TABLE {_name(table)} ({', '.join(map(_name, columns))})")
        marks = ", ".join("?" * len(columns))
        values = ([row.get(name) for name in columns] for row in rows)
        connection.executemany(f"INSERT INTO {_name(table)} VALUES ({marks})", values)


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _may_build(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action in _FOREIGN or (action == sqlite3.SQLITE_FUNCTION and second in _FUNCTIONS):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA and first not in ("foreign_keys", "encoding"):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _may_read(action: int, _first: str | None, second: str | None, *_: str | None) -> int:
    if action not in _READING or (action == sqlite3.SQLITE_FUNCTION and second in _FUNCTIONS):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


@contextmanager
def _timed(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """While this lasts, what the connection does ends after some CPU seconds, with Limit."""
    end = time.thread_time() + seconds
    connection.set_progress_handler(lambda: time.thread_time() > end, STEPS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if str(error) == "interrupted":
            raise Limit(_slow(seconds)) from error
        raise
    finally:
        connection.set_progress_handler(None, 0)


def _rows(connection: sqlite3.Connection, query: str, seconds: float, most: int) -> list[tuple[Any, ...]]:
    """What a query gives. Raises sqlite3.Error, sqlite3.Warning and ValueError where it fails, Limit, MemoryError."""
    rows: list[tuple[Any, ...]] = []
    size = 0
    with _timed(connection, seconds):
        cursor = connection.execute(query)
        if cursor.description is None:
            raise sqlite3.ProgrammingError("it is no query")
        for row in cursor:
            rows.append(row)
            size += sum(len(value) for value in row if isinstance(value, str | bytes))
            if len(rows) > most or size > BYTES:
                cursor.close()
                raise Limit(f"gives more than {most} rows" if len(rows) > most else f"gives more than {BYTES} bytes")
    return rows


def _content(rows: Sequence[tuple[Any, ...]], ordered: bool, compare: str) -> Any:
    """What rows are compared by; numbers to 10 digits, since sums depend on the order of their parts."""
    plain = [*_plain(rows)]
    return plain if ordered else Counter(plain) if compare == "bag" else {*plain}


def _plain(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        yield tuple(float(f"{value:.10g}") if isinstance(value, float) else value for value in row)
