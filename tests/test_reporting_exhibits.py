"""How outputs of each kind are shown: an exhibit by the name that the judge gives, molecules, code, labels."""

import base64
import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.datamodules.marks import to_line
from composed.judges import workers
from composed.judges.interface import TextJudge, class_of
from composed.judges.records import JudgeError
from composed.judges.scores import Measure
from composed.reporting.background import configurations
from composed.reporting.exhibits import drawing, labels, molecules, text
from composed.reporting.exhibits.examples import Example
from composed.reporting.exhibits.interface import open_exhibit
from composed.reporting.exhibits.labels import MOST_LABELS, NO_LABEL, OTHERS, Confusions
from composed.reporting.exhibits.samples import Samples, Token
from composed.reporting.page import page
from composed.reporting.runs import find_runs
from composed.reporting.table import build_table
from tests.run_folders import measured, write_run
from tests.test_reporting_page import Elements

KINDS = [
    Measure("correct", "higher", "%", part=True),
    *(Measure(name, "", "%", part=True) for name in ("invalid", "wrong")),
]
RDKIT = pytest.mark.skipif(find_spec("rdkit") is None, reason="no RDKit: pip install 'composed[molecules]'")
NO_RDKIT = "import sys; sys.modules['rdkit'] = None; from composed.judges.workers import main; main()"

Row = tuple[str, str, dict[str, tuple[str, str]]]  # source, target, {output: (text, verdict)}


def write(folder: Path, exhibit: str, rows: list[Row], mode: str = "composed") -> Path:
    """A finished run whose outputs are shown by this exhibit."""
    outputs = {output for _, _, of in rows for output in of}
    values = {output: {"test": {"correct": 50.0, "invalid": 25.0, "wrong": 25.0}} for output in outputs}
    said = {**measured(values, {"test": len(rows)}, KINDS), "exhibit": exhibit, "noun": "outputs"}
    write_run(folder, mode, task="files", **said)
    lines = [
        ({"id": f"{n}-{output}", "example": n, "output": output, "source": x, "target": y, "text": word}, verdict)
        for n, (x, y, of) in enumerate(rows)
        for output, (word, verdict) in of.items()
    ]
    predictions = [json.dumps(row) for row, _ in lines]
    verdicts = [json.dumps({"id": row["id"], "verdict": verdict, "diagnostics": ""}) for row, verdict in lines]
    (folder / "predictions-test.jsonl").write_text("\n".join(predictions) + "\n")
    (folder / "verdicts-test.jsonl").write_text("\n".join(verdicts) + "\n")
    return folder


def sections(folder: Path, exhibit: Any, count: int = 9) -> dict[str, Any]:
    return {each.anchor: each.shown for each in exhibit.sections(configurations(find_runs([folder]).runs), count)}


def page_of(folder: Path) -> str:
    found = find_runs([folder])
    return page(build_table(found.runs), found.runs, found.left_out, 9)


def test_every_judge_names_an_exhibit_that_there_is():
    named = {}
    for name in ("programs", "python", "sql", "molecule", "command", "match"):
        made = class_of(name)
        assert made is not None
        assert issubclass(made, TextJudge)
        named[name] = made.exhibit if isinstance(made.exhibit, str) else made().exhibit  # of match, the keys say it
        assert type(open_exhibit(named[name])).__module__ == f"composed.reporting.exhibits.{named[name]}"
    assert named == {
        "programs": "programs",
        "python": "python",
        "sql": "text",
        "molecule": "molecules",
        "command": "text",
        "match": "text",
    }
    assert class_of("match")(labels=["a"]).exhibit == "labels"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["nowhere", "samples", "interface", "../text", "os.path", "sys", 3, ["text"]])
def test_a_name_of_none_is_told_and_shown_as_text(name, capsys):
    assert type(open_exhibit(name)) is text.Exhibit
    assert f"there is no exhibit {name!r}" in capsys.readouterr().err
    assert open_exhibit("") is None


def test_an_exhibit_of_ones_own_is_one_module(monkeypatch, tmp_path):
    module = type(sys)("composed.reporting.exhibits.shouting")
    code = (
        "from composed.reporting.exhibits import text\n"
        "class Exhibit(text.Exhibit):\n    def source(self, line):\n        return [line.upper()]\n"
    )
    exec(code, module.__dict__)
    module.__spec__ = type(sys.__spec__)(module.__name__, None)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    folder = write(tmp_path / "run", "shouting", [("a word", "b", {"base": ("b", "correct")})], "baseline")
    assert "A WORD" in page_of(folder)


# -- code and text ----------------------------------------------------------------------------------------------------


def shown(lines: list[list[Token]]) -> list[str]:
    """With what is marked in brackets."""
    return ["".join(t.gap + (t.text if t.kept else f"[{t.text}]") for t in line) for line in lines]


