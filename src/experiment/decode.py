"""A trained run decoded in another way: a run of its own beside it, which has its weights."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from composed.config import Config
from composed.config.command_line import check
from composed.config.decoding import named
from composed.config.identity import shaping
from composed.config.options import with_own_options
from composed.config.structure import plain
from composed.errors import DataError
from composed.experiment.evaluate import conclude, load_run
from composed.runs.facts import Facts
from composed.runs.folder import RunFolder
from composed.runs.result import Result
from composed.system.console import main_process, say


def decode_anew(origin: RunFolder, run: RunFolder, config: Config) -> None:
    """Predicts into `run` by the weights of `origin`, as the decoding of the config says. Raises ComposedError."""
    device = torch.device("cuda" if config.trainer.accelerator == "gpu" and torch.cuda.is_available() else "cpu")
    task, f, _, composed = load_run(origin, config, device)
    facts = origin.facts()
    started = time.monotonic()
    task.predict(run, f, composed)
    if main_process():
        seconds = {**facts.seconds, "prediction": round(time.monotonic() - started, 1)}
        more = {**task.facts(f), "seconds": seconds, "decoded_from": origin.path.name}
        Facts.of({**plain(facts), **more}, run.training).write(run.training)


def decoded_run(
    path: Path, option: str, words: Sequence[str], *, again: bool, unsafe: bool
) -> tuple[RunFolder, Result]:
    """The run of the weights of the one at `path` that is decoded otherwise, beside it and named as `composed-train`
    would; it is made where it is missing, or `again`. The words say KEY=VALUE of the decoding.

    Raises ComposedError, also where the files that the run names are not what they were.
    """
    asked = RunFolder.existing(path)
    trained, origin = asked.trained(), asked.origin()
    with_own_options(origin.overrides())
    config = replace(trained, decoding=named(option, words), redo=again)
    check(config.plain())
    _check_unchanged(origin, config)
    run = origin.beside(config)
    if run.path.name == origin.path.name or (run.finished() and not again):
        say(f"{run.path} is finished already (--predict predicts again)")
        return run, Result.read(run.result)
    kept = [word for word in origin.overrides() if word.partition("=")[0].partition(".")[0] != "decoding"]
    config = replace(config, judge=config.judge.running(unsafe=unsafe))
    with run.claimed(config, [*kept, f"decoding={option}", *words], wait=False) as work:
        if work and not run.predicted():
            decode_anew(origin, run, config)
        if work:
            conclude(run, config)
    return run, Result.read(run.result)


def _check_unchanged(origin: RunFolder, config: Config) -> None:
    """Raises DataError where the numbers would not be those of the weights' own data."""
    now, then = ({**shape, "decoding": None} for shape in (shaping(config), origin.shape()))
    if changed := [key for key in sorted(now.keys() | then.keys()) if now.get(key) != then.get(key)]:
        raise DataError(
            f"{origin.path}: what its config names as {', '.join(changed)} is not what it was trained on, seen from "
            f"this folder; go to the folder where it was trained, or train again with\n  {origin.command()}"
        )
