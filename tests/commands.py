"""Runs the project's commands as a user does: in a process of their own, in a folder of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "PYTEST"))},
    "COLUMNS": "140",
    "OMP_NUM_THREADS": "1",
}


def start(name: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    """`composed-NAME ARGUMENTS`, begun."""
    return subprocess.Popen(
        [Path(sys.executable).with_name(f"composed-{name}"), *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**ENVIRONMENT, **environment},
    )


def end(process: subprocess.Popen[str], timeout: float = 900) -> subprocess.CompletedProcess[str]:
    with process:
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def command(name: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`composed-NAME ARGUMENTS`, ended."""
    return end(start(name, *arguments, cwd=cwd, **environment))


def run_folders(runs: Path) -> list[Path]:
    return sorted(path for path in runs.iterdir() if path.is_dir())


def result(folder: Path) -> dict[str, Any]:
    """What has to be equal in runs of the same config."""
    return {key: value for key, value in json.loads((folder / "result.json").read_text()).items() if key != "seconds"}
