"""A table's file lists its runs; the command runs those that are missing and writes the same bytes when none is."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from composed.cli.table import main
from composed.config.command_line import every_job
from composed.config.structure import plain
from composed.errors import ConfigError
from composed.sweeps import table
from composed.sweeps.jobs import Job
from composed.sweeps.table import TABLES, Table
from tests.commands import command
from tests.run_folders import write_run

NAMES = sorted(path.stem for path in TABLES.glob("*.yaml"))
WHOLE = "every: a\nreplicates: [0]\nrows: []\nby: []\n"


@pytest.mark.parametrize("name", NAMES)
def test_every_table_lists_runs_that_are_accepted_and_tells_its_rows_apart(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Table.named(name)
    jobs = made.jobs(["profile=smoke", "replicate=0"])
    assert jobs
    assert (TABLES / f"{name}.yaml").read_text().startswith("# ")
    variants = []
    for job in jobs:
        values = [job.config.finetuning.name, json.dumps(plain(job.config.decoding))]
        for key in made.by:
            node = job.config.plain()
            for part in key.split("."):
                node = node[part]
            values.append(json.dumps(node))
        variants.append(tuple(values))
    assert len(set(variants)) == len(variants)
    assert not [*tmp_path.iterdir()]


def test_seeds_are_composed_as_hydra_would(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["profile=smoke", "seed=3,5"]
    jobs = Table.named("sanstype").jobs(words)
    assert [(job.config.finetuning.name, job.config.seed) for job in jobs] == [
        (mode, seed) for mode in ("baseline", "standard", "composed") for seed in (3, 5)
    ]
    for job in jobs:
        ((_, config),) = every_job(job.overrides)
        assert config == job.config


def test_words_of_the_command_line_replace_the_tables_own_and_no_run_is_there_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = Table.named("fonts").jobs(["profile=smoke", "replicate=0", "finetuning=baseline", "finetuning.name=mine"])
    assert [job.config.optim.l2 for job in jobs] == [1e-4, 0.0]
    assert {job.config.finetuning.name for job in jobs} == {"mine"}
    assert all(job.config.runs == "runs/fonts-smoke" for job in jobs)
    assert jobs[0].config.task.name == "fonts"


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["sanstpye"], "there is no table sanstpye: .*did you mean sanstype"),
        (["sanstype", "sead=0"], "there is no key sead; did you mean seed"),
        (["sanstype", "profile=smoke,quick"], "a table has one profile"),
        (["sanstype", "--jobs", "0"], "--jobs 0: must be above 0"),
    ],
)
def test_a_wrong_word_is_refused_with_2(arguments, answer, capsys, tmp_path, monkeypatch):
    import re

    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert re.search(answer, capsys.readouterr().err)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "text",
    ["", "rows: []", "every: a\nreplicates: 0\nrows: []\nby: []", f"{WHOLE}titel: x", f"{WHOLE}reference: 1", "[1]"],
)
def test_a_file_that_is_no_table_is_named(text, tmp_path, monkeypatch):
    monkeypatch.setattr(table, "TABLES", tmp_path)
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.yaml: must have the keys every"):
        Table.named("mine")
    (tmp_path / "mine.yaml").write_text(f"{WHOLE}title: Mine")
    assert (Table.named("mine").title, Table.named("mine").reference) == ("Mine", "")


def finished(job: Job) -> Path:
    """The job's folder, as if it had run."""
    folder = write_run(job.folder.path, job.config.finetuning.name, job.config.replicate, config=job.config.plain())
    place = {"python": "3", "packages": {"torch": "2"}, "processor": "x", "cores": 1, "gpu": None, "git_revision": "a"}
    (folder / "environment.json").write_text(json.dumps(place))
    (folder / "training.json").write_text('{"resumed": false}')
    return folder


