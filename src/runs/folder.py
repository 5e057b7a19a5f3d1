"""A run is one folder: what was asked for, what it ran on, weights, predictions, verdicts, result.

The folder's name ends in a hash of the resolved config, so that the same command finds its folder again, to resume or
to see that it is finished. Left out: moving or merging runs.
"""

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from composed.config import Config
from composed.config.groups import EVERY, is_kind
from composed.config.identity import run_name, shaping
from composed.config.structure import LEFT_OUT, LeftOut
from composed.datamodules.text import TEST_SET, TEST_SET_WORDS
from composed.errors import ComposedError, ConfigError, DataError
from composed.runs.facts import Facts
from composed.system import processes
from composed.system.console import main_process, say, training_id
from composed.system.files import digest, locked, read_json, write_json, write_text

GROUPS = ("finetuning", "pretraining", "tokenizer")  # of every config, which reports look into
CODE = Path(__file__).resolve().parents[2]
RECORDED_PACKAGES = (
    "composed",
    "torch",
    "pytorch-lightning",
    "hydra-core",
    "omegaconf",
    "sentencepiece",
    "safetensors",
    "numpy",
    "scipy",
)


class RunFolder:
    """The folder of one run.

    Files: config.yaml, overrides.yaml, shape.json (what the numbers depend on, with the content of the files that the
    config names as it was), environment.json, metrics.jsonl, checkpoints/{last.ckpt, best.safetensors},
    predictions-SPLIT.jsonl, training.json (its presence means trained and predicted), verdicts-SPLIT.jsonl, result.json
    (finished). Where the training began at a shared beginning, beginning.json says which. Where outputs are not decoded
    greedily, metrics and checkpoints are those of the run that training.json names as `decoded_from`. A sweep adds
    log.txt, and failed.json where the run failed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.metrics = path / "metrics.jsonl"
        self.training = path / "training.json"
        self.result = path / "result.json"
        self.log = path / "log.txt"
        self.failed = path / "failed.json"
        self.beginning = path / "beginning.json"
        self._training_id = path / ".training_id"  # whose run it is
        self._begun_id = path / ".begun_id"  # whose training has its beginning

    @classmethod
    def of(cls, config: Config) -> "RunFolder":
        return cls(Path(config.runs) / run_name(config))

    def beside(self, config: Config) -> "RunFolder":
        """The folder of another run, in the same place."""
        return RunFolder(self.path.parent / run_name(config))

    @classmethod
    def existing(cls, path: Path) -> "RunFolder":
        """Raises DataError where `path` is no run folder."""
        if not (path / "config.yaml").is_file():
            raise DataError(f"{path} is no run folder: it has no config.yaml")
        return cls(path)

    def config(self) -> dict[str, Any]:
        """Raises DataError where it is no YAML."""
        path = self.path / "config.yaml"
        try:
            config = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise DataError(f"{path} is no YAML: {error}") from error
        if not isinstance(config, dict) or not all(isinstance(config.get(group, {}), dict) for group in GROUPS):
            raise DataError(f"{path} is no config of a run")
        return config

    def trained(self) -> Config:
        """The config of a run that is trained to its end, as commands use it that did not make the run.

        Whoever wrote it is not trusted: it is read as a command line's config is, and cannot switch containment off.
        Raises DataError where it is no config of this version, or the training has not ended.
        """
        try:
            config = Config.read(self.config())
        except ConfigError as error:
            raise DataError(f"{self.path}/config.yaml: {error}; train again") from error
        if not is_kind(config.task.kind):
            kinds = " or ".join(sorted(EVERY))
            raise DataError(f"{self.path}/config.yaml: task.kind is {config.task.kind!r}, not {kinds}")
        if not self.predicted():
            raise DataError(
                f"{self.path} is not trained to its end; go on with the command that began it:\n  {self.command()}"
            )
        return replace(config, judge=config.judge.running(unsafe=False))

    def facts(self) -> Facts:
        """What its training left for its judging. Raises DataError."""
        return Facts.read(self.training)

    def shape(self) -> dict[str, Any]:
        """What `shaping` said when the run began. Raises DataError where that is not there."""
        shape = read_json(self.path / "shape.json")
        if not isinstance(shape, dict):
            raise DataError(f"{self.path / 'shape.json'} is no mapping; train again")
        return shape

    def origin(self) -> "RunFolder":
        """The run whose weights these are: itself, or the one beside it whose outputs are decoded in another way here.

        Raises DataError where training.json, which somebody else may have written, names no folder beside this one.
        """
        name = self.facts().decoded_from if self.predicted() else LEFT_OUT
        if isinstance(name, LeftOut):
            return self
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise DataError(f"{self.training}: decoded_from={name!r} is no folder beside it; decode again")
        return RunFolder(self.path.resolve().parent / name)

    def weights(self) -> Path:
        """The checkpoint of f. Raises DataError where it is that of a run which is gone, with what makes it again."""
        origin = self.origin()
        weights = origin.checkpoints / "best.safetensors"
        if origin is not self and not weights.is_file():
            raise DataError(
                f"{self.path} was decoded with the weights of {origin.path.name}, which is not beside it any more; "
                f"move both together, or make it again with\n  {self.command(decoding='greedy')}"
            )
        return weights

    def overrides(self) -> list[str]:
        """The words of the command that made this folder."""
        words: list[str] = yaml.safe_load((self.path / "overrides.yaml").read_text(encoding="utf-8"))
        return words

    def command(self, **changed: str) -> str:
        """The command that made this folder and goes on with it, with some keys, or groups, `changed`."""
        kept = [word for word in self.overrides() if word.partition("=")[0].partition(".")[0] not in changed]
        return shlex.join(["composed-train", *kept, *(f"{key}={value}" for key, value in changed.items())])

    def predictions(self, split: str) -> Path:
        return self._file("predictions", split)

    def verdicts(self, split: str) -> Path:
        return self._file("verdicts", split)

    def _file(self, contents: str, split: str) -> Path:
        """Raises DataError where a split's name, which a file of the folder may have told, would lead out of it."""
        if not (isinstance(split, str) and TEST_SET.fullmatch(split)):
            raise DataError(f"{self.path}: {split!r} is no name of a test set: {TEST_SET_WORDS}")
        return self.path / f"{contents}-{split}.jsonl"

    def predicted(self) -> bool:
        return self.training.exists()

    def finished(self) -> bool:
        return self.result.exists()

    def locked(self, wait: bool = False) -> AbstractContextManager[None]:
        """Raises ComposedError where the folder cannot be made, or, unless told to wait, is another process's."""

        def busy() -> None:
            if wait:
                return say(f"another process is working on {self.path}; waiting for it")
            raise ComposedError(f"another process is working on {self.path}; wait for it or stop it")

        return locked(self.path, busy)

    @contextmanager
    def claimed(self, config: Config, overrides: list[str], *, wait: bool) -> Iterator[bool]:
        """Has the folder to itself and describes the run; helper ranks wait until rank 0 has. Yields whether there is
        work to do: False where another training has finished the run meanwhile.

        Raises ComposedError as `locked` does, and where another rank is gone.
        """
        with self.locked(wait) if main_process() else nullcontext(), processes.complete():
            if self.finished() and not config.redo:
                yield False
                return
            if main_process():
                if self.finished():  # else it is begun already, by the same command perhaps, which goes on
                    self.clear()
                self.describe(config, overrides)
            else:
                self.wait_for_description()
            yield config.redo or not self.finished()

    def describe(self, config: Config, overrides: list[str]) -> None:
        """Writes down what was asked for and what it runs on; half of a file that a killed process left goes."""
        for left in self.path.glob(".*.tmp"):
            left.unlink(missing_ok=True)
        write_text(self.path / "config.yaml", yaml.safe_dump(config.plain(), sort_keys=False))
        write_text(self.path / "overrides.yaml", yaml.safe_dump(overrides))
        write_json(self.path / "shape.json", shaping(config))
        write_json(self.path / "environment.json", environment())
        write_text(self._training_id, training_id())

    def wait_for_description(self) -> None:
        """For processes beside the one that describes, until it has, or another training has finished the run.

        Where that one ends early, whoever started them ends these too.
        """
        while not self.finished() and not (
            self._training_id.exists() and training_id() in ("", self._training_id.read_text())
        ):
            time.sleep(0.1)

    def tell_begun(self) -> None:
        """To processes beside this one: what the training begins with is in the folder."""
        write_text(self._begun_id, training_id())

    def wait_for_beginning(self) -> None:
        """Until the process that leads has told so."""
        while not (self._begun_id.exists() and training_id() in ("", self._begun_id.read_text())):
            time.sleep(0.1)

    def clear(self) -> None:
        """Removes what a run left but its log, so that it starts over; should this be killed, its end is there."""
        for entry in sorted(self.path.iterdir(), key=lambda entry: entry == self.result):
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name not in (".lock", self.log.name):
                entry.unlink()


def provenance(shape: dict[str, Any]) -> dict[str, str]:
    """What weights say of themselves: the config that shaped them, and the versions that made them."""
    return {"config": json.dumps(shape, sort_keys=True), "versions": json.dumps(versions())}


def versions() -> dict[str, str | None]:
    def installed(package: str) -> str | None:
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    return {"python": platform.python_version(), **{package: installed(package) for package in RECORDED_PACKAGES}}


def environment() -> dict[str, Any]:
    """Versions, machine, command and the git revision of the code, where it is known."""
    import torch

    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "git_revision": git_revision(),
        "python": (packages := versions()).pop("python"),
        "packages": packages,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def processor() -> str:
    """The model's name, where Linux tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    names = re.findall(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return names[0] if names else platform.machine()


def code() -> str:
    """SHA-256 of the package's own code."""
    return digest(sorted(Path(__file__).parents[1].rglob("*.py")))


def git_revision(source: Path = CODE) -> str | None:
    """12 digits of the commit, with `-dirty` where files differ from it; None outside a clone."""
    if not (source / ".git").exists() or not shutil.which("git"):
        return None
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or None
