"""SQL on SQLite: whose rows are right, what is invalid, and what no query can do."""

import json
import os
import sqlite3
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composed.judges import sql
from composed.judges.records import JudgeError
from composed.judges.sql import Judge, answerer, orders

KEYS = {"compare": "bag", "seconds": 0.5, "memory": 64, "longest": 2000, "rows": 1000}
JUDGE = Judge(**KEYS, workers=1)  # type: ignore[arg-type]
CITIES = {
    "city": [
        {"name": "Ulm", "people": 129942, "land": "BW"},
        {"name": "Bonn", "people": 336465, "land": "NW"},
        {"name": "Köln", "people": 1087863, "land": "NW"},
        {"name": "Nowhere", "people": None, "land": "NW"},
    ]
}


def answers(queries: list[str], gold: str | None = None, database: object = CITIES, **keys: object) -> list[str]:
    """In this process."""
    answer = answerer({**KEYS, **keys, "databases": [json.dumps(database) if database is not None else ""]})
    return [answer([0, query, gold])[0] for query in queries]


def row(number: int, text: str, target: str, **more: object) -> dict:
    return {"id": str(number), "text": text, "target": target, "database": CITIES, **more}


def test_rows_are_a_bag_unless_the_gold_query_orders_them():
    gold = "SELECT land FROM city"
    assert answers([gold, "SELECT land FROM city ORDER BY people", "SELECT DISTINCT land FROM city"], gold) == [
        *("correct", "correct", "wrong")
    ]
    assert answers(["SELECT DISTINCT land FROM city"], gold, compare="set") == ["correct"]
    ordered = "SELECT name FROM city ORDER BY people"
    assert answers(
        ["SELECT name FROM city ORDER BY people DESC", "SELECT name FROM city ORDER BY 0+people"], ordered
    ) == [*("wrong", "correct")]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("SELECT a FROM b ORDER BY a", True),
        ("SELECT a FROM b order\n\tby a", True),
        ("SELECT a FROM (SELECT a FROM b ORDER BY a)", False),
        ("SELECT 'order by' FROM b", False),
        ('SELECT "order by", `order by`, [order by] FROM b -- order by', False),
        ("SELECT a FROM b /* order by */", False),
        ("SELECT rank() OVER (ORDER BY a) FROM b", False),
        ("SELECT a FROM (SELECT 1) /* ) */ ORDER BY a", True),
    ],
)
def test_only_an_order_of_the_whole_counts(query, found):
    assert orders(query) == found


def test_numbers_are_equal_whatever_their_type_and_the_order_of_a_sum():
    assert answers(["SELECT 1.0", "SELECT '1'", "SELECT 1 + 1e-13", "SELECT 1.001", "SELECT 1, 1"], "SELECT 1") == [
        *("correct", "wrong", "correct", "wrong", "wrong")
    ]
    assert answers(["SELECT 0.3"], "SELECT 0.1 + 0.2") == ["correct"]
    assert answers(["SELECT NULL", "SELECT x'41'"], "SELECT NULL") == ["correct", "wrong"]


def test_what_sqlite_refuses_is_invalid():
    queries = ["SELEC 1", "SELECT unknown FROM city", "SELECT * FROM nowhere", "", "-- nothing", "SELECT 1; SELECT 2"]
    queries += [
        "SELECT abs(-9223372036854775808)",
        "SELECT 'a\0b'",
        "SELECT '\ud800'",
        "SELECT nofunction(1)",
        "SELECT ?",
    ]
    assert answers(queries, "SELECT 1") == ["invalid"] * len(queries)
    assert answers(["SELECT name FROM city;", "VALUES (1)"], "SELECT name FROM city") == ["correct", "wrong"]


def test_queries_only_read(tmp_path):
    path = tmp_path / "other.db"
    queries = [
        "INSERT INTO city VALUES (1, 2, 3)",
        "UPDATE city SET name = 'x'",
        "DELETE FROM city",
        "DROP TABLE city",
        "CREATE TABLE x (a)",
        "CREATE TEMP TABLE x (a)",
        "CREATE VIRTUAL TABLE x USING fts5(a)",
        f"ATTACH '{path}' AS other",
        f"VACUUM INTO '{path}'",
        "PRAGMA writable_schema=1",
        "PRAGMA hard_heap_limit=0",
        "PRAGMA database_list",
        "SELECT * FROM pragma_database_list",
        "SELECT load_extension('/lib/x86_64-linux-gnu/libc.so.6')",
        "SELECT readfile('/etc/passwd')",
        "SELECT writefile('/tmp/x', 'y')",
        "SELECT fts3_tokenizer('simple')",
        "BEGIN",
        "COMMIT",
        "REINDEX",
        "WITH x AS (SELECT 1) DELETE FROM city",
    ]
    found = answers([*queries, "SELECT count(*) FROM city"], "SELECT 4")
    assert found == [*["invalid"] * len(queries), "correct"]
    assert not path.exists()


