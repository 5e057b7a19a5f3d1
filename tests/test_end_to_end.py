"""The commands as a user runs them, in processes of their own: from a config to a table, through every mishap.

All tests share one folder of data and one store of denoisers, which the project itself keeps safe from each other.
"""

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from composed.cli import evaluate
from composed.config.options import options
from composed.system.files import read_lines
from tests.commands import BASELINE, ENVIRONMENT, LONG, command, end, result, run_folders, same_bits, start, wait_for

# The others of this file are what `make test` has of whole commands, beside tests/acceptance.
long = pytest.mark.slow("whole trainings in processes of their own, most of them several")


@pytest.fixture
def trained(once, settings) -> Path:
    """A finished composed run."""

    def make(place: Path) -> None:
        ended = command("train", *settings, "finetuning=composed", cwd=place)
        assert ended.returncode == 0, ended.stderr

    (folder,) = run_folders(once("composed", make) / "runs")
    return folder


@long
def test_every_mode_trains_is_judged_and_stands_in_the_table(train, tmp_path):
    train("-m", "finetuning=glob(*)")
    folders = run_folders(tmp_path / "runs")
    assert len(folders) == len(options("finetuning"))
    for folder in folders:
        counts = result(folder)["verdicts"]
        for split in ("id", "ood"):
            predictions = list(read_lines(folder / f"predictions-{split}.jsonl"))
            verdicts = list(read_lines(folder / f"verdicts-{split}.jsonl"))
            assert [row["id"] for row in verdicts] == [row["id"] for row in predictions]
            assert len({row["id"] for row in predictions}) == len(predictions)
            for output in ("base", "composition"):
                assert sum(row["output"] == output for row in predictions) == counts[output][split]["n"] == 8
                assert sum(counts[output][split].values()) == 2 * 8
        assert (folder / "environment.json").exists()
        assert (folder / "csv/metrics.csv").exists()
    reported = command("report", "runs", "--out", "report", "--programs", "3", cwd=tmp_path)
    assert reported.returncode == 0, reported.stderr
    for row in ("baseline + test-time denoiser", "standard + test-time denoiser", "composed, base predictor alone"):
        assert row in reported.stdout
    assert {path.name for path in (tmp_path / "report").iterdir()} >= {
        "table.md",
        "table.csv",
        "table.tex",
        "table.png",
    }


@long
def test_spoc_runs_on_the_tiny_release_of_the_project(train, tmp_path):
    train("-m", "task=spoc", "finetuning=baseline,composed")
    for folder in run_folders(tmp_path / "runs"):
        found = result(folder)
        assert "trained on the training part; the denoiser learns from the same programs" in found["title"]
        assert "ID is testw, OOD is testp; the judge accepts" in found["title"]
        assert "the judge accepts 100.0% of the gold programs of OOD" in found["title"]
        assert found["gold"]["id"] == {**dict.fromkeys(found["gold"]["id"], 0), "n": 4, "correct": 4}
        assert {split: of["n"] for split, of in found["verdicts"]["base"].items()} == {"id": 4, "ood": 4}
        row = next(read_lines(folder / "predictions-id.jsonl"))
        assert len(row["tests"]) == 2  # the hidden ones
    assert command("report", "runs", "--out", "report", cwd=tmp_path).returncode == 0


