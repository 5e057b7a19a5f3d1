"""task=sql: queries say what questions ask and tell on their rows; what is held out is nowhere in the training."""

import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composed.config.options import read_option
from composed.datamodules import sql
from composed.datamodules.sql.queries import Column, Condition, Database, Query
from composed.datamodules.sql.questions import (
    CONDITIONS,
    WORDINGS,
    Route,
    _asked,
    draw,
    held_out,
    routes,
    vocabulary,
)
from composed.datamodules.sql.schemas import NAMES, RANGES, THEMES, WORDS, database
from composed.datamodules.text import Split, TextData
from composed.datamodules.tokenizers import train
from composed.errors import DataError
from composed.judges.sql import Judge
from composed.tasks.reading import prediction_rows

SIZES = {"train": 60, "val": 12, "test": 20, "ood_joins": 20, "ood_wordings": 20, "unlabeled": 120, "unlabeled_val": 12}
GRAMMAR = {"schemas": 7, "conditions": 2, "rows": 12}
AUTHOR, BOOK, REVIEW = THEMES[0]
OF_BOOKS, OF_BOTH, OF_ALL = (BOOK,), (BOOK, AUTHOR), (REVIEW, BOOK, AUTHOR)
TITLE, PAGES = Column("book", "title"), Column("book", "pages")
COUNTRY = Column("author", "country", ("author",))

ASKED = [
    (
        "list",
        Query(OF_BOOKS, (TITLE, PAGES), where=(Condition(Column("book", "genre"), "=", "'crime'"),)),
        "list the title and pages of all books whose genre is crime .",
        "SELECT title , pages FROM book WHERE genre = 'crime'",
    ),
    (
        "sorted",
        Query(OF_BOOKS, (TITLE,), order=PAGES, descending=True),
        "list the title of all books from the highest to the lowest pages .",
        "SELECT title FROM book ORDER BY pages DESC",
    ),
    (
        "several",
        Query(OF_BOTH, (TITLE, COUNTRY), order=PAGES, limit=3),
        "list the title and author country of the 3 books with the lowest pages .",
        "SELECT book . title , author . country FROM book JOIN author ON book . author_id = author . id "
        "ORDER BY book . pages ASC LIMIT 3",
    ),
    (
        "one",
        Query(OF_BOOKS, (TITLE,), order=PAGES, descending=True, limit=1),
        "what is the title of the book with the highest pages ?",
        "SELECT title FROM book ORDER BY pages DESC LIMIT 1",
    ),
    (
        "count",
        Query(OF_BOTH, function="count", where=(Condition(COUNTRY, "!=", "'peru'"), Condition(PAGES, ">", "50"))),
        "how many books whose author country is not peru and whose pages is above 50 are there ?",
        "SELECT count ( * ) FROM book JOIN author ON book . author_id = author . id "
        "WHERE author . country != 'peru' AND book . pages > 50",
    ),
    (
        "function",
        Query(OF_BOOKS, function="avg", of=PAGES),
        "what is the average pages of all books ?",
        "SELECT avg ( pages ) FROM book",
    ),
    (
        "function of each",
        Query(
            OF_ALL,
            (Column("author", "name", ("book", "author")),),
            function="max",
            of=Column("review", "stars"),
            group=Column("author", "name", ("book", "author")),
        ),
        "what is the highest stars of the reviews for each book author name ?",
        "SELECT author . name , max ( review . stars ) FROM review JOIN book ON review . book_id = book . id "
        "JOIN author ON book . author_id = author . id GROUP BY author . name",
    ),
    (
        "groups",
        Query(OF_BOOKS, (Column("book", "genre"),), group=Column("book", "genre"), more=2),
        "which genre has more than 2 books ?",
        "SELECT genre FROM book GROUP BY genre HAVING count ( * ) > 2",
    ),
]


def load(**settings: Any) -> TextData:
    return sql.load({"seed": 0, "grammar": GRAMMAR, "sizes": SIZES, **settings}, lambda *_: [])


@pytest.fixture(scope="module")
def data() -> TextData:
    return load()


