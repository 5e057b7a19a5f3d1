"""What trains and what is judged, with all of the release and with parts of it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from composed import judges
from composed.datamodules.spoc import load, sample
from composed.datamodules.spoc.release import PARTS, Skipped, read
from composed.datamodules.text import TextData
from composed.datamodules.tokenizers import train
from composed.errors import DataError

ANY = {"train": None, "val": None, "test": None}
SETTINGS = {
    "folder": None,
    "seed": 0,
    "cases": "all",
    "unannotated": "code",
    "unlabeled": None,
    "skip_bad": False,
    "longest": ANY,
    "at_most": ANY,
}
RELEASE = Path(__file__).parents[2] / "shared" / "data" / "spoc"


@pytest.fixture
def folder(tmp_path) -> Path:
    return sample.prepare(tmp_path)


def data(folder: Path, **changes: Any) -> TextData:
    return load({**SETTINGS, "folder": str(folder), **changes}, None)  # type: ignore[arg-type]


def sizes(found: TextData) -> dict[str, int]:
    return {"train": len(found.train), "val": len(found.val), **{name: len(of) for name, of in found.tests.items()}}


def test_the_whole_release_is_split_as_published(folder):
    found = data(folder)
    assert sizes(found) == {"train": 8, "val": 2, "id": 4, "ood": 4}
    same = "the denoiser learns from the same programs, there are no unlabeled ones"
    assert found.about == f"trained on the training part; {same}; ID is testw, OOD is testp"
    assert found.notes == ()
    assert found.unlabeled == list(dict.fromkeys(found.train.targets))
    assert len(found.unlabeled) == 6  # two programs have two writers each


def test_without_the_training_part_its_other_parts_train(folder):
    (folder / PARTS["train"]).unlink()
    found = data(folder)
    assert sizes(found)["train"] + sizes(found)["val"] == 4
    assert set(found.train.targets).isdisjoint(found.val.targets)  # a submission is on one side, whoever wrote about it
    assert found.about.startswith("trained on the eval and test parts, without the training part")
    assert PARTS["train"] in found.notes[0]
    assert f"scripts/download_spoc.sh {folder}" in found.notes[0]


def test_the_unsplit_training_file_is_cut_by_what_the_other_parts_have(folder):
    texts = [(folder / PARTS[name]).read_text().split("\n", 1) for name in ("train", "eval", "test")]
    (folder / PARTS["all"]).write_text(texts[0][0] + "\n" + "".join(body for _, body in texts))
    expected = data(folder).train
    (folder / PARTS["train"]).unlink()
    assert data(folder).train == expected


def test_without_testp_the_problems_that_training_lacks_are_the_new_ones(folder):
    (folder / PARTS["testp"]).unlink()
    (folder / PARTS["train"]).write_text(
        "\n".join(row for row in (folder / PARTS["train"]).read_text().split("\n") if "\t1A\t" not in row)
    )
    found = data(folder)
    assert sizes(found) == {"train": 7, "val": 2, "id": 3, "ood": 1}
    assert "a plus b" in found.tests["ood"].sources[0]
    assert "without testp" in found.about


def test_a_problem_of_which_training_keeps_no_program_is_a_new_one(folder):
    (folder / PARTS["testp"]).unlink()
    (folder / PARTS["train"]).write_text(
        "\n".join(row for row in (folder / PARTS["train"]).read_text().split("\n") if "\t1A\t" not in row)
    )
    programs = read(folder / PARTS["train"], Skipped(False))
    judged = {one.target: one.key.problem for one in read(folder / PARTS["testw"], Skipped(False))}
    new = []
    for longest in sorted({len(one.target) for one in programs})[1:]:
        trained = {one.key.problem for one in programs if len(one.target) <= longest}
        if trained & {*judged.values()}:
            found = data(folder, longest={**ANY, "train": longest})
            assert {judged[target] for target in found.tests["id"].targets} <= trained
            assert {judged[target] for target in found.tests["ood"].targets}.isdisjoint(trained)
            new.append(sizes(found)["ood"])
    assert len({*new}) > 1


def test_lengths_and_numbers_are_limited_by_draws_that_repeat(folder):
    most = {"train": 3, "val": None, "test": 2}
    found = data(folder, at_most=most, longest={**ANY, "train": 200})
    assert sizes(found) == {"train": 3, "val": 2, "id": 2, "ood": 2}
    assert max(map(len, found.train.targets)) <= 200 < max(map(len, data(folder).train.targets))
    again = data(folder, at_most=most, longest={**ANY, "train": 200})
    assert (again.train, again.val, again.tests) == (found.train, found.val, found.tests)
    other = data(folder, at_most={**most, "val": 1}, longest={**ANY, "train": 200}, seed=1)
    assert other.tests == found.tests  # every replicate is tested on the same programs
    assert other.train != found.train


def test_a_part_without_programs_is_refused_before_anything_is_trained(folder):
    for name in ("train", "val", "test"):
        split = {"test": "id"}.get(name, name)
        with pytest.raises(DataError, match=f"no program is left for {split} .*raise task.longest"):
            data(folder, longest={**ANY, name: 1})
    (folder / PARTS["testp"]).unlink()  # training has all problems of testw
    with pytest.raises(DataError, match=r"no program is left for ood .*without testp.*download_spoc"):
        data(folder)


@pytest.mark.parametrize(("which", "count"), [("all", 3), ("public", 1), ("hidden", 2)])
def test_tests_are_those_asked_for(folder, which, count):
    assert {len(tests) for tests in data(folder, cases=which).tests["id"].tests} == {count}


def test_a_problem_without_cases_is_named_or_left_out(folder):
    shutil.rmtree(folder / "testcases" / "1A")
    with pytest.raises(DataError, match=r"test[pw]\.tsv:\d+: a program of problem 1A, .*1A_testcases\.txt: No such"):
        data(folder)
    found = data(folder, skip_bad=True)
    assert sizes(found)["id"] == 3
    assert "1 bad programs or problems left out" in found.notes[-1]


def test_unlabeled_programs_of_ones_own_join(folder, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.cpp").write_text("int main() { return 7; }\n")
    found = data(folder, unlabeled=str(tmp_path / "own"))
    assert found.unlabeled[-1] == "int main ( ) { return 7 ; }"
    assert found.about == "trained on the training part; ID is testw, OOD is testp"


def test_folders_without_data_are_named(tmp_path):
    with pytest.raises(DataError, match="no such folder; get the release with scripts/download_spoc"):
        data(tmp_path / "none")
    with pytest.raises(DataError, match="has no programs to train on"):
        data(tmp_path)


def test_every_program_of_the_sample_is_right_after_a_round_trip(folder):
    found = data(folder)
    tokenizer = train("bpe_bytes", [*found.train.sources, *found.train.targets], 400)
    programs = [
        judges.Program(f"{name}-{row}", found.as_output(tokenizer.decode(tokenizer.encode(target))), tests)
        for name, split in found.tests.items()
        for row, (target, pairs) in enumerate(zip(split.targets, split.tests, strict=True))
        for tests in [tuple(judges.Test(*pair) for pair in pairs)]
    ]
    verdicts = judges.judge(programs, compare="tokens")
    assert {verdict.id: verdict.diagnostics for verdict in verdicts if verdict.verdict != "correct"} == {}


@pytest.mark.shared
def test_the_published_parts_have_their_sizes_and_survive_tokenization():
    if not RELEASE.is_dir():
        pytest.skip(f"no release in {RELEASE}")
    found = data(RELEASE)
    assert sizes(found) == {"train": 2884, "val": 151, "id": 448, "ood": 1301}
    tokenizer = train("bpe_bytes", [*found.train.sources, *found.train.targets], 10_000)
    for split in (found.train, found.val, *found.tests.values()):
        for line in (*split.sources, *split.targets):
            assert tokenizer.decode(tokenizer.encode(line)) == line
