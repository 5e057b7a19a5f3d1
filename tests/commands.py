"""Runs the project's commands as a user does: in a process of their own, in a folder of their own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "PYTEST"))},
    "COLUMNS": "140",
    "OMP_NUM_THREADS": "1",
}
BASELINE = ("finetuning=baseline", "pretraining=none")
LONG = ("schedules.scratch.updates=240", "optim.validate_every=60")  # of baseline
LONG_COMPOSED = ("schedules.pretrained.updates=240", "optim.validate_every=60")


def start(name: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    """`composed-NAME ARGUMENTS`, begun."""
    return subprocess.Popen(
        [Path(sys.executable).with_name(f"composed-{name}"), *arguments],
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**ENVIRONMENT, **environment},
    )


def end(process: subprocess.Popen[str], timeout: float = 900, input: str = "") -> subprocess.CompletedProcess[str]:
    with process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        finally:
            process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def command(
    name: str, *arguments: str, cwd: Path, input: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """`composed-NAME ARGUMENTS`, ended."""
    return end(start(name, *arguments, cwd=cwd, **environment), input=input)


def run_folders(runs: Path) -> list[Path]:
    return sorted(path for path in runs.iterdir() if path.is_dir())


def result(folder: Path) -> dict[str, Any]:
    """What has to be equal in runs of the same config."""
    return {key: value for key, value in json.loads((folder / "result.json").read_text()).items() if key != "seconds"}


def same_bits(first: Path, second: Path) -> bool:
    """Whether two trainings ended in the same weights and optimiser state, and the same best weights."""
    states = [torch.load(folder / "checkpoints/last.ckpt", weights_only=True) for folder in (first, second)]
    best = [load_file(folder / "checkpoints/best.safetensors") for folder in (first, second)]
    tensors = [dict(_tensors([state, weights])) for state, weights in zip(states, best, strict=True)]
    return tensors[0].keys() == tensors[1].keys() and all(
        torch.equal(tensors[0][name], tensors[1][name]) for name in tensors[0]
    )


def _tensors(node: object, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(node, torch.Tensor):
        yield name, node
    elif isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _tensors(value, f"{name}.{key}")


def wait_for(process: subprocess.Popen[str], runs: Path, rows: int) -> None:
    """Until the only run below `runs`, which the process trains, has so many rows of metrics."""
    while sum(path.read_text().count("\n") for path in runs.glob("*/metrics.jsonl")) < rows:
        assert process.poll() is None, process.stderr.read()  # type: ignore[union-attr]
        time.sleep(0.05)