@long
def test_the_same_command_twice_gives_the_same_numbers_programs_and_weights(train, one):
    train("runs=first", PYTHONHASHSEED="1")
    train("runs=second", PYTHONHASHSEED="2")
    first, second = one("first"), one("second")
    assert result(first) == result(second)
    assert same_bits(first, second)
    for split in ("id", "ood"):
        name = f"predictions-{split}.jsonl"
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_finished_run_predicts_and_its_words_are_checked(trained, tmp_path):
    source = next(read_lines(trained / "predictions-id.jsonl"))["source"]

    def predict(text: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [Path(sys.executable).with_name("composed-predict"), str(trained), *options]
        return subprocess.run(
            command, input=text, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )

    rows = [row for row in read_lines(trained / "predictions-id.jsonl") if row["source"] == source]
    texts = {row["output"]: " ".join(row["text"].replace("$", " ").replace("~", " ").split()) for row in rows}
    found = predict(f"{source}\n{source}\n", "--show-base", "--judge")
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines() == [texts["composition"]] * 2
    assert f"2: f(x)  {texts['base']}".strip() in found.stderr
    refused = predict("fly var_0 to 3;\n")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "line 1 of the input: no such words in the training data: fly" in refused.stderr
    assert result(trained)["quality"].keys() >= {"repaired %", "gold changed %"}


@long
def test_settings_can_be_chosen_on_programs_that_no_table_shows(trained, tmp_path):
    def judged(*words: str) -> subprocess.CompletedProcess[str]:
        script = Path(__file__).parents[1] / "scripts" / "judge_development.py"
        call = [sys.executable, str(script), str(trained), "--out", "development", "--programs", "12", *words]
        return subprocess.run(call, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)

    done = judged()
    assert done.returncode == 0, done.stderr
    (copy,) = run_folders(tmp_path / "development")
    assert result(copy)["title"].endswith("12 development programs of each kind")
    for split in ("id", "ood"):
        known = {row["target"] for row in read_lines(trained / f"predictions-{split}.jsonl")}
        shown = [row["target"] for row in read_lines(copy / f"predictions-{split}.jsonl") if row["output"] == "base"]
        assert len(shown) == result(copy)["verdicts"]["base"][split]["n"] == 12
        assert known.isdisjoint(shown)
    assert "choose another" in judged("--seed", "0").stderr


@long
def test_a_finished_run_is_not_run_again_unless_asked_to(train, one):
    train(*BASELINE)
    written = (one() / "result.json").stat().st_mtime_ns
    again = train(*BASELINE)
    assert "is finished already (redo=true runs it again)" in again.stderr
    assert (one() / "result.json").stat().st_mtime_ns == written
    redone = train(*BASELINE, "redo=true")
    assert "finished already" not in redone.stderr
    assert (one() / "result.json").stat().st_mtime_ns > written


@long
def test_a_signal_ends_with_the_command_that_goes_on_to_the_same_weights(train, settings, one, tmp_path):
    train(*LONG, *BASELINE, "runs=whole")
    arguments = [*settings, *LONG, *BASELINE, "runs=parts"]
    for number, rows in ((signal.SIGINT, 3), (signal.SIGTERM, 9)):
        process = start("train", *arguments, cwd=tmp_path)
        wait_for(process, tmp_path / "parts", rows)
        process.send_signal(number)
        stopped = end(process)
        assert stopped.returncode == 128 + number, stopped.stderr
        assert re.search(r"stopped after update \d+ of 240; saved .*last.ckpt", stopped.stderr)
        assert "Traceback" not in stopped.stderr
        name, *arguments = shlex.split(stopped.stderr.splitlines()[-1])
        assert name == "composed-train"
    went_on = command("train", *arguments, cwd=tmp_path)
    assert went_on.returncode == 0, went_on.stderr
    assert "resuming after" in went_on.stderr
    assert same_bits(one("whole"), one("parts"))


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=long)])
def test_a_signal_while_data_is_made_leaves_nothing_half_done(settings, tmp_path, number):
    arguments = [*settings, *BASELINE, "task.data=new", "task.sizes.train=400"]
    process = start("train", *arguments, cwd=tmp_path)
    for line in process.stderr:  # type: ignore[union-attr]
        if "gold programs" in line:
            break
    process.send_signal(number)
    stopped = end(process)
    assert stopped.returncode == 128 + number
    assert "Traceback" not in stopped.stderr
    assert "go on with the same command:\n  composed-train profile=smoke" in stopped.stderr
    assert not [path for path in (tmp_path / "new").iterdir() if not path.name.startswith(".")]


@long
def test_two_processes_train_a_denoiser_once(settings, tmp_path):
    arguments = [*settings, "finetuning=standard", "store=store"]
    processes = [start("train", *arguments, f"seed={seed}", cwd=tmp_path) for seed in (0, 1)]
    ended = [end(process) for process in processes]
    assert [each.returncode for each in ended] == [0, 0], ended
    assert sum("\ntraining the denoiser" in each.stderr for each in ended) == 1
    assert len(list((tmp_path / "store").glob("denoiser-*/done.json"))) == 1


def test_a_denoiser_that_may_not_be_trained_names_the_command_that_does(train, tmp_path):
    refused = train("finetuning=standard", "store=empty", "denoiser=store", code=1)
    made = shlex.split(refused.stderr.splitlines()[-1])
    assert made[0] == "composed-train"
    assert {"store=empty", "finetuning=standard", "denoiser=auto"} <= set(made)
    assert "denoiser=store" not in made
    assert not (tmp_path / "empty").exists()


def test_an_evaluation_that_fails_keeps_the_training(trained, train, one, tmp_path, monkeypatch):
    """No compiler, but data: the judge fails. The training stays, and both ways to go on finish it."""
    failed = train(*BASELINE, code=1, PATH="/nowhere")
    folder = one()
    assert f"composed-evaluate {folder.relative_to(tmp_path)}" in failed.stderr
    assert not (folder / "result.json").exists()
    trained = (folder / "checkpoints/last.ckpt").stat().st_mtime_ns
    monkeypatch.chdir(tmp_path)
    assert evaluate.main([str(folder)]) == 0
    counts = result(folder)["verdicts"]
    (folder / "result.json").unlink()
    train(*BASELINE)
    assert result(folder)["verdicts"] == counts
    predictions = (folder / "predictions-id.jsonl").read_bytes()
    assert evaluate.main(["--predict", str(folder)]) == 0
    assert (folder / "predictions-id.jsonl").read_bytes() == predictions
    assert (folder / "checkpoints/last.ckpt").stat().st_mtime_ns == trained


