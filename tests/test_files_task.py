"""task=files: folders of lines and of JSON, what is drawn where a file is missing, and every fault by file and line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.datamodules import files
from composed.datamodules.marks import MARKS, from_line, to_line
from composed.datamodules.text import TextData
from composed.errors import DataError

Folder = dict[str, Any]  # {name of a file: its lines, or its bytes}


def lines(count: int, word: str = "x") -> list[str]:
    return [f"{word} {number}" for number in range(count)]


SMALL: Folder = {
    "train.src": lines(20),
    "train.tgt": lines(20, "y"),
    "val.src": lines(3, "v"),
    "val.tgt": lines(3, "w"),
    "test.src": lines(4, "t"),
    "test.tgt": lines(4, "z"),
    "unlabeled.tgt": lines(30, "y"),
    "unlabeled_val.tgt": lines(2, "u"),
}


def write(folder: Path, contents: Folder) -> Path:
    for name, content in contents.items():
        said = content if isinstance(content, bytes) else "".join(f"{line}\n" for line in content).encode()
        (folder / name).write_bytes(said)
    return folder


def load(folder: Path, tests: list[str] | None = None, seed: int = 0) -> TextData:
    return files.load({"folder": str(folder), "tests": tests, "seed": seed}, lambda *_: [])


def rows(count: int, **more: Any) -> list[str]:
    return [json.dumps({"source": f"s {n}", "target": f"t {n}", **more}) for n in range(count)]


def test_a_folder_of_lines_is_what_its_files_say(tmp_path):
    data = load(write(tmp_path, {**SMALL, "train.src": ["a  b \t c", *lines(19)]}))
    assert data.train.sources[0] == "a b c"
    assert data.train.targets == SMALL["train.tgt"]
    assert (len(data.val), len(data.tests["test"]), [*data.tests]) == (3, 4, ["test"])
    assert (data.unlabeled, data.unlabeled_val) == (SMALL["unlabeled.tgt"], SMALL["unlabeled_val.tgt"])
    assert data.notes == ()


def test_a_folder_of_json_keeps_lines_blanks_and_further_keys(tmp_path):
    program = "def f(x):\n    return  x\n"
    row = {
        "source": "double\nit",
        "target": program,
        "tests": [{"input": "1\n", "output": "1\n"}],
        "database": {"a": 1},
    }
    contents = {
        "train.jsonl": rows(5),
        "val.jsonl": rows(2),
        "test.jsonl": [json.dumps(row)],
        "unlabeled.jsonl": [json.dumps({"target": f"{program}{n}"}) for n in range(9)],
    }
    data = load(write(tmp_path, contents))
    [source], [target] = data.tests["test"].sources, data.tests["test"].targets
    assert (data.as_output(source), data.as_output(target)) == (row["source"], program)
    assert "\n" not in source + target
    assert data.tests["test"].tests == [[("1\n", "1\n")]]
    assert data.tests["test"].records == [{"gold": program, "database": row["database"]}]
    assert data.train.tests == []
    assert data.train.records == []
    assert {data.as_output(text) for text in data.unlabeled} < {f"{program}{n}" for n in range(9)}


def test_further_fields_lie_beside_lines(tmp_path):
    said = ['{"input": "1", "output": "2"}', '[{"input": "", "output": "a"}]', '{"database": "d"}', '{"tests": []}']
    data = load(write(tmp_path, {**SMALL, "test.tests.jsonl": said}))
    assert [*data.tests] == ["test"]
    assert data.tests["test"].tests == [[("1", "2")], [("", "a")], [], []]
    assert data.tests["test"].records == [{}, {}, {"database": "d"}, {}]


def test_windows_files_and_marks_of_the_byte_order_are_read_as_they_are_meant(tmp_path):
    windows = {
        name: ("\ufeff" + "".join(f"{line}\r\n" for line in content)).encode() for name, content in SMALL.items()
    }
    data = load(write(tmp_path, windows))
    assert (data.train.sources, data.unlabeled) == (SMALL["train.src"], SMALL["unlabeled.tgt"])


def test_test_sets_are_those_named_or_those_that_begin_with_test(tmp_path):
    contents = {**SMALL, **{f"{name}.{end}": lines(2, name) for name in ("test-new", "hard") for end in ("src", "tgt")}}
    write(tmp_path, contents)
    assert [*load(tmp_path).tests] == ["test", "test-new"]
    assert any(
        "hard.* is not read; task.tests=[test,test-new,hard] tests on it" in note for note in load(tmp_path).notes
    )
    assert [*load(tmp_path, ["hard", "test"]).tests] == ["hard", "test"]


def test_without_val_a_share_of_the_training_validates_and_equal_inputs_stay_together(tmp_path):
    contents = {name: content for name, content in SMALL.items() if not name.startswith(("val", "unlabeled"))}
    contents |= {"train.src": lines(10) * 2, "train.tgt": lines(20, "y")}
    write(tmp_path, contents)
    first, again, other = load(tmp_path), load(tmp_path), load(tmp_path, seed=1)
    assert first.val == again.val
    assert first.val != other.val
    assert len(first.val) == 2
    assert not {*first.val.sources} & {*first.train.sources}
    assert sorted([*first.val.targets, *first.train.targets]) == sorted(contents["train.tgt"])
    assert (first.unlabeled, first.unlabeled_val) == (first.train.targets, first.val.targets)
    assert any("no split val: 2 of the 20 training examples" in note for note in first.notes)
    assert any("the denoiser learns from the 18 training outputs" in note for note in first.notes)


def test_without_unlabeled_val_a_share_of_the_unlabeled_selects_and_is_not_learned(tmp_path):
    contents = {name: content for name, content in SMALL.items() if name != "unlabeled_val.tgt"}
    data = load(write(tmp_path, {**contents, "unlabeled.tgt": lines(30, "y") * 2}))
    assert len(data.unlabeled_val) == 3
    assert len(data.unlabeled) == 54
    assert not {*data.unlabeled} & {*data.unlabeled_val}


def test_inputs_of_a_test_set_that_train_too_are_counted(tmp_path):
    told = load(write(tmp_path, {**SMALL, "test.src": ["x 1", "x  2", "new", "newer"]})).notes
    assert any("warning: 2 of 4 inputs of test are inputs of the training too" in note for note in told)


def without(*names: str) -> Folder:
    return {name: content for name, content in SMALL.items() if name not in names}


def beside(second: str) -> Folder:
    """With further fields, and these of the second example."""
    return {**SMALL, "test.tests.jsonl": ["{}", second, "{}", "{}"]}


NO_TEST = without("test.src", "test.tgt")
NO_VAL = without("val.src", "val.tgt")


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (without("train.src", "train.tgt"), r"no training examples: train\.jsonl \(or train\.src and train\.tgt\)"),
        (NO_TEST, r"has no test set: test\.jsonl .*task\.tests=\[dev\]"),
        (without("train.src"), r"train\.src: no such file, but train\.tgt is there"),
        (without("test.tgt"), r"test\.tgt: no such file, but test\.src is there"),
        ({**SMALL, "train.src": lines(19)}, r"train\.src:19: the last line, but train\.tgt has 20; .* restore"),
        ({**SMALL, "test.tests.jsonl": ["{}"]}, r"test\.tests\.jsonl:1: the last line, but test\.tgt has 4"),
        ({**SMALL, "test.tgt": ["a", "", "b", "c"]}, r"test\.tgt:2: empty; drop this example from all files"),
        ({**SMALL, "train.src": [*lines(19), " \t"]}, r"train\.src:20: empty"),
        ({**SMALL, "unlabeled.tgt": b""}, r"unlabeled\.tgt: empty; write an example on every line, or remove"),
        ({**SMALL, "unlabeled.tgt": ["a", " "]}, r"unlabeled\.tgt:2: empty"),
        ({**SMALL, "val.tgt": b"a\n\xff\nb\n"}, r"val\.tgt:2: not UTF-8 .*save the file as UTF-8"),
        ({**SMALL, "val.tgt": b"a\rb\rc\n"}, r"val\.tgt:1: a carriage return within the line; .*tr "),
        ({**SMALL, "val.tgt": ["a", "b \u21b5", "c"]}, r"val\.tgt:2: \u21b5 \(U\+21B5\) stands for a blank"),
        ({**SMALL, "test.jsonl": rows(2)}, r"test\.jsonl: test\.src and test\.tgt too; .* move one of them away"),
        ({**NO_TEST, "test.jsonl": rows(1), "test.tests.jsonl": ["{}"]}, r"test\.jsonl: test\.tests\.jsonl too"),
        ({**NO_TEST, "test.jsonl": ['{"source": "\\ud800", "target": "a"}']}, r"jsonl:1: half of a surrogate pair"),
        ({**NO_TEST, "test.jsonl": rows(1, more="\ud800")}, r"test\.jsonl:1: half of a surrogate pair"),
        ({**SMALL, "val.tgt": ["a", "b\0", "c"]}, r"val\.tgt:2: a NUL character"),
        ({**without("unlabeled.tgt"), "unlabeled.src": ["a"]}, r"unlabeled\.tgt: no such file, but unlabeled\.src"),
        ({**NO_VAL, "dev.src": ["a"], "dev.tgt": ["b"]}, r"dev\.\*: the split is called val here"),
        ({**NO_TEST, "test.jsonl": ["[1]"]}, r"test\.jsonl:1: a list, not an object"),
        ({**NO_TEST, "test.jsonl": ["{"]}, r"test\.jsonl:1: no JSON .*one object on every line"),
        ({**NO_TEST, "test.jsonl": ['{"source": "a"}']}, r"test\.jsonl:1: no key 'target' .*'source'"),
        ({**NO_TEST, "test.jsonl": ['{"source": "a", "target": 3}']}, r"'target' is a number, not a text"),
        ({**NO_TEST, "test.jsonl": rows(1, code="x")}, r"test\.jsonl:1: the key 'code' is one of predictions"),
        (beside("3"), r"test\.tests\.jsonl:2: a number, not an object of fields"),
        (beside('{"text": 1}'), r"jsonl:2: the key 'text' is one of predictions"),
        (beside("[1]"), r'jsonl:2: a test is \{"input": TEXT, "output": TEXT\}, not 1'),
        (beside('{"tests": 1}'), r"jsonl:2: 'tests' is a number, not a list"),
        ({**NO_VAL, "train.src": ["x"] * 20}, "one training input is too few"),
        ({**SMALL, "unlabeled_val.tgt": b""}, r"unlabeled_val\.tgt: empty"),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_file_and_line_with_how_to_mend_it(tmp_path, contents, says):
    with pytest.raises(DataError, match=says):
        load(write(tmp_path, contents))


def test_a_name_that_is_none_is_refused(tmp_path):
    write(tmp_path, {**SMALL, "test a.src": ["a"], "test a.tgt": ["b"]})
    with pytest.raises(DataError, match="no name for a test set: letters"):
        load(tmp_path)
    with pytest.raises(DataError, match=r"has no test set other: other\.jsonl"):
        load(tmp_path, ["other"])
    with pytest.raises(DataError, match="no name for a test set: trains"):
        load(tmp_path, ["train"])


def test_a_folder_that_is_not_there_or_is_a_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no such folder; name the folder that has train\.jsonl"):
        load(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is a file, not a folder"):
        load(tmp_path / "file")


TEXTS = st.text(st.sampled_from("ab(é\u4e2d \n\t$~<"), max_size=30)


@given(TEXTS)
def test_a_text_comes_back_from_its_line(text):
    line = to_line(text)
    assert from_line(line) == text
    assert line == " ".join(line.split())


@given(st.text(max_size=20).filter(lambda text: not {*text} & {*MARKS.values()}))
def test_of_any_text_only_other_blanks_become_blanks(text):
    assert from_line(to_line(text)).split() == text.replace("\r\n", "\n").split()