def test_code_of_several_lines_keeps_its_indentation_and_only_what_changed_is_marked():
    base = "if x: \u21b5\u2423\u2423 y = 1 \u21b5 print(y)"
    composition = "if x: \u21b5\u2423\u2423\u2423\u2423 y = 2 \u21b5 print(y)"
    found = text.Exhibit().compared({"base": base, "composition": composition})
    assert shown(found["base"]) == ["if x:", "[  ]y = [1]", "print(y)"]
    assert shown(found["composition"]) == ["if x:", "[    ]y = [2]", "print(y)"]


def test_a_query_is_one_line_and_its_words_are_compared():
    found = text.Exhibit().compared({"base": "SELECT a FROM t", "composition": "SELECT max(a) FROM t"})
    assert shown(found["composition"]) == ["SELECT [max][(]a[)] FROM t"]
    assert shown(found["base"]) == ["SELECT a FROM t"]


@given(st.text("ab \t\u2423\u21b5\u21e5(=", max_size=40), st.text("ab \u21b5(", max_size=20))
def test_nothing_of_an_output_but_blanks_at_ends_of_lines_is_lost(base, composition):
    found = text.Exhibit().compared({"base": base, "composition": composition})
    for output, written in {"base": base, "composition": composition}.items():
        plain = text.from_line(written).removesuffix("\n").split("\n")
        lines = ["".join(t.gap + t.text for t in line) for line in found[output]]
        assert [line.rstrip() for line in lines] == [line.rstrip() for line in plain]
    same = text.Exhibit().compared({"base": base, "composition": base})
    assert all(token.kept for lines in same.values() for line in lines for token in line)


def test_the_gold_output_stands_beside_the_others(tmp_path):
    rows: list[Row] = [("x", "SELECT 1", {"base": ("SELECT 2", "wrong"), "composition": ("SELECT 1", "correct")})]
    text_of_page = page_of(write(tmp_path / "run", "text", rows))
    Elements(text_of_page)
    assert "gold output y" in text_of_page
    assert "input x" in text_of_page
    assert re.findall("<mark>(.+?)</mark>", text_of_page) == ["Marked", "2", "1"]


def test_what_a_model_writes_is_escaped_in_every_exhibit(tmp_path):
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    for exhibit in ("text", "labels", "molecules", "programs"):
        rows: list[Row] = [(evil, evil, {"base": (evil, "wrong"), "composition": (f"C{evil}", "correct")})]
        found = Elements(page_of(write(tmp_path / exhibit / "run", exhibit, rows))).found
        assert [tag for tag, _ in found].count("script") == 1
        assert not [name for _, attributes in found for name in attributes if name.startswith("on")]
        assert all((attributes.get("src") or "data:").startswith("data:") for _, attributes in found)


# -- molecules --------------------------------------------------------------------------------------------------------


def drawn(lines: list[list[Token]]) -> tuple[int, ...]:
    return molecules.changed_atoms(lines[0])


@pytest.mark.parametrize(
    ("base", "composition", "of_base", "of_composition"),
    [
        ("CCO", "CCN", (2,), (2,)),
        ("C=CO", "CCO", (1,), ()),  # the bond belongs to the atom behind it
        ("CC(CO", "CC(C)O", (), (2,)),  # the bracket that closes to the atom before it
        ("C1CCCC", "C1CCCC1", (), (4,)),
        ("CClC", "CBrC", (1,), (1,)),
        ("C[NH3+]", "CN", (1,), (1,)),
        ("", "C", (), (0,)),
        ("=", "C", (0,), (0,)),
    ],
)
def test_the_atoms_are_marked_that_the_other_output_lacks(base, composition, of_base, of_composition):
    found = molecules.Exhibit().compared({"base": base, "composition": composition})
    assert (drawn(found["base"]), drawn(found["composition"])) == (of_base, of_composition)


@given(st.text("CNO[]()=#1%2c *.Hl", max_size=30), st.text("CNO[](=1", max_size=20))
def test_marked_atoms_are_numbers_of_atoms_or_of_the_next_one(base, other):
    found = molecules.Exhibit().compared({"base": base, "composition": other})
    for lines in found.values():
        assert all(-1 <= atom <= len(lines[0]) for atom in molecules.changed_atoms(lines[0]))


@RDKIT
def test_a_molecule_is_drawn_with_its_repair_marked_and_what_is_none_is_not():
    answer = drawing.answerer(None)
    [plain, marked, same] = [
        answer(item) for item in (["CCN", (), "", "base"], ["CCN", (2,), "CCO", "base"], ["NCC", (0,), "CCN", "base"])
    ]
    assert "F7BC" in marked.upper()  # the colour of what Pi replaced
    assert "F7BC" not in (plain + same).upper()  # the same molecule, in another order
    for smiles in ("C((", "", "C" * 301, "\u00e9"):
        assert answer([smiles, (0,), "C", "base"]) == ""
    assert answer(["CC(C)(C)(C)C", (5,), "C", "base"])  # that no such molecule can be is what one should see
    assert answer(["c1cccc1", (), "", "base"])


