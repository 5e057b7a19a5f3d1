"""The note beside a committed table says how the table came about, from what the runs themselves recorded."""

import json
from pathlib import Path

import pytest

from composed.errors import ComposedError
from composed.reporting.description import describe
from tests.run_folders import write_run

PLACE = {
    "python": "3.12.1",
    "packages": {"torch": "2.12"},
    "processor": "Fast One",
    "cores": 2,
    "gpu": None,
    "git_revision": "abc",
}


def finished(runs: Path, seed: int, *, resumed: bool = False, **place: object) -> None:
    folder = write_run(runs / f"composed-{seed}", replicate=seed, seconds={"training": 5400.0, "judging": 60.0})
    (folder / "environment.json").write_text(json.dumps({**PLACE, **place}))
    (folder / "training.json").write_text(json.dumps({"resumed": resumed}))


def test_command_machine_code_and_time_are_named(tmp_path):
    for seed in (0, 1):
        finished(tmp_path / "runs", seed)
    text = describe([tmp_path / "runs"], "make table REPLICATES='0 1'", "SansType")
    for line in (
        "# SansType\n",
        "    make table REPLICATES='0 1'\n",
        "- runs: 2\n",
        "- time beside the denoiser's training: 3:00 h training, 0:02 h judging\n",
        "- machine: Fast One, 2 cores, no GPU\n",
        "- code: abc\n",
        "- versions: Python 3.12.1, PyTorch 2.12\n",
    ):
        assert line in text
    assert "resumed" not in text


def test_runs_that_differ_or_were_resumed_are_owned_up_to(tmp_path):
    finished(tmp_path / "runs", 0, git_revision="abc-dirty", cores=1, resumed=True)
    finished(tmp_path / "runs", 1)
    text = describe([tmp_path / "runs"], "make table", "SansType")
    assert "- code: abc, abc-dirty\n" in text
    assert "- machine: Fast One, 1 core, no GPU, Fast One, 2 cores, no GPU\n" in text
    assert "interrupted and resumed" in text


def test_without_a_finished_run_there_is_no_note(tmp_path):
    with pytest.raises(ComposedError, match="no finished run"):
        describe([tmp_path], "make table", "SansType")
