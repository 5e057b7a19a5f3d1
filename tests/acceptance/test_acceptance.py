"""What a user is promised, each promise a command as it is typed. Those that take long are marked `slow`.

One smoke-size `make demo` without a network is what most of them look at. `make` takes this environment as it is.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from composed.config.options import CONF, options
from composed.experiment.evaluate import metrics
from composed.runs.result import Result
from tests.commands import ENVIRONMENT, command, end, result, run_folders, start
from tests.test_wandb_process import read_back

ROOT = Path(__file__).parents[2]
SMOKE = ("profile=smoke", "logger=csv")
BASELINE = (*SMOKE, "finetuning=baseline", "pretraining=none")
# What any task and mode may log of a training: a name means the same in all of them.
NAMES = {
    *("training/loss", "training/composed_loss", "training/denoising_loss"),
    *("training/anchor", "training/penalty", "training/lr"),
    *("validation/loss", "validation/composed_loss", "validation/selection"),
}
long = pytest.mark.slow("several whole commands each, up to minutes")


def workplace(place: Path) -> Path:
    """A folder where `make` finds its file and this environment."""
    place.mkdir(exist_ok=True)
    shutil.copy(ROOT / "Makefile", place)
    (place / "scripts").symlink_to(ROOT / "scripts")
    (place / "conf").symlink_to(CONF)
    (place / ".venv").symlink_to(sys.prefix)
    return place


def make(place: Path, *words: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """`make WORDS`, without installing again; both outputs are in `stdout`."""
    return subprocess.run(
        [*prefix, "make", "-o", ".venv/.installed", "-o", ".venv/.extras", *words],
        cwd=place,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def demo(once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """Where `make demo PROFILE=smoke` was called; what it said is in demo.txt."""
    return once("demo", show)


def show(place: Path) -> None:
    """With no network, no account and nobody to ask."""
    workplace(place)
    alone = ("unshare", "--net", "--map-root-user")
    can = subprocess.run([*alone, "true"], capture_output=True, check=False).returncode == 0
    done = make(place, "demo", "PROFILE=smoke", prefix=alone if can else ())
    (place / "demo.txt").write_text(done.stdout)
    assert done.returncode == 0, done.stdout


def logged(folder: Path) -> set[str]:
    """The names of the metrics of a training, as loggers get them."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {f"{row['split']}/{name}" for row in rows for name in row.keys() - {"stage", "split", "update"}}


def a_run(demo: Path, mode: str) -> Path:
    (folder,) = (demo / "runs/demo").glob(f"*-{mode}-r0-*")
    return folder


