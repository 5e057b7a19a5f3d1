"""Which weights a run predicts with, compared by the script, on a run that is trained for it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ENVIRONMENT, command, run_folders

SCRIPT = Path(__file__).parents[1] / "scripts" / "compare_selection.py"


def compare(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT
    )


@pytest.mark.slow("a training, and the predictions and verdicts of each checkpoint")
def test_the_last_weights_and_those_chosen_by_verdicts_predict_the_same_new_programs(tmp_path):
    words = ("task=sanstype", "profile=smoke", "finetuning=standard", "optim.validate_every=2", "trainer.checkpoints=2")
    done = command("train", *words, "runs=kept", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [run] = run_folders(tmp_path / "kept")
    done = compare(run, "--out", tmp_path / "out", "--programs", 12, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out" / "selection.json").read_text())
    [row] = summary["runs"]
    validation = {int(update): correct for update, correct in row["correct on validation"].items()}
    assert len(validation) >= 2
    assert all(0 <= correct <= 100 for correct in validation.values())
    assert row["chosen"] == max(validation, key=lambda update: (validation[update], update))
    assert summary["by verdicts - last"] == row["by verdicts"] - row["last"]
    assert (
        f"{run.name}: last {row['last']:.1f}, update {row['chosen']} by verdicts {row['by verdicts']:.1f}"
        in done.stdout
    )

    for path in run.glob("checkpoints/last-*.ckpt"):
        path.unlink()
    done = compare(run, "--out", tmp_path / "none", cwd=tmp_path)
    assert done.returncode == 1
    assert "1 checkpoints to choose from; train it with trainer.checkpoints=8" in done.stderr
