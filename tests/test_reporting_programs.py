import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from composed.errors import ConfigError, DataError
from composed.reporting.exhibits.console import MOST_LINES, console
from composed.reporting.exhibits.examples import read_examples
from composed.reporting.exhibits.programs import code_lines, pseudocode
from composed.reporting.runs import read_run
from tests.run_folders import write_predictions, write_run

SOURCE = " $ set var_1 to 3;  $ print var_1;  $ "
GOOD = "int main () { $ int var_1 = 3 ; $ cout << var_1 ; $ return 0; }"
BAD = "int main () { $ bool var_1 = 3 ; $ cout << var_1 ; $ return 0; }"
REPAIRED = {"base": (BAD, "wrong_output"), "composition": (GOOD, "correct")}
WRONG = {"base": (BAD, "wrong_output"), "composition": ("", "compile_error")}
RIGHT = {"base": (GOOD, "correct"), "composition": (GOOD, "correct")}
BROKEN = {"base": (GOOD, "correct"), "composition": (BAD, "time_limit")}


def make_run(folder: Path, in_distribution: list, out_of_distribution: list) -> Path:
    write_run(folder)
    write_predictions(folder, "id", in_distribution, SOURCE)
    write_predictions(folder, "ood", out_of_distribution, SOURCE)
    return folder


def shown(folder: Path, count: int, width: int = 120, terminal: bool = False) -> str:
    screen = Console(width=width, file=io.StringIO(), no_color=False, color_system="standard" if terminal else None)
    screen.print(console(read_run(folder), count))
    return screen.file.getvalue()


def titles(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if " example " in line]


def test_repaired_programs_come_first_in_turn_and_another_one_last(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [RIGHT, REPAIRED, REPAIRED, WRONG], [WRONG, BROKEN, REPAIRED])
    assert titles(shown(folder, 4)) == [
        "ID example 1: repaired by Pi",
        "OOD example 2: repaired by Pi",
        "ID example 2: repaired by Pi",
        "ID example 3: wrong both times",
    ]


def test_count_is_kept_when_too_few_are_repaired_or_all_are(tmp_path: Path) -> None:
    few = make_run(tmp_path / "few", [RIGHT, BROKEN], [WRONG])
    every = make_run(tmp_path / "every", [REPAIRED] * 3, [])
    assert [title.split(": ")[1] for title in titles(shown(few, 3))] == [
        "wrong both times",
        "right both times",
        "broken by Pi",
    ]
    assert len(titles(shown(every, 3))) == 3


def test_the_rule_of_picking_is_stated_with_the_numbers_of_all_programs(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [RIGHT, REPAIRED, REPAIRED, WRONG], [WRONG, BROKEN, REPAIRED])
    text = " ".join(shown(folder, 1, width=1000).split())
    assert "not a random sample" in text
    assert "Of all 7: 3 repaired by Pi, 2 wrong both times, 1 right both times, 1 broken by Pi" in text


def test_programs_stand_side_by_side_with_verdicts_and_marked_repairs(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [REPAIRED], [])
    text = shown(folder, 1)
    assert "f(x): wrong output" in text
    assert "Pi(f(x)): correct" in text
    lines = [[cell.strip() for cell in line.split("│")] for line in text.splitlines() if "│" in line]
    assert ["set var_1 to 3;", "int main () {", "int main () {"] in lines
    assert ["print var_1;", "-     bool var_1 = 3;", "+     int var_1 = 3;"] in lines


def test_only_the_replaced_token_is_coloured(tmp_path: Path) -> None:
    text = shown(make_run(tmp_path / "run", [REPAIRED], []), 1, terminal=True)
    green, red = (re.findall(rf"\x1b\[1;{colour}m(.*?)\x1b\[0m", text) for colour in (32, 31))
    assert green == ["correct", "+ ", "int"]
    assert red == ["wrong output", "- ", "bool"]


