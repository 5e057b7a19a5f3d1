"""Where metrics go beside metrics.jsonl. No logger stops a training: one that fails is named once, then left alone.

Left out: metrics.jsonl itself (`tasks/progress.py`).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from composed.console import main_process, say


class Sheltered:
    """A logger whose failures end itself alone; `make` opens it."""

    def __init__(self, what: str, make: Callable[[], Logger]) -> None:
        self._what = what
        self._logger: Logger | None = None
        self._logger = self._try(make)

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        if self._logger:
            self._try(self._logger.log_metrics, metrics, step)

    def log_image(self, name: str, path: Path) -> None:
        """A picture, where the logger takes pictures; it lies in the run folder anyway."""
        if isinstance(self._logger, WandbLogger):
            self._try(self._logger.log_image, name, [str(path)])

    def close(self) -> None:
        if isinstance(self._logger, WandbLogger):
            self._try(self._logger.experiment.finish)
        elif self._logger:
            self._try(self._logger.finalize, "success")
        self._logger = None

    def _try(self, action: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return action(*arguments)
        except Exception as error:
            self._logger = None
            reason = next(iter(str(error).splitlines()), repr(error))
            say(f"{self._what} gets no metrics from here on ({reason}); metrics.jsonl has them")
            return None


@contextmanager
def open_logger(
    settings: dict[str, Any], folder: Path, *, group: str, config: dict[str, Any]
) -> Iterator[list[Sheltered]]:
    """The logger of the settings (conf/logger) for the run in `folder`, if this process is the one that writes."""

    def wandb() -> Logger:
        import wandb

        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        quiet = wandb.Settings(silent=True, console="off", init_timeout=30, x_disable_stats=True)
        run = wandb.init(
            project=settings["project"],
            name=folder.name,
            id=folder.name,
            resume="allow" if settings["mode"] == "online" else None,
            group=group,
            dir=folder,
            mode=settings["mode"],
            config=config,
            settings=quiet,
        )
        return WandbLogger(experiment=run)

    make: dict[str, Callable[[], Logger]] = {
        "csv": lambda: CSVLogger(folder, name="csv", version=""),
        "tensorboard": lambda: TensorBoardLogger(folder, name="tensorboard", version=""),
        "wandb": wandb,
    }
    if not main_process():
        yield []
        return
    logger = Sheltered(settings["name"], make[settings["name"]])
    try:
        yield [logger]
    finally:
        logger.close()
