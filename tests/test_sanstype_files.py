import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from composed.datamodules.sanstype.files import PRELUDE, Sizes, prepare, read, to_cpp
from composed.datamodules.sanstype.grammar import Grammar
from composed.errors import DataError

SIZES = Sizes(train=30, val=10, test=10, ood=10, unlabeled=60, unlabeled_val=10)
PAPER = Grammar()
LABELED = ("train", "val", "test", "ood")


@dataclass
class Ran:
    verdict: str
    printed: tuple[bytes, ...]
    diagnostics: str = ""


class Execute:
    """Stands in for the compiler: a program prints the length of its code and of its input."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], list[list[str]]]] = []

    def __call__(self, codes: list[str], inputs: list[list[str]]) -> list[Ran]:
        self.calls.append((codes, inputs))
        pairs = zip(codes, inputs, strict=True)
        return [Ran("correct", tuple(f"{len(code)} {len(text)}".encode() for text in texts)) for code, texts in pairs]


def make(
    root: Path, *, sizes: Sizes = SIZES, grammar: Grammar = PAPER, inputs: int = 8, seed: int = 0, execute=None
) -> Path:
    return prepare(root, sizes=sizes, grammar=grammar, inputs=inputs, seed=seed, execute=execute or Execute())


def must_not_run(codes, inputs):
    raise AssertionError("the data was there already")


def test_what_is_prepared_can_be_read(tmp_path):
    execute = Execute()
    folder = make(tmp_path, execute=execute)
    splits = {name: read(folder, name) for name in LABELED}
    assert {name: len(split.targets) for name, split in splits.items()} == dict(train=30, val=10, test=10, ood=10)
    for split, (codes, inputs) in zip(
        (splits[name] for name in ("test", "ood", "val", "train")), execute.calls, strict=True
    ):
        assert codes == [to_cpp(line) for line in split.targets]
        assert inputs == [[given for given, _ in tests] for tests in split.tests]
        for code, tests in zip(codes, split.tests, strict=True):
            for given, printed in tests:
                assert printed == f"{len(code)} {len(given)}"
                assert given == "" or given.endswith("\n")
                assert given.count("\n") == code.count("cin >>")


def test_only_programs_that_read_have_several_inputs_and_one_more_changes_no_program(tmp_path):
    one, eight = (read(make(tmp_path, sizes=replace(SIZES, test=200), inputs=count), "test") for count in (1, 8))
    assert (one.sources, one.targets) == (eight.sources, eight.targets)
    assert [tests[:1] for tests in eight.tests] == one.tests
    counts = [len({given for given, _ in tests}) for tests in eight.tests]
    assert counts == [len(tests) for tests in eight.tests]  # no input twice
    assert [count == 1 for count in counts] == ["cin" not in target for target in eight.targets]
    assert set(counts) == {1, 2, 4, 8}  # one boolean has two inputs, two have four


def test_unlabeled_splits_are_programs_alone(tmp_path):
    folder = make(tmp_path)
    for name, size in (("unlabeled", 60), ("unlabeled_val", 10)):
        split = read(folder, name)
        assert len(split.targets) == size
        assert split.sources == split.tests == []
        assert {path.suffix for path in folder.glob(f"{name}.*")} == {".tgt"}


def test_no_source_and_no_program_occurs_twice_in_all_splits(tmp_path):
    sizes = Sizes(train=300, val=300, test=300, ood=300, unlabeled=3000, unlabeled_val=300)
    folder = make(tmp_path, sizes=sizes, grammar=Grammar(max_variables=1, max_rounds=1))
    splits = [read(folder, name) for name in (*LABELED, "unlabeled", "unlabeled_val")]
    sources = [source for split in splits for source in split.sources]
    targets = [target for split in splits for target in split.targets]
    assert len(set(sources)) == len(sources) == 1200
    assert len(set(targets)) == len(targets) == 4500


def test_splits_that_measure_do_not_depend_on_the_sizes_of_those_that_train(tmp_path):
    grammar = Grammar(max_variables=1, max_rounds=1)
    small = make(tmp_path, grammar=grammar, sizes=replace(SIZES, val=300, test=300, ood=300))
    large = make(tmp_path, grammar=grammar, sizes=replace(SIZES, val=300, test=300, ood=300, train=900, unlabeled=900))
    for name in ("val", "test", "ood", "unlabeled_val"):
        assert read(small, name) == read(large, name)
    for name, size in (("train", 30), ("unlabeled", 60)):
        assert read(large, name).targets[:size] == read(small, name).targets


def test_prepared_data_is_used_again_without_running_anything(tmp_path):
    assert make(tmp_path) == make(tmp_path, execute=must_not_run)


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"sizes": replace(SIZES, train=31)}, {"grammar": Grammar(max_rounds=3)}, {"inputs": 1}],
    ids=str,
)
def test_other_settings_are_another_folder(other, tmp_path):
    assert make(tmp_path) != make(tmp_path, **other)


def test_the_same_settings_give_the_same_bytes_until_the_version_is_raised(tmp_path):
    folder = make(tmp_path)
    assert folder.name == "sanstype-d55279bad1"
    assert hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()[:16] == "5684be249fe0bd6e"


@pytest.mark.parametrize("name", ["val.src", "unlabeled.tgt", "test.tests.jsonl", "manifest.json"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-2])])
def test_a_damaged_folder_is_refused_with_the_file_and_the_way_to_mend(name, damage, tmp_path):
    folder = make(tmp_path)
    damage(folder / name)
    with pytest.raises(DataError, match=rf"{folder / name}: .*delete the folder {folder}"):
        make(tmp_path)


def test_a_failing_gold_program_is_refused_and_leaves_nothing_behind(tmp_path):
    def execute(codes, inputs):
        outcomes = Execute()(codes, inputs)
        if len(codes) == 30:
            outcomes[6] = Ran("compile_error", (), "error: no such thing")
        return outcomes

    with pytest.raises(DataError, match=r"split train, line 7: (.|\n)*compile_error(.|\n)*error: no such thing"):
        make(tmp_path, execute=execute)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
    assert read(make(tmp_path), "train").tests


def test_what_a_killed_process_left_is_replaced(tmp_path):
    folder = make(tmp_path)
    partial = tmp_path / f".{folder.name}.partial"
    folder.rename(partial)
    (partial / "train.tgt").write_text("half a li")
    assert make(tmp_path) == folder
    assert len(read(folder, "train").targets) == 30
    assert not partial.exists()


def test_of_many_that_prepare_the_same_data_one_does(tmp_path):
    execute = Execute()
    barrier = threading.Barrier(4)

    def prepare_together(_: int) -> Path:
        barrier.wait(timeout=300)
        return make(tmp_path, execute=execute)

    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(prepare_together, range(4)))
    assert len(folders) == 1
    assert len(execute.calls) == len(LABELED)


def write(folder: Path, **contents: str | bytes) -> Path:
    """A folder in the published format with a split of two examples, some of its files replaced."""
    files = {"src": " $ a;  $ \n $ b;  $ \n", "tgt": "a $ b\nc $ d\n", "inp": "1\tx y\n\n", "out": "1\n2\n"} | contents
    for suffix, content in files.items():
        (folder / f"train.{suffix}").write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_the_published_format_is_read_without_a_manifest(tmp_path):
    split = read(write(tmp_path), "train")
    assert split.sources == [" $ a;  $ ", " $ b;  $ "]
    assert split.targets == ["a $ b", "c $ d"]
    assert split.tests == [[("1\nx y\n", "1")], [("", "2")]]


def test_tests_may_have_several_lines(tmp_path):
    write(tmp_path)
    for suffix in ("inp", "out"):
        (tmp_path / f"train.{suffix}").unlink()
    path = tmp_path / "train.tests.jsonl"
    path.write_text('{"input": "1\\n2\\n", "output": "3\\n"}\n{"output": "", "input": ""}\n')
    assert read(tmp_path, "train").tests == [[("1\n2\n", "3\n")], [("", "")]]
    path.write_text('[{"input": "1", "output": "2"}, {"input": "", "output": "0"}]\n[{"input": "", "output": ""}]\n')
    assert read(tmp_path, "train").tests == [[("1", "2"), ("", "0")], [("", "")]]
    for line, answer in (
        ('{"input": "1"}', r'train.tests.jsonl:2: expected {"input": TEXT, "output": TEXT}'),
        ('{"input": "1", "output": 2}', r"train.tests.jsonl:2: expected"),
        ("1", r"train.tests.jsonl:2: expected"),
        ('[{"input": "1"}]', r"train.tests.jsonl:2: expected .*, or a list of these"),
        ("[]", r"train.tests.jsonl:2: no test"),
        ("{", r"train.tests.jsonl:2: no JSON"),
        ("", r"train.tests.jsonl:2: no JSON"),
    ):
        path.write_text(f'{{"input": "", "output": ""}}\n{line}\n')
        with pytest.raises(DataError, match=answer):
            read(tmp_path, "train")
    path.write_text('{"input": "", "output": ""}\n')
    with pytest.raises(DataError, match=r"train.tests.jsonl:1: the last line, but train.tgt has 2"):
        read(tmp_path, "train")


def test_files_of_windows_are_the_same_examples(tmp_path):
    there = read(write(tmp_path), "train")
    for path in tmp_path.iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read(tmp_path, "train") == there


def test_only_a_newline_ends_a_line(tmp_path):
    assert read(write(tmp_path, tgt="a\u2028b\x0b\nc\rd"), "train").targets == ["a\u2028b\x0b", "c\rd"]


@pytest.mark.parametrize(
    ("contents", "place"),
    [
        ({"src": "a\n"}, r"train.src:1: .*train.tgt has 2"),
        ({"out": "1\n2\n3\n"}, r"train.out:3: .*train.tgt has 2"),
        ({"inp": ""}, r"train.inp:0: .*train.tgt has 2"),
        ({"tgt": b"a\n\xff\n"}, r"train.tgt:2: not UTF-8"),
        ({"out": b"1\n2\xc3\n"}, r"train.out:2: not UTF-8"),
        ({"tgt": "a\n \n"}, r"train.tgt:2: empty"),
        ({"src": "\nb\n"}, r"train.src:1: empty"),
    ],
)
def test_a_malformed_folder_is_refused_with_file_and_line(contents, place, tmp_path):
    with pytest.raises(DataError, match=place):
        read(write(tmp_path, **contents), "train")


@pytest.mark.parametrize("suffix", ["src", "tgt", "inp", "out"])
def test_a_missing_file_is_refused_by_name(suffix, tmp_path):
    (write(tmp_path) / f"train.{suffix}").unlink()
    with pytest.raises(DataError, match=f"train.{suffix}: No such file"):
        read(tmp_path, "train")


def test_code_is_the_line_without_the_marks_of_the_format():
    assert to_cpp("int main () { $ ~ #<unk> = 1 ; }") == PRELUDE + "int main () {   \t  unk = 1 ; }"
    assert PRELUDE == "#include <bits/stdc++.h>\n#include <string>\nusing namespace std;\n\n"


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        ('string s = "#" ;', r"`#`, `\$` and `~` stand for .* \\043"),
        ("char c = '$' ;", r"`#`, `\$` and `~` stand for .* \\044"),
        ('cout << "\\"~" ;', r"`#`, `\$` and `~` stand for .* \\176"),
        ('cout << "a  b" ;', r"blanks side by side become one, in literals too; write \\040"),
        ('cout << "a\tb" ;', r"blanks side by side become one, in literals too; .* \\t for a tab"),
        ("#define x 1", "`#` stands for a blank, .* no directives"),
        ("int x = ~ y ;", r".*write `compl` for the operator in .*int x = ~ y"),
        ("cout << ( 1 + ~ x ) ;", ".*write `compl`"),
        ("return ~ x ;", ".*write `compl`"),
    ],
)
@pytest.mark.parametrize("split", ["train", "unlabeled"])
def test_a_program_that_would_become_another_one_is_refused(tmp_path, program, answer, split):
    write(tmp_path, tgt=f"a $ b\n{program}\n")
    (tmp_path / "train.tgt").rename(tmp_path / f"{split}.tgt")
    with pytest.raises(DataError, match=rf"{split}\.tgt:2: {answer}"):
        read(tmp_path, split)


@pytest.mark.parametrize(
    "program",
    [
        r'string s = "\043 \044\176 one blank" ; $ int x = compl y ;',
        "while ( a ) { ~ b ; ~ ~ c ; } ~ d ; $ ~ e ; $ if ( a ) ~ b ; else ~ c ;",
        "~ ~ it's  one",
    ],
)
def test_marks_where_the_format_has_them_are_read(tmp_path, program):
    assert read(write(tmp_path, tgt=f"a $ b\n{program}\n"), "train").targets[1] == program


def test_the_manifest_tells_the_settings(tmp_path):
    settings = json.loads((make(tmp_path, seed=4) / "manifest.json").read_text())["settings"]
    assert settings["seed"] == 4
    assert settings["sizes"]["train"] == 30
    assert settings["grammar"] == {"max_variables": 3, "max_rounds": 4}


@pytest.mark.shared
@pytest.mark.parametrize(("split", "size", "silent"), [("train", 1000, 298), ("val", 500, 144)])
def test_the_published_data_is_read(split, size, silent):
    folder = Path(__file__).parents[2] / "shared" / "data" / "sanstype_reference"
    if not folder.is_dir():
        pytest.skip(f"no reference data in {folder}")
    data = read(folder, split)
    assert len(data.sources) == len(data.targets) == len(data.tests) == size
    assert [given for ((given, _),) in data.tests].count("") == silent