@long
def test_a_failing_job_of_a_sweep_leaves_the_others_and_the_exit_code_tells(train):
    failed = train("-m", "finetuning=baseline,standard", "store=empty", "denoiser=auto,/dev/null", code=1)
    assert len(re.findall("denoiser=/dev/null: cannot read the weights", failed.stderr)) == 2
    assert "error: 2 of the runs failed:" in failed.stderr
    assert failed.stdout.count("correct") == 2 * 4


def test_wandb_is_offline_silent_and_ends(train, one):
    """No account, no prompt, no network: what it writes lies in the run folder."""
    ended = train(*BASELINE, "logger=wandb", HOME="/proc/nowhere", WANDB_BASE_URL="http://127.0.0.1:9")
    assert len(list((one() / "wandb").glob("offline-run-*/*.wandb"))) == 1
    assert "wandb" not in ended.stderr.lower()
    assert "    f(x) " in ended.stderr  # a sample of predictions
    assert "next:\n  composed-report runs" in ended.stderr


@long
def test_several_processes_train_as_one(train, one):
    """Data-parallel on the CPU, the denoiser and the fine-tuning: one process speaks and writes."""
    several = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "store=store")
    said = train(*several)
    assert said.stdout.count("correct") == 4
    assert said.stderr.count("training the denoiser") == 1
    rows = list(read_lines(one() / "metrics.jsonl"))
    assert [row["update"] for row in rows if row["split"] == "validation"] == [12, 24]


@long
def test_a_trained_run_is_decoded_in_other_ways_without_training_again(train, tmp_path):
    """By `composed-train` and by `composed-evaluate` alike: the same folder, whichever comes first."""
    train("finetuning=composed", "decoding=beam")
    searched, greedy = sorted(
        run_folders(tmp_path / "runs"), key=lambda folder: (folder / "checkpoints" / "best.safetensors").exists()
    )
    assert not (searched / "checkpoints").exists()
    assert not (searched / "metrics.jsonl").exists()
    asked = ("--decoding", "beam", "decoding.beams=4")
    again = command("evaluate", "runs/" + greedy.name, *asked, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"runs/{searched.name} is finished already" in again.stderr
    for words in (["sample_vote", "decoding.samples=3"], ["resample"], ["constrained"]):
        decoded = command("evaluate", str(searched), "--decoding", *words, cwd=tmp_path)  # its weights are the greedy's
        assert decoded.returncode == 0, decoded.stderr
    folders = run_folders(tmp_path / "runs")
    assert len(folders) == 5
    for folder in folders:
        assert {row["output"] for row in read_lines(folder / "predictions-id.jsonl")} == {"base", "composition"}
        shares = result(folder)["values"]["composition"]["id"]
        if "Constrained" in (folder / "config.yaml").read_text():
            assert shares["compile error"] == 0
    before = (greedy / "training.json").stat().st_mtime
    found = train("finetuning=composed", "decoding=sample_vote", "decoding.samples=3")
    assert "is finished already" in found.stderr
    train("finetuning=composed", "decoding=beam", "decoding.beams=2")
    assert len(run_folders(tmp_path / "runs")) == 6
    assert (greedy / "training.json").stat().st_mtime == before
    reported = command("report", "runs", "--out", "report", cwd=tmp_path)
    for row in ("composed", "composed, beam 2", "composed, beam 4", "composed, vote 3", "composed, constrained"):
        assert f"\n{row}  " in reported.stdout
    said = command("predict", f"runs/{searched.name}", cwd=tmp_path, input="set var_1 to 3; print var_1;\n")
    assert said.returncode == 0, said.stderr
    assert command("export", "safetensors", f"runs/{searched.name}", "out", cwd=tmp_path).returncode == 0
    greedy.rename(tmp_path / "elsewhere")
    lost = command("export", "safetensors", f"runs/{searched.name}", "more", cwd=tmp_path)
    assert f"was decoded with the weights of {greedy.name}, which is not beside it any more" in lost.stderr


@long
def test_beams_are_the_same_with_and_without_compiled_code(train, tmp_path):
    train("finetuning=baseline", "pretraining=none", "decoding=beam", "schedules.scratch.updates=60", "runs=one")
    (greedy,) = (folder for folder in run_folders(tmp_path / "one") if (folder / "checkpoints").exists())
    asked = ("--decoding", "beam", "--predict")
    (tmp_path / "two").mkdir()
    greedy.rename(tmp_path / "two" / greedy.name)
    ended = command("evaluate", f"two/{greedy.name}", *asked, cwd=tmp_path, COMPOSED_NATIVE="0")
    assert ended.returncode == 0, ended.stderr
    (first,), (second,) = (
        [folder for folder in run_folders(tmp_path / runs) if folder.name != greedy.name] for runs in ("one", "two")
    )
    assert first.name == second.name
    for split in ("id", "ood"):
        name = f"predictions-{split}.jsonl"
        assert (first / name).read_text() == (second / name).read_text()
