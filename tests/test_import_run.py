"""A checkpoint of fairseq becomes a run: it predicts, is judged, is f or Pi of a training, and goes back."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from composed.cli import evaluate, export, import_run
from composed.datamodules.tokenizers import Tokenizer
from composed.experiment import answer
from composed.runs.folder import RunFolder
from composed.system.files import read_json

HERE = Path(__file__).parent / "fairseq"
CHECKPOINT, DICTIONARY = HERE / "checkpoint.pt", HERE / "data" / "dict.src.txt"
WORDS = (f"task.folder={HERE / 'data'}", "profile=smoke", "judge.workers=1")


def import_(out: Path, *words: str, dictionary: Path = DICTIONARY, checkpoint: Path = CHECKPOINT) -> int:
    return import_run.main(["fairseq", str(checkpoint), str(out), "--dict", str(dictionary), *words])


@pytest.fixture(scope="module")
def run(once) -> Path:
    return once("imported", lambda place: import_(place / "run", "--trust", *WORDS)) / "run"


def test_the_run_says_what_it_is(run):
    config = RunFolder.existing(run).config()
    assert config["model"]["_target_"].endswith("with_fairseq_positions")
    assert {key: config["model"][key] for key in ("width", "layers", "heads", "feedforward", "dropout")} == {
        "width": 16, "layers": 2, "heads": 2, "feedforward": 32, "dropout": 0.1
    }  # fmt: skip
    assert config["finetuning"]["name"] == "imported"
    assert read_json(run / "training.json")["splits"] == ["id", "ood"]
    symbols = [line.split(" ")[0] for line in DICTIONARY.read_text().splitlines()]
    assert list(Tokenizer.load(run / "tokenizer.json").pieces[4:]) == symbols


def test_it_predicts_and_is_judged(run, capsys):
    (row,) = answer.programs(run, ["$ print var_1; $"])
    assert row["own"] == row["base"]
    assert evaluate.main([str(run), "--predict"]) == 0
    assert "imported, replicate 0" in capsys.readouterr().out
    assert read_json(run / "result.json")["verdicts"]["base"]["id"]["n"] == 2


def test_export_and_import_give_the_same_weights_bit_for_bit(run, tmp_path):
    assert export.main(["fairseq", str(run), str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "checkpoint_best.pt", "dict.src.txt", "dict.tgt.txt"
    ]  # fmt: skip
    exported, dictionary = tmp_path / "out" / "checkpoint_best.pt", tmp_path / "out" / "dict.src.txt"
    assert import_(tmp_path / "again", "--trust", *WORDS, dictionary=dictionary, checkpoint=exported) == 0
    first, second = (read_tensors(path / "checkpoints" / "best.safetensors") for path in (run, tmp_path / "again"))
    assert first == second


def read_tensors(path: Path) -> dict[str, bytes]:
    from safetensors.numpy import load_file

    return {name: value.tobytes() for name, value in load_file(path).items()}


@pytest.mark.slow("a whole composed training")
def test_it_is_f_and_pi_of_a_training_that_can_be_exported(run, tmp_path):
    like = yaml.safe_load((run / "overrides.yaml").read_text())
    words = [word for word in like if not word.startswith(("finetuning", "pretraining"))]
    command = [sys.executable, "-m", "composed.cli.train", *words, "finetuning=composed", "pretraining=none",
               f"denoiser={run}", f"finetuning.start_from={run}", "logger=csv"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Pi(f(x))" in done.stdout
    (trained,) = (tmp_path / "runs").glob("sanstype-*")
    assert export.main(["fairseq", str(trained), str(tmp_path / "out")]) == 0
    out = tmp_path / "out"
    assert import_(tmp_path / "f", "--trust", *WORDS, checkpoint=out / "checkpoint_best.pt") == 0
    assert import_(tmp_path / "pi", "--trust", *WORDS, checkpoint=out / "denoiser.pt") == 0
    weights = "checkpoints/best.safetensors"
    assert read_tensors(tmp_path / "f" / weights) == read_tensors(trained / weights)
    assert read_tensors(tmp_path / "pi" / weights) == read_tensors(run / weights)


# -- what is refused, and leaves nothing ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        ((*WORDS,), "--trust", 1),
        (("--trust", *WORDS, "task.folder=nowhere"), "task.folder=nowhere: no such folder", 1),
        (("--trust", *WORDS, "profile=smok"), "profile=smok", 2),
        (("--trust", *WORDS, "--sentencepiece", str(DICTIONARY)), "no model of sentencepiece", 1),
        (("--trust", *WORDS, "--sentencepiece", "none"), "no model of sentencepiece", 1),
    ],
)
def test_a_refusal_says_why_and_leaves_no_folder(tmp_path, capsys, words, said, code):
    assert import_(tmp_path / "out", *words) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_dictionary_that_does_not_match_is_named(tmp_path, capsys):
    shorter = tmp_path / "dict.txt"
    shorter.write_text("".join(DICTIONARY.read_text().splitlines(keepends=True)[:-8]))
    assert import_(tmp_path / "out", "--trust", *WORDS, dictionary=shorter) == 1
    assert "the dictionary 128" in capsys.readouterr().err


def test_data_of_other_words_are_noticed(tmp_path, capsys):
    data = Path(shutil.copytree(HERE / "data", tmp_path / "data"))
    for name in ("dict.src.txt", "dict.tgt.txt"):
        (data / name).write_text("".join(f"x{line}" for line in DICTIONARY.read_text().splitlines(keepends=True)))
    for split in ("test", "ood"):
        (data / f"{split}.out").write_text("1\n1\n")
    assert import_(tmp_path / "out", "--trust", *WORDS[1:], f"task.folder={data}") == 0
    assert "100.0% of the training data's tokens are unknown" in capsys.readouterr().err


def test_a_folder_that_holds_something_stays(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert import_(tmp_path, "--trust", *WORDS) == 2
    assert "holds something already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_words_that_are_no_overrides_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        import_(tmp_path / "out", "--trust", "--nonsense")
    assert "--nonsense" in capsys.readouterr().err