def splits(data: TextData) -> dict[str, Split]:
    return {"train": data.train, "val": data.val, **data.tests}


def judge() -> Judge:
    keys = {key: value for key, value in read_option("judge", "sql").items() if key != "name"}
    return Judge(**{**keys, "workers": 1})


def joins(line: str) -> set[tuple[str, str]]:
    """The pairs of tables that a query joins, read off its text."""
    return {(below, above) for below, above in re.findall(r"ON (\w+) \. \w+ = (\w+) \. id", line)}


@pytest.mark.parametrize(("kind", "query", "question", "line"), ASKED, ids=[kind for kind, *_ in ASKED])
def test_questions_and_queries_worked_out_by_hand(kind: str, query: Query, question: str, line: str):
    first = random.Random()
    first.choice = lambda options: options[0]  # type: ignore[method-assign,assignment]
    assert _asked(first, kind, query, False) == question
    assert query.sql() == line
    Database(THEMES[0], database(THEMES[0], seed=0, rows=12)).rows(query)


def test_a_condition_of_each_kind_in_wordings_of_both_distributions():
    said = {
        (operator, ood): {form.format(column="age", value="9") for form in CONDITIONS[operator][ood]}
        for operator in CONDITIONS
        for ood in (False, True)
    }
    assert said["<", False] == {"whose age is below 9", "whose age is less than 9"}
    assert said["=", True] == {"with 9 in the age", "that have the age 9"}
    assert [*CONDITIONS] == ["=", "!=", ">", "<"]


def test_what_a_query_is_told_from_worked_out_by_hand():
    where = (Condition(PAGES, ">", "50"),)
    simpler = {each.sql() for each in Query(OF_BOOKS, (TITLE,), where=where, order=PAGES, limit=2).simpler()}
    assert simpler == {
        "SELECT title FROM book ORDER BY pages ASC LIMIT 2",
        "SELECT title FROM book WHERE pages >= 50 ORDER BY pages ASC LIMIT 2",
        "SELECT title FROM book WHERE pages < 50 ORDER BY pages ASC LIMIT 2",
        "SELECT title FROM book WHERE pages > 50 ORDER BY pages DESC LIMIT 2",
        "SELECT title FROM book WHERE pages > 50 LIMIT 2",
        "SELECT title FROM book WHERE pages > 50 ORDER BY pages ASC",
    }
    groups = Query(OF_BOOKS, (TITLE,), group=TITLE, more=2).simpler()
    assert {each.sql().partition("HAVING ")[2] for each in groups} == {"", "count ( * ) > 1", "count ( * ) > 3"}
    functions = Query(OF_BOOKS, function="sum", of=PAGES).simpler()
    assert [each.function for each in functions] == ["avg", "min", "max"]


@pytest.mark.parametrize(
    ("query", "tells"),
    [
        (Query(OF_BOOKS, (TITLE,), where=(Condition(PAGES, ">", "45"),)), True),
        (Query(OF_BOOKS, (TITLE,), where=(Condition(PAGES, ">", "44"),)), False),  # as >=
        (Query(OF_BOOKS, (TITLE,), where=(Condition(PAGES, "<", "99"),)), False),  # as without it
        (Query(OF_BOOKS, (TITLE,), where=(Condition(PAGES, ">", "99"),)), False),  # nothing
        (Query(OF_BOOKS, (TITLE,), order=PAGES, descending=True), True),
        (Query(OF_BOOKS, (TITLE,), order=PAGES), False),  # the rows are in this order anyhow
        (Query(OF_BOOKS, function="sum", of=PAGES), True),
        (Query(OF_BOOKS, function="sum", of=PAGES, where=(Condition(PAGES, ">", "50"),)), False),  # one row: as avg
        (Query(OF_BOOKS, function="count", where=(Condition(PAGES, ">", "99"),)), False),  # none
    ],
)
def test_queries_that_tell_and_do_not_on_three_rows(query: Query, tells: bool):
    script = (
        "CREATE TABLE author (id, name, country, language, age, prizes); CREATE TABLE review "
        "(id, code, company, day, stars, minutes, book_id); CREATE TABLE book (id INTEGER PRIMARY KEY, title, genre, "
        "city, pages, copies, author_id); INSERT INTO book (id, title, pages) VALUES (1, 'a', 41), (2, 'b', 45), "
        "(3, 'c', 55)"
    )
    assert Database(THEMES[0], script).tells(query) is tells