@long
def test_01_a_fresh_installation_brings_nothing_that_this_machine_has_no_use_for(tmp_path: Path) -> None:
    for name in ("src", "conf", "requirements", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("Makefile", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    setup = subprocess.run(["make", "setup"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert setup.returncode == 0, setup.stderr
    listed = subprocess.run([tmp_path / ".venv/bin/pip", "list"], capture_output=True, text=True, check=True).stdout
    assert "composed" in listed
    if not torch.version.cuda:  # of the machine that runs this
        assert "nvidia" not in listed


def test_02_a_first_run_needs_no_network_and_no_account(demo: Path) -> None:
    assert (demo / "runs/demo/report/report.html").is_file()
    assert len([*(demo / "runs/demo").glob("*/result.json")]) == 3


def test_03_nothing_asks(demo: Path) -> None:
    said = (demo / "demo.txt").read_text()
    assert not re.search("api key|login|password|y/n", said, re.IGNORECASE)


def test_04_metrics_are_kept_offline_for_wandb(demo: Path) -> None:
    for folder in (demo / "runs/demo").glob("*-r0-*"):
        assert [*folder.glob("wandb/offline-run-*/*.wandb")], folder


def test_04_a_run_read_back_holds_samples_final_metrics_and_the_table(demo: Path) -> None:
    for mode in ("baseline", "standard", "composed"):
        found = read_back(a_run(demo, mode))
        said = replace(Result.read(a_run(demo, mode) / "result.json"), seconds={})
        assert found["last"].items() >= metrics(said).items()
        assert {"training/loss", "validation/loss", "seconds/training"} <= found["last"].keys()
        (samples,) = (found["media"] / "table").glob("samples_*.json")
        assert len(json.loads(samples.read_text())["data"]) == 16  # of both splits
    report = read_back(demo / "runs/demo/report")
    (table,) = (report["media"] / "table").glob("table_*.json")
    assert {row[0] for row in json.loads(table.read_text())["data"]} >= {"baseline", "standard", "composed"}


@long
def test_04_without_wandb_the_same_command_works_and_says_so_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "wandb.py").write_text("raise ImportError('No module named wandb')\n")
    words = ("task=staircase", "profile=smoke", "finetuning=baseline")
    done = command("train", *words, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stderr.splitlines() if "wandb" in line.lower()]) == 1


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("optim.lrr=1", "did you mean optim.lr"),
        ("+optim.lrr=1", "did you mean optim.lr"),
        ("optim.lr=fast", "expected a number"),
        ("finetuning=compsed", "composed"),
        ("denoiser=/nope", "no such file or folder"),
    ],
)
def test_05_06_07_11_a_wrong_word_is_answered_with_the_right_one(word: str, answer: str, tmp_path: Path) -> None:
    began = os.times()
    done = command("train", word, cwd=tmp_path)
    ended = os.times()
    assert done.returncode == 2, done.stderr
    assert answer in done.stderr
    assert "Traceback" not in done.stderr
    assert sum(ended[2:4]) - sum(began[2:4]) < 3  # CPU seconds of children; a run would take more
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("lerning_rate: 1", r"finetuning/mine\.yaml:5: there is no key finetuning\.lerning_rate"),
        ("stages", r"could not find expected ':', in .*finetuning/mine\.yaml, line 6"),
    ],
)
def test_06_what_is_wrong_in_a_file_is_named_with_its_line(line: str, answer: str, tmp_path: Path) -> None:
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "composed").symlink_to("src")
    (tmp_path / "src/conf").symlink_to("../conf")
    text = f"# Mine.\ndefaults:\n  - composed\nname: mine\n{line}\n"
    (tmp_path / "conf/finetuning/mine.yaml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "composed.cli.train", "finetuning=mine"],
        cwd=tmp_path,
        env={**ENVIRONMENT, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert re.search(answer, done.stderr)
    assert "Traceback" not in done.stderr


def test_08_help_shows_every_group_with_its_meaning(tmp_path: Path) -> None:
    words = [sys.executable, "-X", "importtime", "-m", "composed.cli.train", "--help"]
    done = subprocess.run(words, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    for group in ("task", "finetuning", "model", "trainer", "logger"):
        assert re.search(rf"^  {group} +\w", done.stdout, re.MULTILINE)
    assert not re.search(r"\| +torch$", done.stderr, re.MULTILINE)


def test_09_what_would_be_done_is_shown_and_nothing_is_made(tmp_path: Path) -> None:
    shown = command("train", "profile=smoke", "--cfg", "job", cwd=tmp_path)
    assert "finetuning:" in shown.stdout
    planned = command("table", "sanstype", "profile=smoke", "seed=0", "--dry-run", cwd=tmp_path)
    assert "3 runs, 3 to do" in planned.stdout, planned.stderr
    assert not [*tmp_path.iterdir()]


@long
@pytest.mark.parametrize(
    ("task", "modes"),
    [
        ("sanstype", "glob(*,exclude=composed_pathwise)"),
        ("spoc", "glob(*,exclude=composed_pathwise)"),
        ("fonts", "baseline,composed_pathwise"),
        ("staircase", "baseline,composed_pathwise"),
    ],
)
def test_10_every_task_with_every_mode_in_seconds(task: str, modes: str, tmp_path: Path) -> None:
    done = command("train", "-m", *SMOKE, f"task={task}", f"finetuning={modes}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    count = 2 if "," in modes and "glob" not in modes else len(options("finetuning")) - 1
    folders = run_folders(tmp_path / "runs")
    assert len(folders) == count
    for folder in folders:
        assert NAMES >= logged(folder) >= {"training/lr"}
        final = metrics(replace(Result.read(folder / "result.json"), seconds={}))
        assert {re.sub("^test/(id|ood|test)/|/[^/]+$", "", name) for name in final} >= {"base", "own"}


def test_11_a_missing_denoiser_names_the_command_that_makes_it(demo: Path) -> None:
    words = ("profile=smoke", "finetuning=standard", "noise=masking", "denoiser=store", "runs=runs/other")
    done = command("train", *words, cwd=demo)
    assert done.returncode == 1
    assert re.search(r"^ *composed-train .*noise=masking.* denoiser=auto", done.stderr, re.MULTILINE)


def test_12_missing_data_say_how_to_get_them(tmp_path: Path) -> None:
    done = command("train", "task=spoc", cwd=tmp_path)
    assert done.returncode == 1
    assert "data/spoc" in done.stderr
    assert "scripts/download_spoc.sh" in done.stderr


@long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_13_14_a_stopped_run_goes_on_in_its_folder_to_the_same_end(number: int, tmp_path: Path) -> None:
    words = (*BASELINE, "schedules.scratch.updates=240", "optim.validate_every=60")
    whole = command("train", *words, "runs=whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    process = start("train", *words, "runs=parts", cwd=tmp_path)
    while not [*tmp_path.glob("parts/*/checkpoints/last.ckpt")]:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    stopped = end(process)
    assert stopped.returncode == 128 + number, stopped.stderr
    assert "go on with the same command" in stopped.stderr
    (folder,) = run_folders(tmp_path / "parts")
    assert command("train", *words, "runs=parts", cwd=tmp_path).returncode == 0
    (other,) = run_folders(tmp_path / "whole")
    for name in ("metrics.jsonl", "predictions-id.jsonl", "checkpoints/best.safetensors"):
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name


@long
def test_15_a_seed_gives_the_same_numbers_and_another_seed_others(tmp_path: Path) -> None:
    for runs, seed in (("first", 1), ("second", 1), ("third", 2)):
        done = command("train", *BASELINE, f"seed={seed}", f"runs={runs}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    first, second, third = (run_folders(tmp_path / runs)[0] for runs in ("first", "second", "third"))
    assert result(first) == result(second)
    assert result(first)["best"] != result(third)["best"]


def test_16_what_is_saved_is_data_and_no_program(demo: Path) -> None:
    checkpoints = a_run(demo, "composed") / "checkpoints"
    assert torch.load(checkpoints / "last.ckpt", weights_only=True)
    with safe_open(checkpoints / "best.safetensors", framework="pt") as weights:
        said = json.loads(weights.metadata()["composed"])
        assert said["vocabulary"]
        assert json.loads(said["config"])["finetuning"]["name"] == "composed"
        assert json.loads(said["versions"])["torch"] == str(torch.__version__)
        assert len([*weights.keys()]) > 0
    assert (checkpoints.parent / "config.yaml").is_file()
    versions = json.loads((checkpoints.parent / "environment.json").read_text())
    assert "torch" in json.dumps(versions)


@long
def test_17_a_sweep_survives_a_failure_and_then_runs_that_one_alone(tmp_path: Path) -> None:
    first = command("train", *BASELINE, "seed=1", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    (bad,) = run_folders(tmp_path / "runs")
    shutil.rmtree(bad)
    bad.mkdir()
    (bad / "checkpoints").touch()  # where a folder has to be made
    sweep = ("-m", "hydra/launcher=composed", *BASELINE, "seed=0,1")
    failed = command("train", *sweep, cwd=tmp_path)
    assert failed.returncode == 1
    assert "1 failed" in failed.stderr
    assert str(bad.relative_to(tmp_path) / "log.txt") in failed.stderr
    assert "checkpoints" in (bad / "log.txt").read_text()
    (bad / "checkpoints").unlink()
    again = command("train", *sweep, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "1 of 2 runs to do" in again.stderr


@long
def test_18_a_table_made_twice_has_the_same_bytes_at_once(tmp_path: Path) -> None:
    place = workplace(tmp_path / "place")
    words = ("table-sanstype", "PROFILE=smoke", "REPLICATES=0 1", "MODES=standard")
    first = make(place, *words)
    assert first.returncode == 0, first.stdout
    files = {path: path.read_bytes() for path in (place / "results/sanstype-smoke").iterdir()}
    assert {path.suffix for path in files} >= {".md", ".tex", ".csv", ".html"}
    began = os.times()
    assert make(place, *words).returncode == 0
    assert sum(os.times()[2:4]) - sum(began[2:4]) < 10
    assert {path: path.read_bytes() for path in files} == files
    table = (place / "results/sanstype-smoke/table.md").read_text()
    assert "±" in table
    assert "| 2 |" in table  # replicates


def test_19_what_is_said_reads_well_in_a_file(demo: Path) -> None:
    said = (demo / "demo.txt").read_text()
    assert "\r" not in said
    assert "\x1b" not in said
    assert len(said.splitlines()) < 210
    assert not re.search("LitLogger|deprecat|warning", said, re.IGNORECASE)


def test_20_a_run_predicts_on_standard_output_alone(demo: Path) -> None:
    row = json.loads((a_run(demo, "composed") / "predictions-id.jsonl").read_text().splitlines()[0])
    line = " ".join(row["source"].replace("$", " ").split())
    words = [Path(sys.executable).with_name("composed-predict"), a_run(demo, "composed")]
    done = subprocess.run(
        words, input=f"{line}\n", cwd=demo, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1


@long
def test_20_a_run_of_fonts_writes_a_picture(tmp_path: Path) -> None:
    assert command("train", *SMOKE, "task=fonts", cwd=tmp_path).returncode == 0
    (folder,) = run_folders(tmp_path / "runs")
    done = command("predict", str(folder), "--font", "3", "--text", "A", "-o", "a.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_20_completion_and_doctor(tmp_path: Path) -> None:
    script = command("completion", "bash", cwd=tmp_path).stdout
    code = f'{script}\nCOMP_LINE="composed-train finetuning=base" COMP_POINT=30\n_composed_overrides composed-train\n'
    bash = ["bash", "-c", code + 'printf "%s\\n" "${COMPREPLY[@]}"']
    assert "baseline" in subprocess.run(bash, capture_output=True, text=True, check=True).stdout
    said = command("doctor", cwd=tmp_path).stdout
    assert all(word in said for word in ("torch", "g++", "GiB free"))


@long
def test_several_processes_leave_one_folder(tmp_path: Path) -> None:
    words = (*BASELINE, "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    done = command("train", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(run_folders(tmp_path / "runs")) == 1
