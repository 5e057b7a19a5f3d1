"""Small schemas on a theme each: three tables in a chain, their columns, and rows that are drawn.

A table has a key `id`, a column of names that no two rows share, columns of words and columns of numbers, in which no
number is there twice, so that rows are never ordered by chance. All but the first have a foreign key to the one above.
"""

import random
from dataclasses import dataclass
from functools import cached_property, lru_cache

_WORDS = """
country  norway peru kenya japan france chile
city     oslo lima paris kyoto cairo dublin
language dutch hindi greek polish arabic welsh
genre    crime travel poetry history fantasy drama
style    jazz rock folk soul opera techno
company  acme globex initech umbra vertex zenith
position keeper winger striker defender sweeper captain
subject  physics music latin biology art geography
room     attic cellar hall studio annex library
day      monday tuesday wednesday thursday friday saturday
ward     surgery nursery radiology oncology cardiology dental
job      baker farmer nurse pilot tailor weaver
colour   red blue green white black yellow
"""
_NUMBERS = """
age 18 70
members 2 60
prizes 1 50
pages 40 99
stars 1 99
goals 1 90
salary 20 99
minutes 1 90
copies 1 99
hours 1 60
places 5 90
points 1 99
planes 3 80
weight 4 99
cost 1 99
staff 2 80
price 1 99
"""
# A theme between empty lines, its tables from the top of the chain: singular, plural, column of names, further columns.
_THEMES = """
author  authors  name  country language age prizes
book    books    title genre city pages copies
review  reviews  code  company day stars minutes

club     clubs     name country city members prizes
player   players   name position language age goals
contract contracts code company job salary hours

band  bands  name  country style members prizes
album albums title company city price copies
song  songs  title language style minutes points

teacher teachers name  subject city age salary
course  courses  title day language hours places
exam    exams    code  room day points minutes

airline airlines name company country planes staff
pilot   pilots   name language city age salary
flight  flights  code day country minutes places

doctor  doctors  name ward city age salary
patient patients name job language age weight
visit   visits   code day room minutes cost

shop     shops     name style city staff members
customer customers name job country age points
purchase purchases code colour day price copies
"""
_PERSONS = """
ada alan grace emmy carl marie isaac leonhard sofia kurt henri mary niels lise max rosa
ines omar yuki pablo nora felix hana igor
"""
_FIRST, _SECOND = (
    ["long", "quiet", "golden", "broken", "distant", "wild", "hidden"],
    ["river", "winter", "garden", "letter", "tower", "mirror"],
)
NAMES = {
    "name": tuple(_PERSONS.split()),
    "title": tuple(f"{first} {second}" for first in _FIRST for second in _SECOND),
    "code": tuple(f"{letter}{number}" for letter in "kmqx" for number in range(10, 20)),
}
WORDS = {name: tuple(words) for name, *words in map(str.split, _WORDS.strip().splitlines())}
RANGES = {name: range(int(low), int(high) + 1) for name, low, high in map(str.split, _NUMBERS.strip().splitlines())}


@dataclass(frozen=True)
class Table:
    """One of a theme's; `above`: the table that its rows refer to, "" for the first."""

    name: str
    plural: str
    columns: tuple[str, ...]  # without keys
    above: str

    @cached_property
    def words(self) -> tuple[str, ...]:
        return tuple(column for column in self.columns if column in WORDS)

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        return tuple(column for column in self.columns if column in RANGES)


Theme = tuple[Table, ...]


def _theme(block: str) -> Theme:
    tables: list[Table] = []
    for name, plural, *columns in map(str.split, block.splitlines()):
        tables.append(Table(name, plural, tuple(columns), tables[-1].name if tables else ""))
    return tuple(tables)


THEMES: tuple[Theme, ...] = tuple(map(_theme, _THEMES.strip().split("\n\n")))


@lru_cache
def database(theme: Theme, *, seed: int, rows: int) -> str:
    """A script of SQL that makes the tables of a theme: half as many `rows` in the first, twice as many in the last.

    A function of its arguments alone.
    """
    rng = random.Random(f"sql/{seed}/rows/{theme[0].name}")
    counts = (rows // 2, rows, 2 * rows)
    return "\n".join(
        _table(table, count, above, rng) for table, count, above in zip(theme, counts, (0, *counts), strict=False)
    )


def _table(table: Table, count: int, above: int, rng: random.Random) -> str:
    columns = {column: _values(column, count, rng) for column in table.columns}
    declared = ["id INTEGER PRIMARY KEY", *(f"{name} {'INTEGER' if name in RANGES else 'TEXT'}" for name in columns)]
    if table.above:
        columns[f"{table.above}_id"] = [str(rng.randint(1, above)) for _ in range(count)]
        declared.append(f"{table.above}_id INTEGER REFERENCES {table.above}(id)")
    lines = zip(map(str, range(1, count + 1)), *columns.values(), strict=True)
    rows = ", ".join(f"({', '.join(line)})" for line in lines)
    return f"CREATE TABLE {table.name} ({', '.join(declared)});\nINSERT INTO {table.name} VALUES {rows};"


def _values(column: str, count: int, rng: random.Random) -> list[str]:
    """Of a column of so many rows, as SQL writes them."""
    if column in RANGES:
        return [*map(str, rng.sample(RANGES[column], count))]
    if column in WORDS:
        return [f"'{rng.choice(WORDS[column])}'" for _ in range(count)]
    return [f"'{name}'" for name in rng.sample(NAMES[column], count)]
