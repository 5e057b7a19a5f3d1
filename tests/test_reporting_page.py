"""The page as text: whole, escaped, alone, and the same for the same runs. test_report_browser.py looks at it."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from composed.judges.scores import Measure
from composed.reporting.missing import missing_runs
from composed.reporting.page import page
from composed.reporting.runs import find_runs
from composed.reporting.table import build_table
from tests.pages import write_full_sweep
from tests.run_folders import counts, measured, write_run

VOID = {"meta", "link", "input", "img", "br"}


class Elements(HTMLParser):
    """Every element with its attributes; asserts that tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def text_of(folder: Path, count: int = 4, **settings) -> str:
    found = find_runs([folder])
    return page(build_table(found.runs, missing=missing_runs(found), **settings), found.runs, found.left_out, count)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return text_of(write_full_sweep(tmp_path_factory.mktemp("runs")))


def test_tags_are_balanced_and_identities_unique(text: str) -> None:
    names = [attributes["id"] for _, attributes in Elements(text).found if "id" in attributes]
    assert len(names) == len(set(names)) > 5


def test_nothing_is_asked_for_from_elsewhere(text: str) -> None:
    for tag, attributes in Elements(text).found:
        for name in ("src", "href", "action", "srcset", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_every_link_within_the_page_has_its_section(text: str) -> None:
    elements = Elements(text).found
    names = {attributes.get("id") for _, attributes in elements}
    links = {attributes["href"][1:] for tag, attributes in elements if tag == "a"}
    assert links <= names
    assert {"results", "differences", "errors", "samples", "curves", "cost", "missing"} <= links


def test_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    write_full_sweep(tmp_path)
    assert text_of(tmp_path) == text_of(tmp_path)


def test_numbers_are_those_of_the_table_and_the_command_of_a_missing_run_is_there(text: str) -> None:
    for number in ("58.5 ±6.4", "+18.0 ±6.6", "32.0 ±5.0"):
        assert number in text
    assert "composed-train finetuning=composed replicate=2" in text
    assert "unfinished (no result.json)" in text


def test_only_replaced_tokens_are_marked(text: str) -> None:
    assert set(re.findall(r"<mark>(.+?)</mark>", text)) == {"Marked", "bool", "int"}


def test_what_a_run_says_is_escaped(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "<script>alert(1)</script>", counted=counts((1, 1)), title="</style><b>T")
    text = text_of(tmp_path)
    assert "alert(1)</script>" not in text
    assert "&lt;/style&gt;" in text


def test_a_single_run_of_values_has_a_page(tmp_path: Path) -> None:
    values = {"base": {"test": {"MSE": 0.1, "sharpness": 2.0}}}
    numbers = measured(values, {"test": 3}, [Measure("MSE", "lower"), Measure("sharpness")])
    write_run(tmp_path / "run", "baseline", task="fonts", **numbers)
    text = text_of(tmp_path)
    Elements(text)
    assert "MSE" in text
    assert 'id="differences"' not in text


def test_a_chosen_reference_is_shown_first_and_offered_once(tmp_path: Path) -> None:
    text = text_of(write_full_sweep(tmp_path), against="standard")
    found = Elements(text).found
    offered = [
        attributes["data-reference"] for tag, attributes in found if tag == "tbody" and "data-reference" in attributes
    ]
    assert offered[0] == "standard"
    assert len(offered) == len({*offered}) == 6
    shown = [a["data-reference"] for tag, a in found if "data-reference" in a and "hidden" not in a]
    assert shown == ["standard"]
    select = text.partition('<select id="reference">')[2].partition("</select>")[0]
    assert re.findall('<option value="([^"]*)">', select) == offered