@pytest.mark.parametrize("name", [name for name in NAMES if Table.named(name).reference])
def test_rows_are_compared_with_the_tables_reference_below_its_title(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made = Table.named(name)
    folders = [finished(job) for job in made.jobs(["replicate=0"])]
    table.report(made, folders, Path("out"), "the command")
    assert f"− ({made.reference})" in (tmp_path / "out/table.md").read_text().replace("\\", "")
    for file in ("table.md", "README.md"):
        assert f"{made.title}: SansType, quick profile" in (tmp_path / "out" / file).read_text()
    assert capsys.readouterr().err == ""


def test_a_reference_without_a_run_is_named_and_the_rest_reported(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made = Table.named("ablation-lambda")
    folders = [finished(job) for job in made.jobs(["replicate=0", "finetuning.base_weight=0.1"])]
    table.report(made, folders, Path("out"), "the command")
    assert "no finished run is the reference, composed, base_weight 1.0" in capsys.readouterr().err
    assert (tmp_path / "out/report.html").exists()


def test_the_pairs_of_a_table_are_compared_and_one_without_its_runs_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made = dataclasses.replace(Table.named("sanstype"), compare=[["composed", "baseline"], ["lora", "standard"]])
    folders = [finished(job) for job in made.jobs(["replicate=0"])]
    table.report(made, folders, Path("out"), "the command")
    differences = [line for line in (tmp_path / "out/table.md").read_text().splitlines() if " − " in line]
    assert [line.split(" |")[0] for line in differences] == ["| composed − baseline"] * 2
    assert "no finished run is lora: lora is not compared with standard" in capsys.readouterr().err


@pytest.mark.parametrize("pairs", ["[a]", "[[a]]", "[[a, b, c]]", "[[a, b], c]"])
def test_what_are_no_pairs_of_rows_is_named(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(table, "TABLES", tmp_path)
    (tmp_path / "mine.yaml").write_text(f"{WHOLE}compare: {pairs}")
    with pytest.raises(ConfigError, match=r"mine\.yaml: compare has to be a list of \[row, reference\]"):
        Table.named("mine")


@pytest.mark.slow("seven whole commands, one after the other")
def test_a_table_goes_on_where_it_failed_and_a_second_call_writes_the_same_bytes(tmp_path: Path):
    """Of two runs one fails: it is retried only when asked. Then nothing is left to do, and that is quick."""
    words = ("staircase", "profile=smoke", "task.points=60", "optim.updates=20", "replicate=0", "optim.record_every=10")
    poison = tmp_path / "runs/staircase-smoke"
    planned = command("table", *words, "--dry-run", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "2 runs, 2 to do" in planned.stdout
    assert not [*tmp_path.iterdir()]
    names = [line.split()[1] for line in planned.stdout.splitlines() if line.startswith("missing")]
    (poison / names[1]).mkdir(parents=True)
    (poison / names[1] / "checkpoints").touch()  # where a folder has to be made
    failed = command("table", *words, cwd=tmp_path)
    assert failed.returncode == 1, failed.stderr
    assert f"1 done (0 of them before), 1 failed\n  {names[1]}" in failed.stderr
    (poison / names[1] / "checkpoints").unlink()
    assert command("table", *words, cwd=tmp_path).returncode == 1
    planned = command("table", *words, "--dry-run", cwd=tmp_path)
    assert "2 runs, 0 to do" in planned.stdout
    assert "--retry-failed runs it again" in planned.stdout
    mended = command("table", *words, "--retry-failed", cwd=tmp_path)
    assert mended.returncode == 0, mended.stderr
    assert "2 done (1 of them before), 0 failed" in mended.stderr
    files = {path: path.read_bytes() for path in (tmp_path / "results/staircase-smoke").iterdir()}
    assert {path.name for path in files} >= {"README.md", "table.md", "table.csv", "table.tex", "table.png"}
    began = os.times()
    again = command("table", *words, cwd=tmp_path)
    assert sum(os.times()[2:4]) - sum(began[2:4]) < 10  # CPU seconds of children
    assert "2 done (2 of them before), 0 failed" in again.stderr
    assert {path: path.read_bytes() for path in files} == files
