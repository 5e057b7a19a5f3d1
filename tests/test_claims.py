"""Every difference that a page states is the one of a committed table, and its words are those that the table allows.

A difference is written as `+1.2 ±0.4<!-- TABLE: ROW − REFERENCE; SPLIT; MEASURE -->`, of results/TABLE/table.csv.
Pages that begin with EARLIER tell what an earlier revision measured, before tables kept all that this test reads.
"""

import csv
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "results").glob("*/README.md")])
EARLIER = "> Of an earlier revision"
DIFFERENCE = re.compile(r"(?P<mean>[+−]\d+(?:\.\d+)?) ±(?P<half>\d+(?:\.\d+)?)(?P<claim><!-- (?P<told>.*?) -->)?")
UNDECIDED = ("not distinguishable", "cannot be told apart", "not decided")


@functools.cache
def table(name: str) -> dict[tuple[str, str, str], dict[str, str]]:
    """The lines of a committed table by row, reference and split."""
    with open(ROOT / "results" / name / "table.csv", encoding="utf-8", newline="") as file:
        return {(line["row"], line["reference"], line["split"]): line for line in csv.DictReader(file)}


def claims(text: str) -> list[tuple[re.Match[str], str]]:
    """The differences of a page, outside of code, each with the sentence, or the row of a table, around it."""
    plain = re.sub(r"^    .*$", "", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), flags=re.M)
    return [(match, _around(plain, match)) for match in DIFFERENCE.finditer(plain)]


def _around(text: str, match: re.Match[str]) -> str:
    begin = max(text.rfind(mark, 0, match.start()) + len(mark) for mark in ("\n|", "\n\n", ". "))
    ends = [place for mark in ("|\n", "\n\n", ". ", ".\n") if (place := text.find(mark, match.end())) >= 0]
    return text[begin : min(ends, default=len(text))]


def problem(match: re.Match[str], sentence: str) -> str:
    """What is wrong with a difference; "" if it is the table's."""
    if not match["claim"]:
        return "names no table"
    name, _, told = match["told"].partition(": ")
    pair, split, measure = told.split("; ")
    line = table(name).get((*pair.split(" − "), split))  # type: ignore[arg-type]
    if line is None or not line.get(f"{measure}_half_width"):
        return f"results/{name}/table.csv has no {told}"
    digits = len(match["mean"].partition(".")[2])
    expected = f"{float(line[measure]):+.{digits}f} ±{float(line[f'{measure}_half_width']):.{digits}f}".replace(
        "-", "−"
    )
    if f"{match['mean']} ±{match['half']}" != expected:
        return f"is {expected} in the table"
    decided = bool(line[f"{measure}_p"]) and float(line[f"{measure}_p"]) <= 0.05
    if decided == any(word in sentence for word in UNDECIDED):
        return f"p is {line[f'{measure}_p'] or 'not known'}, which the sentence does not say"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_difference_is_the_one_of_its_table(page):
    text = page.read_text(encoding="utf-8")
    if EARLIER in text[:1000]:
        return
    problems = [f"{match[0]}: {wrong}" for match, sentence in claims(text) if (wrong := problem(match, sentence))]
    assert not problems


TABLE = "row,reference,split,correct,correct_half_width,correct_p\na,b,id,1.25,0.44,0.03\na,b,ood,-1.2,2,0.4\n"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("a is higher, +1.2 ±0.4<!-- t: a − b; id; correct -->.", ""),
        ("| a | +1.25 ±0.44<!-- t: a − b; id; correct --> | higher |\n", ""),
        ("a is higher, +1.2 ±0.4.", "names no table"),
        ("+1.3 ±0.4<!-- t: a − b; id; correct -->", "is +1.2 ±0.4 in the table"),
        ("+1.2 ±0.4<!-- t: b − a; id; correct -->", "results/t/table.csv has no b − a; id; correct"),
        ("a is lower, −1.2 ±2.0<!-- t: a − b; ood; correct -->", "p is 0.4, which the sentence does not say"),
        ("Cannot say. −1.2 ±2.0<!-- t: a − b; ood; correct --> is not distinguishable from 0.", ""),
        (
            "+1.2 ±0.4<!-- t: a − b; id; correct --> is not distinguishable",
            "p is 0.03, which the sentence does not say",
        ),
    ],
)
def test_what_is_not_the_tables_is_told(text, wrong, monkeypatch, tmp_path):
    (tmp_path / "results" / "t").mkdir(parents=True)
    (tmp_path / "results" / "t" / "table.csv").write_text(TABLE)
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    table.cache_clear()
    ((match, sentence),) = claims(text)
    assert problem(match, sentence) == wrong
    table.cache_clear()


def test_code_states_nothing():
    assert claims("    +1.2 ±0.4\n\n```sh\n+1.2 ±0.4\n```\n") == []
    assert len(claims("    +1.2 ±0.4\n\n+1.2 ±0.4\n\n```sh\n+1.2 ±0.4\n```\n+3 ±1\n")) == 2
