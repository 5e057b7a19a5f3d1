"""A run is one folder: what was asked for, what it ran on, weights, predictions, verdicts, result.

The folder's name ends in a hash of the resolved config, so that the same command finds its own folder again: to resume, or to see
that it is finished. Left out: moving or merging runs.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from composed.errors import ComposedError, DataError
from composed.files import write_json, write_text

# Where things lie, how many processes judge, who else gets the metrics: keys that shape no number of a result.
NOT_SHAPING = ("runs", "store", "redo", "logger", "judge")
RECORDED_PACKAGES = (
    "composed",
    "torch",
    "pytorch-lightning",
    "hydra-core",
    "omegaconf",
    "sentencepiece",
    "safetensors",
    "numpy",
)


def content_key(value: Any) -> str:
    """12 hex digits of the SHA-256 of a plain value's JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


class RunFolder:
    """The folder of one run.

    Files: config.yaml, overrides.yaml, environment.json, metrics.jsonl, checkpoints/{last.ckpt, best.safetensors},
    predictions-SPLIT.jsonl, verdicts-SPLIT.jsonl, result.json (last: its presence means finished).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.metrics = path / "metrics.jsonl"
        self.result = path / "result.json"

    @classmethod
    def of(cls, config: dict[str, Any]) -> "RunFolder":
        shaping = {key: value for key, value in config.items() if key not in NOT_SHAPING}
        shaping["task"] = {key: value for key, value in config["task"].items() if key != "data"}
        name = "-".join(
            (
                config["task"]["name"],
                config["profile"]["name"],
                config["finetuning"]["name"],
                f"s{config['seed']}",
                content_key(shaping)[:8],
            )
        )
        return cls(Path(config["runs"]) / name)

    @classmethod
    def existing(cls, path: Path) -> "RunFolder":
        """Raises DataError where `path` is no run folder."""
        if not (path / "config.yaml").is_file():
            raise DataError(f"{path} is no run folder: it has no config.yaml")
        return cls(path)

    def config(self) -> dict[str, Any]:
        return yaml.safe_load((self.path / "config.yaml").read_text(encoding="utf-8"))

    def predictions(self, split: str) -> Path:
        return self.path / f"predictions-{split}.jsonl"

    def verdicts(self, split: str) -> Path:
        return self.path / f"verdicts-{split}.jsonl"

    def finished(self) -> bool:
        return self.result.exists()

    def lock(self) -> FileLock:
        """Taken until the process ends. Raises ComposedError where another process works on this run."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ComposedError(f"cannot create the run folder {self.path}: {error.strerror}") from error
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise ComposedError(f"another process is working on {self.path}; wait for it or stop it") from error
        return lock

    def describe(self, config: dict[str, Any], overrides: list[str]) -> None:
        """Writes down what was asked for and what it runs on."""
        write_text(self.path / "config.yaml", yaml.safe_dump(config, sort_keys=False))
        write_text(self.path / "overrides.yaml", yaml.safe_dump(overrides))
        write_json(self.path / "environment.json", environment())

    def clear(self) -> None:
        """Removes what a run left, so that it starts over."""
        import shutil

        for entry in self.path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != ".lock":
                entry.unlink()


def environment() -> dict[str, Any]:
    """Versions, machine, command and the git revision of the code, where it is known."""

    def installed(package: str) -> str | None:
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    source = Path(__file__).resolve().parent.parent
    git = (
        subprocess.run(
            ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=False,
        )
        if (source / ".git").exists()
        else None
    )
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "git_revision": git.stdout.strip() or None if git else None,
        "python": platform.python_version(),
        "packages": {package: installed(package) for package in RECORDED_PACKAGES},
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
    }
