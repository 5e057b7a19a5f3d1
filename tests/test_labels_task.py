"""task=labels: generated questions, files of labels and of TREC, and every fault by file and line."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from composed.datamodules import labels
from composed.datamodules.labels.questions import WORDINGS, WORDS, Sizes, generate
from composed.datamodules.text import TextData
from composed.errors import DataError

SIZES = {"train": 200, "val": 40, "test": 60, "ood": 60}
TREC = {
    "train_5500.label": "LOC:city Which  city ?\nHUM:ind Who is \xe9mile ?\nLOC:state Which state ?\n" * 4,
    "TREC_10.label": "HUM:ind Who ?\nNUM:date When ?\n",
}


def load(**settings: Any) -> TextData:
    given = {"folder": None, "tests": None, "labels": "fine", "seed": 0, "sizes": SIZES, **settings}
    return labels.load(given, lambda *_: [])


def write(folder: Path, contents: dict[str, str], encoding: str = "utf-8") -> str:
    for name, content in contents.items():
        (folder / name).write_bytes(content.encode(encoding))
    return str(folder)


def test_generated_questions_are_those_asked_for_and_the_same_for_a_seed():
    data, again, other = load(), load(), load(seed=1)
    sizes = {
        "train": len(data.train),
        "val": len(data.val),
        "test": len(data.tests["id"]),
        "ood": len(data.tests["ood"]),
    }
    assert sizes == SIZES
    assert (data.train, data.tests) == (again.train, again.tests)
    assert data.train != other.train
    assert {*data.train.targets} == {*WORDINGS}
    assert (data.unlabeled, data.unlabeled_val) == (data.train.targets, data.val.targets)
    assert "10 labels" in data.about


def test_no_question_occurs_twice_and_those_out_of_distribution_have_other_wordings():
    data = load()
    splits = [data.train, data.val, *data.tests.values()]
    every = Counter(source for split in splits for source in split.sources)
    assert set(every.values()) == {1}
    first_words = {name: {text.split()[0] for text in data.tests[name].sources} for name in ("id", "ood")}
    assert "who" in first_words["id"] - first_words["ood"]
    assert "name" in first_words["ood"] - first_words["id"]
    for known, others in WORDINGS.values():
        assert not {*known} & {*others}


def test_more_training_questions_leave_those_that_measure_as_they_are():
    few, more = load(), load(sizes={**SIZES, "train": 400})
    assert (few.tests, few.val) == (more.tests, more.val)
    assert few.train.sources == more.train.sources[:200]


def test_coarse_labels_are_the_first_part_of_fine_ones():
    coarse, fine = load(labels="coarse"), load()
    assert coarse.train.sources == fine.train.sources
    assert coarse.train.targets == [label.partition(":")[0] for label in fine.train.targets]


def test_more_questions_than_there_are_are_refused(monkeypatch):
    monkeypatch.setattr(labels.questions, "WORDS", {name: words[:1] for name, words in WORDS.items()})
    with pytest.raises(DataError, match=r"task.sizes.train=200: no more than \d+ different questions"):
        generate(Sizes(200, 1, 1, 1), fine=True, seed=0)


def test_files_of_trec_are_read_as_they_are(tmp_path):
    folder = write(tmp_path, TREC, "latin-1")
    fine, coarse = load(folder=folder), load(folder=folder, labels="coarse")
    splits = (fine.train, fine.val)
    every = [pair for split in splits for pair in zip(split.sources, split.targets, strict=True)]
    assert Counter(every) == Counter(
        {("Which city ?", "LOC:city"): 4, ("Who is émile ?", "HUM:ind"): 4, ("Which state ?", "LOC:state"): 4}
    )
    assert fine.tests["test"].targets == ["HUM:ind", "NUM:date"]
    assert coarse.tests["test"].targets == ["HUM", "NUM"]
    assert {*coarse.unlabeled, *coarse.unlabeled_val} == {"LOC", "HUM"}
    assert any("warning: 1 of 2 gold labels of test are no labels of the training" in note for note in coarse.notes)
    assert {path.name for path in labels.files({"folder": folder, "labels": "fine"})} == {*TREC}


def test_labels_and_texts_between_tabs_are_read(tmp_path):
    contents = {
        "train.tsv": "very good\ta  film\r\nbad\twhat a\tmess\r\n",
        "val.tsv": "bad\tno\n",
        "test.tsv": "bad\tx\n",
        "test-b.tsv": "very good\ty\n",
    }
    data = load(folder=write(tmp_path, contents), labels="coarse")
    assert (data.train.targets, data.train.sources) == (["very good", "bad"], ["a film", "what a mess"])
    assert [*data.tests] == ["test", "test-b"]
    assert data.notes == ()


GOOD = {"train.tsv": "a\tx\nb\ty\n", "val.tsv": "a\tz\n", "test.tsv": "a\tw\n"}


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        ({**GOOD, "train.tsv": "a\tx\nb y\n"}, r"train\.tsv:2: no tab; a line is a label, a tab and a text"),
        ({**GOOD, "train.tsv": "a\tx\n\ty\n"}, r"train\.tsv:2: no label; write one"),
        ({**GOOD, "train.tsv": "a\t \n"}, r"train\.tsv:1: no text"),
        ({**GOOD, "train.tsv": "a\tx\n\nb\ty\n"}, r"train\.tsv:2: no tab"),
        ({**GOOD, "test.tsv": ""}, r"test\.tsv: empty; write a label and a text"),
        ({**GOOD, "train.tsv": "Label\tText\na\tx\n"}, r"train\.tsv:1: .* is a heading, not an example"),
        ({**GOOD, "train_1000.label": "A:b c\n"}, r"train_1000\.label: the split train is in train\.tsv too"),
        ({name: text for name, text in GOOD.items() if name != "test.tsv"}, "has no test set"),
        ({name: text for name, text in GOOD.items() if name != "train.tsv"}, "no training examples: train.tsv"),
        ({**TREC, "train_5500.label": "LOC: Where ?\n"}, r"train_5500\.label:1: 'LOC:' is no label such as LOC:city"),
        ({**TREC, "TREC_10.label": "HUM:ind\n"}, r"TREC_10\.label:1: no text"),
    ],
)
def test_a_fault_is_named_by_file_and_line_with_how_to_mend_it(tmp_path, contents, says):
    with pytest.raises(DataError, match=says):
        load(folder=write(tmp_path, contents))


def test_what_is_not_utf_8_is_told_with_its_line(tmp_path):
    write(tmp_path, GOOD)
    (tmp_path / "val.tsv").write_bytes(b"a\tx\nb\t\xe9\n")
    with pytest.raises(DataError, match=r"val\.tsv:2: not UTF-8"):
        load(folder=str(tmp_path))
