"""The page of all keys: up to date, and no key without a sentence, a number without a unit, or a file left out."""

import importlib.util
import shutil
from pathlib import Path
from typing import Annotated

import pytest

from composed.config import reference
from composed.config.options import CONF, GROUPS, INNER, options
from composed.config.rules import PURE, Unit
from composed.config.structure import form

SCRIPT = Path(__file__).parents[1] / "scripts" / "config_reference.py"
spec = importlib.util.spec_from_file_location("config_reference", SCRIPT)
assert spec
assert spec.loader
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)


def test_the_page_is_up_to_date() -> None:
    assert script.PAGE.read_text("utf-8") == reference.page(), "python scripts/config_reference.py"


def test_every_option_and_every_key_that_one_can_set_is_there() -> None:
    page = reference.page()
    for group in (*GROUPS, *INNER):
        for option in options(group):
            if group != "sizes":
                assert f"`{group}={option}`" in page
            for entry in reference.entries(CONF / group / f"{option}.yaml"):
                assert f"`{entry.key}`" in page, (group, option)


def write(folder: Path, text: str) -> Path:
    path = folder / "option.yaml"
    path.write_text(text)
    return path


def test_a_comment_is_that_of_the_line_the_lines_above_or_the_section(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(reference, "CONF", tmp_path)
    (tmp_path / "group").mkdir()
    path = write(
        tmp_path / "group",
        "# head\na: 1  # on the line\nb:  # section\n  c: x\n# above,\n# in two lines\nd: []\ne: 2\n",
    )
    found = {entry.key: entry.sentence for entry in reference.entries(path)}
    assert found == {
        "group.a": "on the line",
        "group.b.c": "section",
        "group.d": "above, in two lines",
        "group.e": "",
    }


@pytest.mark.parametrize(
    ("line", "answer"), [("e: 2", "no comment"), ("zeal: 2  # of it", "no class in src/config has such a field")]
)
def test_a_key_that_is_not_explained_is_an_error(line, answer, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(reference, "CONF", tmp_path)
    monkeypatch.setattr("composed.config.options.CONF", tmp_path)
    (tmp_path / "group").mkdir()
    found = [("option", entry) for entry in reference.entries(write(tmp_path / "group", f"# head\n{line}\n"))]
    with pytest.raises(SystemExit, match=answer):
        list(reference.table(found, 1))


def test_a_number_says_its_unit() -> None:
    assert reference.unit("a", "b", form(Annotated[int, Unit("tokens")] | None)) == "tokens"
    assert reference.unit("a", "b", form(Annotated[list[int], PURE])) == reference.unit("a", "b", form(str)) == ""
    with pytest.raises(SystemExit, match=r"a of b: its class in src/config gives it no unit"):
        reference.unit("a", "b", form(int | None))


def test_an_option_of_ones_own_class_is_there_with_what_its_values_say(tmp_path, monkeypatch) -> None:
    shutil.copytree(CONF / "noise", tmp_path / "noise")
    path = tmp_path / "noise" / "mine.yaml"
    path.write_text("# Mine.\n_target_: composed.datamodules.noise_mine.Mine\nrate: 0.5  # how often\n")
    for place in ("composed.config.options.CONF", "composed.config.reference.CONF"):
        monkeypatch.setattr(place, tmp_path)
    rows = list(reference.table([("mine", entry) for entry in reference.entries(path)], 1))
    assert rows[-1] == "| `noise.rate` | a number | `0.5` |  | how often |"