def test_code_is_indented_by_its_braces() -> None:
    text = "int main () { $ if ( a ) { ~ int b = 1 ; ~ c = b ; } $ for ( i = 0 ; i < 2 ; i ++ ) x += 1 ; $ return 0; }"
    assert [(line.depth, " ".join(line.tokens)) for line in code_lines(text)] == [
        (0, "int main () {"),
        (1, "if ( a ) {"),
        (2, "int b = 1 ;"),
        (2, "c = b ;"),
        (1, "}"),
        (1, "for ( i = 0 ; i < 2 ; i ++ ) x += 1 ;"),
        (1, "return 0;"),
        (0, "}"),
    ]


def test_code_without_braces_is_indented_by_its_marks() -> None:
    text = "a = 1 $ if a : $ ~ def block ( ) : $ ~ ~ b = ~ 2 $ ~ block ( ) $ print ( a )"
    assert [(line.depth, " ".join(line.tokens)) for line in code_lines(text)] == [
        (0, "a = 1"),
        (0, "if a :"),
        (1, "def block ( ) :"),
        (2, "b = 2"),
        (1, "block ( )"),
        (0, "print ( a )"),
    ]


@given(st.text(alphabet='{}();$~ a"', max_size=60))
def test_no_token_is_lost_however_malformed_the_program(text: str) -> None:
    lines = code_lines(text)
    assert [token for line in lines for token in line.tokens] == text.replace("$", " ").replace("~", " ").split()
    assert all(line.depth >= 0 and line.tokens for line in lines)


def test_pseudocode_is_one_statement_a_line_with_blocks_indented() -> None:
    source = (
        ' $ set a to 1;  $ if a is true, TAB set b to "s"; TAB set c to 2; swap the values of b and c;  $ print a;  $ '
    )
    assert pseudocode(source) == [
        "set a to 1;",
        "if a is true,",
        '    set b to "s";',
        "    set c to 2;",
        "    swap the values of b and c;",
        "print a;",
    ]


def test_a_run_without_composition_has_nothing_side_by_side(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [{"base": (GOOD, "correct")}], [])
    with pytest.raises(ConfigError, match="not both an output"):
        console(read_run(folder))


def test_missing_verdicts_are_named_with_the_command_that_writes_them(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [REPAIRED], [REPAIRED])
    (folder / "verdicts-ood.jsonl").unlink()
    with pytest.raises(DataError, match=r"verdicts-ood\.jsonl is missing; .*composed-evaluate"):
        console(read_run(folder))


def test_verdicts_of_other_predictions_are_named_by_line(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [REPAIRED], [])
    path = folder / "verdicts-id.jsonl"
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    with pytest.raises(DataError, match=r"verdicts-id\.jsonl:1: verdict of 0-composition, but prediction of 0-base"):
        console(read_run(folder))


@pytest.mark.parametrize("last", ["", json.dumps("text")], ids=["missing", "no-object"])
def test_a_prediction_without_a_verdict_is_named_by_line(tmp_path: Path, last: str) -> None:
    folder = make_run(tmp_path / "run", [REPAIRED], [])
    path = folder / "verdicts-id.jsonl"
    path.write_text(path.read_text().splitlines(keepends=True)[0] + last)
    with pytest.raises(DataError, match=r"line 2 of \S*predictions-id\.jsonl and of verdicts-id\.jsonl"):
        read_examples(folder, "id")


def test_broken_json_is_named_by_file_and_line(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [REPAIRED], [])
    with (folder / "predictions-id.jsonl").open("a") as file:
        file.write('{"id": ')
    with pytest.raises(DataError, match=r"predictions-id\.jsonl:3"):
        read_examples(folder, "id")


def test_what_a_model_wrote_does_not_control_the_terminal(tmp_path: Path) -> None:
    evil = {"base": (BAD + " \x1b]52;c;YQ==\x07", "wrong_output"), "composition": ("\x9b2J " + GOOD, "correct")}
    folder = make_run(tmp_path / "run", [evil], [RIGHT])
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown(folder, 2))


def test_a_program_that_a_model_did_not_end_is_cut(tmp_path: Path) -> None:
    endless = {"base": (" $ ".join(["x ;"] * 500), "compile_error"), "composition": (GOOD, "correct")}
    text = shown(make_run(tmp_path / "run", [endless], []), 1)
    assert f"... and {500 - MOST_LINES} more lines" in text
    assert len(text.splitlines()) < MOST_LINES + 10
