"""One run: a config becomes data, a denoiser, fine-tuning, predictions, verdicts and a result.

Left out: what the objects are (`build.py`) and how predictions become a result (`evaluate.py`).
"""

import time
from contextlib import nullcontext
from typing import Any

from hydra import compose
from omegaconf import OmegaConf

from composed.config.command_line import check, check_first_process, check_processes, options
from composed.errors import ComposedError, ConfigError
from composed.experiment import evaluate
from composed.runs.folder import RunFolder, provenance, shaping
from composed.system import processes
from composed.system.console import main_process, say, started_together
from composed.system.files import write_json


def run(config: dict[str, Any], overrides: list[str], *, wait: bool = False) -> RunFolder:
    """One run from its config to its result; what is there already is not done again.

    `wait`: for another process that works on the same run, instead of refusing.
    Raises ComposedError for everything a user can mend, and Interrupted.
    """
    check(config)
    folder = RunFolder.of(config)
    if folder.finished() and not config["redo"]:
        say(f"{folder.path} is finished already (redo=true runs it again)")
        return folder
    check_first_process(config["trainer"])
    if started_together():
        check_processes(config["trainer"], started_together())

    from composed.tasks.threads import threads
    from composed.training.fit import check_trainer
    from composed.training.loggers import open_logger

    check_trainer(config["trainer"])
    if config["redo"] and started_together():
        raise ConfigError(
            f"redo=true: torchrun and srun start all processes at once, and one would clear what another reads; delete "
            f"{folder.path} instead"
        )
    start_from = config["finetuning"]["start_from"]
    if start_from in options("finetuning") and not folder.predicted():
        start_from = str(run(*_of_mode(start_from, overrides), wait=True).path)
    with folder.locked(wait) if main_process() else nullcontext(), processes.complete():
        if folder.finished() and not config["redo"]:
            return folder
        if main_process():
            if folder.finished():  # else it is begun already, by the same command perhaps, which goes on
                folder.clear()
            folder.describe(config, overrides)
        else:
            folder.wait_for_description()
            if folder.finished() and not config["redo"]:
                return folder
        say(f"run {folder.path}")
        with open_logger(config["logger"], folder.path, config) as loggers, threads(config["trainer"]["threads"]):
            if not folder.predicted():
                started = {**config, "finetuning": {**config["finetuning"], "start_from": start_from}}
                _train_and_predict(folder, started, loggers)
            processes.barrier()  # for what one of them has written
            if main_process() or processes.joined():
                result = evaluate.conclude(folder, config)
                for logger in loggers:
                    logger.log_metrics(evaluate.metrics(result), step=result["updates"])
                    logger.log_run(folder.path)
    return folder


def _of_mode(mode: str, overrides: list[str]) -> tuple[dict[str, Any], list[str]]:
    """The config of the same command with another mode, and its overrides."""
    kept = [word for word in overrides if word.partition("=")[0].partition(".")[0] not in ("finetuning", "redo")]
    words = [*kept, f"finetuning={mode}"]
    return OmegaConf.to_container(compose("config", words), resolve=True), words  # type: ignore[return-value]


def _train_and_predict(folder: RunFolder, config: dict[str, Any], loggers: list[Any]) -> None:
    from composed.experiment.denoiser import composition, denoiser_weights, frozen_denoiser
    from composed.tasks import open_task

    task, command = open_task(config), folder.command(denoiser="auto")
    if task.judge == "programs" and main_process():
        evaluate.warn_of_no_judge(config, folder)
    weights = denoiser_weights(task, command)
    pi = frozen_denoiser(task, weights)
    started = time.monotonic()
    trained = task.train_itself(folder, loggers) or _fine_tune(task, pi, folder, loggers)
    seconds = {"training": round(time.monotonic() - started, 1)}
    composed = composition(task, trained.f, pi, command)
    started = time.monotonic()
    task.predict(folder, trained.f, composed)
    seconds["prediction"] = round(time.monotonic() - started, 1)
    if main_process():
        task.show(folder, trained.f, pi)
        facts = {"updates": trained.updates, "best": trained.best, "resumed": trained.resumed, "seconds": seconds}
        denoiser = {"denoiser": str(weights) if weights else None}
        write_json(folder.training, {**facts, **task.facts(trained.f), **denoiser})


def _fine_tune(task: Any, pi: Any, folder: RunFolder, loggers: list[Any]) -> Any:
    """Trains f, through Pi where the mode says so, and looks that Pi stayed as it was."""
    from composed.experiment.fine_tuning import fine_tuning
    from composed.models.composition import fingerprint
    from composed.tasks.task import Trained
    from composed.training.fit import train

    config = task.config
    before = fingerprint(pi.state_dict().values()) if pi is not None else None
    tuning = fine_tuning(task, pi, folder.command(denoiser="auto"))
    resumed = (folder.checkpoints / "last.ckpt").exists()
    val = task.examples("val")
    best = train(
        tuning.training,
        tuning.train,
        val,
        denoising=tuning.denoising,
        stage=config["finetuning"]["name"],
        checkpoints=folder.checkpoints,
        metrics=folder.metrics,
        metadata={"vocabulary": task.signature, "what": "base predictor", **provenance(shaping(config))},
        trainer=config["trainer"],
        loggers=loggers,
        sample=task.teller(val, pi, ("x", "f(x)", "Pi(f(x))")),
    )
    if pi is not None and fingerprint(pi.state_dict().values()) != before:
        raise ComposedError(
            "the frozen denoiser changed during fine-tuning: a defect of this program, please report it"
        )
    return Trained(tuning.training.model, tuning.training.updates, best, resumed)
