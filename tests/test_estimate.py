"""What there is to do, and how long it takes by what it took before."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from composed.config import Config
from composed.config.decoding import named
from composed.config.identity import beginning
from composed.config.structure import plain
from composed.runs.folder import code
from composed.sweeps.estimate import plan
from composed.sweeps.jobs import Job
from tests.run_folders import write_run
from tests.test_run_folder import NODE


@pytest.fixture
def job(tmp_path):
    def make(seed: int, mode: str = "composed", **groups: Any) -> Job:
        places = {"runs": str(tmp_path / "runs/table"), "store": str(tmp_path / "store")}
        finetuning = {**NODE["finetuning"], "name": mode, "depth": 1}
        config = Config.read({**NODE, "seed": seed, **places, "finetuning": finetuning, **groups})
        return Job((f"seed={seed}", f"finetuning={mode}"), config)

    return make


def finish(job: Job, seconds: float) -> None:
    taken = {"training": seconds - 60, "judging": 60}
    mode = job.config.finetuning.name
    write_run(job.folder.path, mode, config=job.config.plain(), task="sanstype", profile="smoke", seconds=taken)


def denoiser(store: Path, job: Job, seconds: int) -> None:
    folder = store / "denoiser-1"
    folder.mkdir(parents=True)
    for name, moment in (("key", 1000), ("done", 1000 + seconds)):
        (folder / f"{name}.json").write_text(json.dumps({"pretraining": plain(job.config.pretraining)}))
        os.utime(folder / f"{name}.json", (moment, moment))


def test_time_is_that_of_finished_runs_of_the_same_mode(job):
    finish(job(0), 600)
    finish(job(1), 1200)
    finish(job(0, "baseline"), 60)
    jobs = [job(seed) for seed in range(4)]
    said = plan(jobs, at_a_time=1, retry_failed=False)
    assert "4 runs, 2 to do" in said
    assert "about 0:30 h for 2 runs, 1 at a time" in said
    assert "about 0:15 h for 2 runs, 2 at a time" in plan(jobs, at_a_time=2, retry_failed=False)
    assert [line.split()[0] for line in said.splitlines()[:4]] == ["done", "done", "missing", "missing"]


def test_a_mode_that_never_ran_takes_as_long_as_the_others(job):
    finish(job(0, "baseline"), 3600)
    assert "about 1:00 h for 1 runs" in plan([job(0)], at_a_time=1, retry_failed=False)


def test_where_nothing_ran_no_time_is_invented(job):
    said = plan([job(0)], at_a_time=1, retry_failed=False)
    assert "no time is known" in said
    assert "about" not in said


def test_a_denoiser_that_no_run_has_used_is_counted_once_with_the_time_of_its_kind(job, tmp_path):
    jobs = [job(0), job(1), job(0, noise={**NODE["noise"], "unchanged": 0.5}), job(0, pretraining={"name": "none"})]
    denoiser(tmp_path / "store", jobs[0], 1800)
    said = plan(jobs, at_a_time=1, retry_failed=False)
    assert "may have to be trained first: 2" in said
    assert "about 1:00 h for 2 of the denoisers" in said
    finish(jobs[0], 60)
    assert "may have to be trained first: 1" in plan(jobs, at_a_time=1, retry_failed=False)


def test_label_counts_share_a_denoiser_and_counts_of_unlabeled_outputs_do_not(job):
    def sized(**sizes: int) -> Job:
        return job(0, task={**NODE["task"], "sizes": {**NODE["task"]["sizes"], "train": 1, "unlabeled": 1, **sizes}})

    said = plan([sized(train=1), sized(train=2), sized(unlabeled=2)], at_a_time=1, retry_failed=False)
    assert "may have to be trained first: 2" in said


def test_a_finished_run_is_to_do_where_it_is_to_be_done_again(job):
    finish(job(0), 60)
    assert "1 runs, 0 to do" in plan([job(0)], at_a_time=1, retry_failed=False)
    assert "1 runs, 1 to do" in plan([job(0, redo=True)], at_a_time=1, retry_failed=False)


def test_a_failed_run_is_to_do_only_when_asked(job):
    failed = job(0)
    failed.folder.path.mkdir(parents=True)
    failed.folder.failed.write_text(json.dumps({"reason": "exit code 1", "said": "error: why"}))
    said = plan([failed], at_a_time=1, retry_failed=False)
    assert "1 runs, 0 to do" in said
    assert "error: why" in said
    assert "1 runs, 1 to do" in plan([failed], at_a_time=1, retry_failed=True)


def test_runs_that_only_decode_are_no_trainings(job):
    """Two ways to decode the weights of each of two trainings, one of which is there."""
    ways = [{}, {"decoding": plain(named("beam"))}, {"decoding": plain(named("sample_vote"))}]
    jobs = [job(seed, **way) for seed in (0, 1) for way in ways]
    finish(jobs[0], 660)  # 600 of them training
    jobs[0].folder.training.touch()
    said = plan(jobs, at_a_time=1, retry_failed=False)
    assert "6 runs, 5 to do" in said
    assert "4 of them decode the weights of another run, so there are 1 trainings" in said
    assert "about 0:15 h for 5 runs" in said  # 10 minutes, and one for each of the 5
    only = plan(jobs[4:], at_a_time=1, retry_failed=False)
    assert "so there are 1 trainings" in only
    assert "about 0:13 h for 2 runs" in only  # the run that has the weights is made, too


def test_what_is_computed_once_for_several_is_said_with_what_it_saves(job, tmp_path):
    jobs = [job(seed, mode) for seed in (0, 1) for mode in ("composed", "standard like it", "another like it")]
    said = plan(jobs, at_a_time=1, retry_failed=False)
    assert "6 trainings have 2 beginnings, of which the store has 0; to share them saves 72 of 144 updates\n" in said
    entry = tmp_path / "store/beginning-1"
    entry.mkdir(parents=True)
    for name, content in (
        ("key", {"config": beginning(jobs[0].config), "code": code()}),
        ("facts", {"seconds": 120.0}),
        ("done", {}),
    ):
        (entry / f"{name}.json").write_text(json.dumps(content))
    said = plan(jobs, at_a_time=1, retry_failed=False)
    assert "the store has 1; to share them saves 90 of 144 updates, about 0:10 h" in said
    finish(jobs[0], 660)
    jobs[0].folder.training.touch()
    assert "saves 72 of 120 updates, about 0:08 h" in plan(jobs, at_a_time=1, retry_failed=False)
    (entry / "key.json").write_text(json.dumps({"config": beginning(jobs[0].config), "code": "other"}))
    assert "of which the store has 0" in plan(jobs, at_a_time=1, retry_failed=False)


def test_where_nobody_shares_nothing_is_said_of_it(job):
    assert "beginnings" not in plan([job(0), job(1)], at_a_time=1, retry_failed=False)