@RDKIT
def test_a_drawing_is_an_image_of_the_page_without_a_script(tmp_path):
    rows: list[Row] = [
        ("ethanol", "CCO", {"base": ("CC(O", "invalid"), "composition": ("OCC", "correct")}),
        ("odd", "[*:1]C", {"base": ("[*:1]C |$<script>alert(1)</script>$|", "invalid"), "composition": ("C", "wrong")}),
    ]
    samples = sections(write(tmp_path / "run", "molecules", rows), molecules.Exhibit())["samples"]
    assert samples.note == ""
    uris = [o.picture.uri for each in samples.shown for o in [each.gold, *each.outputs]]
    assert [bool(uri) for uri in uris] == [True, False, True, True, False, True]
    for uri in filter(None, uris):
        head, _, content = uri.partition(",")
        assert head == "data:image/svg+xml;base64"
        tags = {each.tag.rpartition("}")[2] for each in ElementTree.fromstring(base64.b64decode(content)).iter()}
        assert tags <= {"svg", "path", "rect", "ellipse", "circle", "polygon", "text", "tspan"}
    text_of_page = page_of(tmp_path / "run")
    found = [attributes for tag, attributes in Elements(text_of_page).found if tag == "img"]
    assert (found[0]["class"], found[0]["alt"]) == ("structure", "drawing of CCO")
    assert text_of_page.count("no drawing") == 2
    assert page_of(tmp_path / "run") == text_of_page


def test_without_rdkit_there_are_smiles_and_a_line_that_says_how_to_get_drawings(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_COMMAND", (sys.executable, "-P", "-c", NO_RDKIT))
    rows: list[Row] = [("ethanol", "CCO", {"base": ("CCN", "wrong"), "composition": ("CCO", "correct")})]
    text_of_page = page_of(write(tmp_path / "run", "molecules", rows))
    assert text_of_page.count("pip install &#34;composed[molecules]&#34;") == 1
    assert "<img" not in text_of_page
    assert re.findall("<mark>(.+?)</mark>", text_of_page) == ["Marked", "N", "O"]


def test_drawing_without_rdkit_is_an_error_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(JudgeError, match=r'pip install "composed\[molecules\]"'):
        drawing.answerer(None)


@RDKIT
def test_a_drawing_that_takes_the_process_along_costs_itself_alone(tmp_path, monkeypatch):
    code = (
        "import ctypes\nfrom composed.judges import workers\nfrom composed.reporting.exhibits import drawing\n"
        "make = drawing.answerer\n"
        "def answerer(settings):\n    answer = make(settings)\n"
        "    return lambda item: ctypes.string_at(0) if item[0] == 'I' else answer(item)\n"
        "drawing.answerer = answerer\nworkers.main()"
    )
    monkeypatch.setattr(workers, "_COMMAND", (sys.executable, "-P", "-c", code))
    rows: list[Row] = [("x", "CCO", {"base": ("I", "wrong"), "composition": ("CCO", "correct")})]
    [sample] = sections(write(tmp_path / "run", "molecules", rows), molecules.Exhibit())["samples"].shown
    assert [bool(output.picture.uri) for output in sample.outputs] == [False, True]


# -- labels -----------------------------------------------------------------------------------------------------------


def confusions_of(tmp_path: Path, rows: list[Row], mode: str = "composed") -> Confusions:
    found: Confusions = sections(write(tmp_path / "run", "labels", rows, mode), labels.Exhibit())["confusions"]
    return found


def as_counts(matrix: labels.Matrix) -> dict[str, dict[str, int]]:
    return {
        label: {at: cell.count for at, cell in zip(matrix.columns, cells, strict=True) if cell.count}
        for label, _, cells in matrix.rows
    }


def test_each_output_has_a_table_of_gold_labels_by_predicted_ones(tmp_path):
    rows: list[Row] = [
        ("q", "a", {"base": ("a", "correct"), "composition": ("a ", "correct")}),
        ("q", "a", {"base": ("b", "wrong"), "composition": ("a", "correct")}),
        ("q", "b", {"base": ("bb", "invalid"), "composition": ("b", "correct")}),
    ]
    found = confusions_of(tmp_path, rows)
    base, composition = found.modes["composed"]
    assert as_counts(base) == {"a": {"a": 1, "b": 1}, "b": {NO_LABEL: 1}}
    assert as_counts(composition) == {"a": {"a": 2}, "b": {"b": 1}}
    assert [*base.columns] == ["a", "b", NO_LABEL]
    assert [*composition.columns] == ["a", "b"]
    assert base.rows[0][2][0] == labels.Cell(1, 1, 0.5, True)
    assert found.left == 0


def test_of_many_labels_the_most_frequent_have_a_place_and_the_others_share_one(tmp_path):
    names = [f"l{n:02}" for n in range(MOST_LABELS + 3)]
    rows: list[Row] = [("q", name, {"base": (name, "correct")}) for name in names for _ in range(2)]
    rows += [("q", name, {"base": (name, "correct")}) for name in names[3:]]  # these are more frequent
    rows += [("q", "l00", {"base": ("l01", "wrong")}), ("q", "l05", {"base": ("l02", "wrong")})]
    found = confusions_of(tmp_path, rows, "baseline")
    [matrix] = found.modes["baseline"]
    assert [*matrix.columns] == [names[5], names[3], names[4], *names[6:], OTHERS]
    assert len(matrix.columns) == MOST_LABELS + 1
    assert found.names[OTHERS] == "3 others"
    assert as_counts(matrix)["l05"] == {"l05": 3, OTHERS: 1}
    assert as_counts(matrix)[OTHERS] == {OTHERS: 7}
    assert matrix.rows[-1][2][-1] == labels.Cell(7, 6, 1.0, True)
    text_of_page = page_of(tmp_path / "run")
    Elements(text_of_page)
    assert "3 others" in text_of_page


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefghijklmnop"), st.sampled_from("abcdefghijklmnopq"), st.booleans()), min_size=1
    )
)
def test_every_example_is_counted_once(examples):
    run: Any = SimpleNamespace(own_output="base")
    read = {"m": (run, {"test": [_example(n, *each) for n, each in enumerate(examples)]})}
    [matrix] = labels.confusions(read).modes["m"]
    assert sum(cell.count for _, _, cells in matrix.rows for cell in cells) == len(examples)
    assert sum(n for _, n, _ in matrix.rows) == len(examples)
    right = sum(gold == predicted and valid for gold, predicted, valid in examples)
    assert sum(cell.right for _, _, cells in matrix.rows for cell in cells) == right
    assert len(matrix.columns) <= MOST_LABELS + 2


