"""Where metrics go beside metrics.jsonl. No logger stops a training: one that fails is named once, then left alone.

Left out: metrics.jsonl itself (`recorder.py`), and how W&B is kept at a distance (`wandb_process.py`).
"""

import csv
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from composed.config import Config
from composed.config.identity import configuration_key, content_key, shaping
from composed.config.logger import Wandb
from composed.config.structure import narrowed
from composed.system.console import main_process, say
from composed.training.wandb_process import WandbProcess, switched_off

MOST_OF_A_TAG, MOST_OF_AN_ID = 64, 128  # characters, in W&B


class Sheltered:
    """A logger of metrics whose failures end itself alone; `make` opens it."""

    def __init__(self, name: str, make: Callable[[], Logger]) -> None:
        self._name = name
        self._logger: Logger | None = None
        self._logger = self._try(make)

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        if self._logger:
            self._try(self._logger.log_metrics, metrics, step)

    def log_run(self, folder: Path) -> None:
        """Samples and pictures lie in the run folder; these loggers take none."""

    def close(self) -> None:
        if self._logger:
            self._try(self._logger.finalize, "success")
        self._logger = None

    def _try(self, action: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return action(*arguments)
        except Exception as error:
            self._logger = None
            reason = next(iter(str(error).splitlines()), repr(error))
            say(f"{self._name} gets no metrics from here on ({reason}); metrics.jsonl has them")
            return None


class _Csv(CSVLogger):
    """Keeps the rows that a stopped run left, which Lightning's deletes, up to the step at which this one goes on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name="csv", version="")
        self._earlier = []
        if (path := folder / "csv" / "metrics.csv").exists():
            with open(path, encoding="utf-8", newline="") as file:
                rows = [*csv.DictReader(file)]
            self._earlier = [{name: float(cell) for name, cell in row.items() if cell} for row in rows]

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:  # type: ignore[override]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Experiment logs directory .* is not empty")
            for row in self._earlier:
                if (row["step"], row.keys() == {*metrics, "step"}) < (step, True):
                    self.experiment.log_metrics(row, int(row["step"]))
            self._earlier = []
            super().log_metrics({**metrics}, step)


@contextmanager
def open_logger(config: Config, folder: Path) -> Iterator[list[Sheltered | WandbProcess]]:
    """The logger of the run in `folder`, if this process is the one that writes."""
    settings = config.logger
    make: dict[str, Callable[[], Sheltered | WandbProcess]] = {
        "csv": lambda: Sheltered("csv", lambda: _Csv(folder)),
        "tensorboard": lambda: Sheltered(
            "tensorboard", lambda: TensorBoardLogger(folder, name="tensorboard", version="")
        ),
        "wandb": lambda: WandbProcess(wandb_settings(config, folder.name), folder),
    }
    off = switched_off() if isinstance(settings, Wandb) else ""
    if not main_process() or off:
        if off:
            say(f"{off} in the environment: wandb gets nothing; metrics.jsonl has the metrics")
        yield []
        return
    if isinstance(settings, Wandb):
        for variable, ours in (("WANDB_MODE", settings.mode), ("WANDB_DIR", str(folder))):
            if os.environ.get(variable, ours) != ours:
                key = "logger.mode" if variable == "WANDB_MODE" else "runs="
                say(f"{variable}={os.environ[variable]} has no effect: {key} says it, {ours} here")
    logger = make[settings.name]()
    try:
        yield [logger]
    finally:
        logger.close()


def wandb_settings(config: Config, name: str) -> dict[str, Any]:
    """What a W&B run is called: the same run folder is the same W&B run, however often it is resumed."""
    settings = narrowed(config.logger, Wandb)
    task, profile, mode = config.task.name, config.profile.name, config.finetuning.name
    group = f"{task}-{profile}-{mode}-{configuration_key(shaping(config), config.replicate)[:8]}"
    return {
        "project": settings.project,
        "mode": settings.mode,
        "name": name,
        "id": _identifier(name),
        "resume": "allow" if settings.mode == "online" else None,
        "group": group,  # of the replicates of one experiment, over which W&B takes means
        "job_type": "fine-tuning",
        "tags": [word[:MOST_OF_A_TAG] for word in (task, profile, mode, *_drawn(config))],
        "config": {**config.plain(), "group": group},
    }


def _drawn(config: Config) -> list[str]:
    """The replicate as a tag, and the seed of fine-tuning where it is another."""
    other = [f"seed-{config.seed}"] if config.seed != config.replicate else []
    return [f"replicate-{config.replicate}", *other]


def _identifier(name: str) -> str:
    """A run's name as its id in W&B, which has no `:;,#?/'` and at most 128 characters; another name is another id."""
    kept = re.sub(r"[^\w.-]", "-", name, flags=re.ASCII)
    return kept if kept == name and len(name) <= MOST_OF_AN_ID else f"{kept[: MOST_OF_AN_ID - 13]}-{content_key(name)}"
