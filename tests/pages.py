"""Runs that fill every section of a report's page."""

import json
from pathlib import Path

from tests.run_folders import write_predictions, write_sweep
from tests.test_reporting_programs import BROKEN, REPAIRED, RIGHT, SOURCE, WRONG


def write_full_sweep(top: Path) -> Path:
    """As `write_sweep`, with programs, curves and one run unfinished."""
    for run in sorted(write_sweep(top).iterdir()):
        mode, replicate = run.name.split("-")
        for split in ("id", "ood"):
            write_predictions(run, split, [RIGHT, REPAIRED, WRONG, BROKEN] * 2, SOURCE)
        rows = [
            {"split": split, "update": update, "loss": 100 / update + int(replicate)}
            for split in ("training", "validation")
            for update in range(10, 101, 10)
        ]
        (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (run / "overrides.yaml").write_text(f"[finetuning={mode}, replicate={replicate}]")
    (top / "composed-2" / "result.json").unlink()
    return top