@pytest.mark.parametrize(
    "query",
    [
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n) SELECT max(i) FROM n",
        "WITH RECURSIVE n(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM n) SELECT length(group_concat(s)) FROM n",
        "SELECT count(*) FROM city" + ", city" * 60,
        "SELECT " + ", ".join(["hex(zeroblob(500000))"] * 100),
        "SELECT zeroblob(1000000) FROM city, city, city, city",
        "SELECT replace(hex(zeroblob(500000)), hex(zeroblob(200000)) || '1', '') FROM city, city, city, city",
        "SELECT printf('%.*c', 1000000000, 'x')",
        "SELECT count(*) FROM city WHERE hex(zeroblob(400000)) LIKE '%0%0%0%0%0%0%0%0%0%0%0%0%0%0%1'",
        "SELECT * FROM city" + " UNION ALL SELECT * FROM city" * 90 + " LIMIT 0",
        f"SELECT {'(' * 1900}1{')' * 10}",
        f"SELECT {'+'.join(['1'] * 900)}",
        "SELECT " + "abs(" * 300 + "1" + ")" * 300,
    ],
)
def test_queries_that_never_end_or_want_everything_end(query):
    """By whichever limit: in a process of their own, and the next is answered as if nothing had been."""
    started = time.monotonic()
    rows = [row(0, query, "SELECT 1"), row(1, "SELECT count(*) FROM city", "SELECT 4")]
    found = JUDGE.judge(rows)
    assert found[0].verdict in ("wrong", "invalid")
    assert found[0].diagnostics or "LIMIT 0" in query or "LIKE" in query
    assert found[1].verdict == "correct"
    assert time.monotonic() - started < 120


def test_a_query_that_is_too_long_says_so():
    [found] = JUDGE.judge([row(0, f"SELECT '{'x' * 2000}'", "SELECT 1")])
    assert (found.verdict, found.diagnostics) == ("invalid", "longer than 2000 characters")


def test_a_script_makes_the_database_as_a_dump_does(tmp_path):
    with sqlite3.connect(":memory:") as connection:
        connection.executescript("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT); INSERT INTO t VALUES (1, 'x''y');")
        dump = "PRAGMA foreign_keys=OFF;\n" + "\n".join(connection.iterdump())
    assert answers(["SELECT b FROM t", "SELECT b FROM u"], "SELECT b FROM t", dump) == ["correct", "invalid"]


@pytest.mark.parametrize(
    "database",
    ["CREATE TABLE", "ATTACH '/tmp/x.db' AS x", {"t": 3}, {"t": [{"a": []}]}, 7, "WITH RECURSIVE n(i) AS (SELECT 1 "
     "UNION ALL SELECT i + 1 FROM n) INSERT INTO sqlite_master SELECT i, 1, 1, 1, 1 FROM n"],
)  # fmt: skip
def test_a_database_that_cannot_be_made_is_no_fault_of_the_query(database):
    answer = answerer({**KEYS, "databases": [json.dumps(database)]})
    word, reason = answer([0, "SELECT 1", "SELECT 1"])
    assert word == "not_judged"
    assert "the database of the example cannot be made: " in reason


def test_a_gold_query_that_fails_is_no_fault_of_the_prediction():
    [found] = JUDGE.judge([row(0, "SELECT 1", "SELECT unknown")])
    assert found.verdict == "not_judged"
    assert found.diagnostics == "the gold query fails: no such column: unknown"


def test_the_gold_query_is_run_once_for_each_database(monkeypatch):
    ran = []
    rows = sql._rows
    monkeypatch.setattr(sql, "_rows", lambda connection, query, *of: ran.append(query) or rows(connection, query, *of))
    assert answers(["SELECT 1", "SELECT 2", "SELECT 1.0"], "SELECT 0 + 1") == ["correct", "wrong", "correct"]
    assert ran.count("SELECT 0 + 1") == 1


def test_without_a_database_only_what_no_database_could_take_is_invalid():
    texts = ["SELECT a, f(b) FROM c JOIN d ON c.x = d.y", "SELECT a FROM", "DELETE FROM c", "SELECT 1; SELECT 2", ""]
    faults = JUDGE.faults([{"text": text} for text in texts])
    assert [bool(fault) for fault in faults] == [False, True, True, True, True]
    assert faults[1] == "incomplete input"
    assert [bool(each) for each in JUDGE.faults([{"text": texts[0], "database": CITIES}])] == [True]


def test_verdicts_come_in_order_from_several_processes():
    judge = Judge(**KEYS, workers=2)  # type: ignore[arg-type]
    rows = [row(n, f"SELECT {n % 7}", f"SELECT {n % 5}", database="" if n % 3 else CITIES) for n in range(300)]
    found = judge.judge(rows)
    assert [each.id for each in found] == [str(n) for n in range(300)]
    assert [each.verdict == "correct" for each in found] == [n % 7 == n % 5 for n in range(300)]


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_gets_an_answer(text):
    assert answers([text], "SELECT 1")[0] in ("invalid", "wrong", "correct")


def test_a_process_that_dies_costs_one_verdict(monkeypatch):
    """The judge's own process is asked to die by an item that a test alone can send."""
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))
    monkeypatch.setattr("composed.judges.workers._COMMAND", dying())
    found = JUDGE.judge([row(n, "SELECT 'die'" if n == 70 else "SELECT 1", "SELECT 1") for n in range(100)])
    assert [each.id for each in found if each.verdict != "correct"] == ["70"]
    assert found[70].verdict == "not_judged"
    assert found[70].diagnostics == "SQLite was ended by signal 9"


def test_where_no_process_begins_the_reason_is_told(monkeypatch):
    monkeypatch.setattr("composed.judges.workers._COMMAND", ("python3", "-c", "raise SystemExit('no room')"))
    with pytest.raises(JudgeError, match="ended by itself with 1: no room"):
        JUDGE.judge([row(0, "SELECT 1", "SELECT 1")])


def dying() -> tuple[str, ...]:
    """A process that kills itself on a query with the word."""
    import sys

    code = (
        "import os\nfrom composed.judges import sql, workers\nmake = sql.answerer\n"
        "def answerer(settings):\n    answer = make(settings)\n"
        "    return lambda item: os.kill(os.getpid(), 9) if 'die' in item[1] else answer(item)\n"
        "sql.answerer = answerer\nworkers.main()"
    )
    return sys.executable, "-P", "-c", code