def test_schemas_are_chains_of_known_columns_with_room_for_most_rows():
    assert len(THEMES) == 7
    names = [table.name for theme in THEMES for table in theme]
    assert len({*names}) == len(names) == 21
    for theme in THEMES:
        assert [table.above for table in theme] == ["", theme[0].name, theme[1].name]
        for table, rows in zip(theme, (10, 20, 40), strict=True):
            name, *columns = table.columns
            assert len(NAMES[name]) >= rows
            assert {*columns} == {*table.words, *table.numbers}
            assert all(len(RANGES[column]) >= rows for column in table.numbers)
            assert table.words
            assert table.numbers
        database(theme, seed=1, rows=20)
    assert not {*RANGES} & {*WORDS}


def test_rows_are_those_asked_for_and_refer_to_rows():
    for theme in THEMES:
        base = Database(theme, database(theme, seed=3, rows=12))
        for table, rows in zip(theme, (6, 12, 24), strict=True):
            assert all(len(base.values(Column(table.name, name))) == rows for name in (*table.words, *table.numbers))
        count = Query(theme[::-1], function="count")
        assert base.rows(count) == [(24,)]
        assert base.script == Database(theme, database(theme, seed=3, rows=12)).script
        assert base.script != database(theme, seed=4, rows=12)


def test_the_data_are_those_asked_for_once_each_and_the_same_for_a_seed(data: TextData):
    every = splits(data)
    names = {"id": "test", "train": "train", "val": "val", "ood_joins": "ood_joins", "ood_wordings": "ood_wordings"}
    assert {names[name]: len(split) for name, split in every.items()} == {name: SIZES[name] for name in names.values()}
    assert (len(data.unlabeled), len(data.unlabeled_val)) == (120, 12)
    assert [*data.tests] == ["id", "ood_joins", "ood_wordings"]
    outputs = [line for split in every.values() for line in split.targets] + data.unlabeled + data.unlabeled_val
    assert len({*outputs}) == len(outputs)
    sources = [line for split in every.values() for line in split.sources]
    assert len({*sources}) == len(sources)
    again, other = load(), load(seed=1)
    assert again == data
    assert (other.train.targets, other.train.records) != (data.train.targets, data.train.records)


def test_more_training_examples_leave_all_that_measures_as_it_is(data: TextData):
    more = load(sizes={**SIZES, "train": 90, "unlabeled": 30})
    assert (more.tests, more.val, more.unlabeled_val) == (data.tests, data.val, data.unlabeled_val)
    assert more.train.sources[:60] == data.train.sources


def test_held_out_joins_are_in_their_test_set_and_in_unlabeled_outputs_alone(data: TextData):
    unseen = {pair for theme in THEMES for pair in held_out(theme)}
    assert len(unseen) == 7
    for name, split in splits(data).items():
        for line in split.targets:
            assert bool(joins(line) & unseen) == (name == "ood_joins"), line
            assert name == "ood_joins" or len(joins(line)) <= 1
    assert any(joins(line) & unseen for line in data.unlabeled)
    known = {pair for line in data.train.targets for pair in joins(line)}
    assert known
    assert any(len(joins(line)) == 2 for line in data.tests["ood_joins"].targets)


def form(question: str) -> str:
    """The wording of a question: its words without those of a schema."""
    of_schema = {word for theme in THEMES for table in theme for word in (table.name, table.plural, *table.columns)}
    of_schema |= {word for words in WORDS.values() for word in words}
    return " ".join("_" if word in of_schema or word.isdigit() else word for word in question.split())