def _example(number: int, gold: str, predicted: str, valid: bool) -> Example:
    verdict = "invalid" if not valid else "correct" if gold == predicted else "wrong"
    return Example("test", number, "", gold, {"base": predicted}, {"base": verdict}, {"base": ""})


def test_samples_are_shown_beside_the_confusions(tmp_path):
    rows: list[Row] = [("q", "a b", {"base": ("a c", "wrong"), "composition": ("a b", "correct")})]
    found: Samples = sections(write(tmp_path / "run", "labels", rows), labels.Exhibit())["samples"]
    assert shown(found.shown[0].outputs[0].lines) == ["[a c]"]  # a label is one thing


# -- images -----------------------------------------------------------------------------------------------------------


def test_images_are_a_section_of_the_page_with_a_link(tmp_path):
    values = {"base": {"test": {"MSE": 0.1}}}
    numbers = {**measured(values, {"test": 1}, [Measure("MSE", "lower")]), "exhibit": "glyphs"}
    folder = write_run(tmp_path / "run", "baseline", task="fonts", **numbers)
    pixels = np.zeros((1, 4, 4), np.uint8)
    np.savez(folder / "predictions-test.npz", target=pixels, labels=np.array([[0, 3]]), base=pixels.astype(np.float16))
    found = Elements(page_of(folder)).found
    assert ("a", {"href": "#images"}) in found
    assert ("section", {"id": "images"}) in found
    assert [a["alt"] for tag, a in found if tag == "img"] == ["glyphs of face 3: target", "glyphs of face 3: baseline"]


def test_a_run_that_shows_nothing_has_a_page_all_the_same(tmp_path):
    folder = write(tmp_path / "run", "", [("x", "y", {"base": ("y", "correct")})], "baseline")
    assert 'id="samples"' not in page_of(folder)


def test_python_is_shown_in_its_lines_whether_marks_or_dollars_end_them():
    exhibit = open_exhibit("python")
    assert isinstance(exhibit, text.Exhibit)

    def shown(line: str) -> list[str]:
        return ["".join(piece.gap + piece.text for piece in pieces) for pieces in exhibit.lines(line)]

    assert shown("if v : $ ~ w = int ( input ( ) ) $ print ( w )") == ["if v :", "    w = int (input ())", "print (w)"]
    assert shown(to_line("if v:\n    w = 1\n")) == ["if v:", "    w = 1"]
    assert exhibit.source("read v $ if v TAB swap v") == ["read v", "if v", "    swap v"]
    assert exhibit.source("add one") == ["add one"]