def test_wordings_out_of_distribution_are_no_training_question_s(data: TextData):
    """Of 60 questions, and by the tables of wordings."""
    assert not {*map(form, data.tests["ood_wordings"].sources)} & {*map(form, data.train.sources)}
    for table in (WORDINGS, CONDITIONS):
        for known, others in table.values():
            assert known
            assert others
            assert not {*known} & {*others}


def test_wordings_out_of_distribution_are_made_of_known_words(data: TextData):
    tokenizer = train("word", data.vocabulary, 0, data.unlabeled)
    for split in splits(data).values():
        assert not [text for text in split.sources + split.targets if tokenizer.unk in tokenizer.encode(text)]
    assert not [text for text in data.unlabeled if tokenizer.unk in tokenizer.encode(text)]
    assert all(tokenizer.decode(tokenizer.encode(line)) == line for line in data.unlabeled)
    assert data.vocabulary == vocabulary() == load(grammar={"schemas": 1, "conditions": 1, "rows": 8}).vocabulary


def test_the_judge_takes_every_gold_query_for_correct_and_every_unlabeled_one_for_valid(data: TextData):
    rows = [row for split in splits(data).values() for row in prediction_rows(data, split, {"gold": split.targets})]
    assert len(rows) == 132
    assert {each.verdict for each in judge().judge(rows)} == {"correct"}
    unlabeled = [{"id": line, "text": line} for line in data.unlabeled]
    assert not any(judge().faults(unlabeled))


def test_the_judge_takes_no_simpler_query_for_the_gold_one():
    """Of queries drawn as those of a test set are."""
    rng, rows = random.Random(0), []
    for theme in THEMES:
        base = Database(theme, database(theme, seed=0, rows=12))
        drawn = (draw(rng, rng.choice(routes(theme)), base, 2, ood=False)[1] for _ in range(40))
        telling = [query for query in drawn if base.tells(query)][:5]
        rows += [
            {**base.record, "id": other.sql(), "text": other.sql(), "target": query.sql()}
            for query in telling
            for other in query.simpler()
        ]
    assert len(rows) > 60
    assert {each.verdict for each in judge().judge(rows)} == {"wrong"}


@settings(max_examples=50)
@given(st.integers(0, 10**9), st.integers(0, 20), st.integers(0, 3), st.booleans())
def test_every_drawn_query_runs_and_every_table_has_a_say(seed: int, place: int, conditions: int, ood: bool):
    theme = THEMES[place % 7]
    route = routes(theme)[place % 6]
    base = BASES[theme]
    question, query = draw(random.Random(seed), route, base, conditions, ood=ood)
    assert query.tables == route.tables
    assert len(query.where) <= conditions
    base.rows(query)
    said = query.sql().replace(f"FROM {route.tables[0].name}", "")
    if len(route.tables) > 1:
        assert f"{route.tables[-1].name} . " in re.sub(r"ON \S+ \. \S+ = \S+ \. id", "", said)
    assert question == " ".join(question.split())
    assert "None" not in question
    assert (question, query) == draw(random.Random(seed), route, base, conditions, ood=ood)


BASES = {theme: Database(theme, database(theme, seed=0, rows=12)) for theme in THEMES}


def test_a_schema_has_six_routes_half_of_them_unseen():
    for theme in THEMES:
        every = routes(theme)
        assert [len(route.tables) for route in every] == [1, 1, 2, 1, 2, 3]
        assert sum(bool(route.joins & held_out(theme)) for route in every) == 2
    assert Route(THEMES[0], OF_ALL).joins == {("review", "book"), ("book", "author")}


def test_questions_that_a_person_wrote_become_words():
    assert load().as_source("How many books are there?") == "how many books are there ?"
    assert sql.as_source(" List the  author's name.") == "list the author name ."


def test_too_few_queries_are_named(monkeypatch):
    monkeypatch.setattr(sql, "TRIES", 1)
    with pytest.raises(DataError, match=r"too few queries: \d+ of task\.sizes\.test=20; lower it, or raise"):
        load(grammar={"schemas": 1, "conditions": 0, "rows": 4})
