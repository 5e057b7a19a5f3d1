"""`composed-train`: a config becomes a finished run (data, denoiser, fine-tuning, predictions, verdicts, result).

Left out: what the objects are (`build.py`) and how predictions become a result (`evaluate.py`).
"""

import os
import shlex
import signal
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import hydra
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from composed.config.command_line import (
    check,
    check_command_line,
    check_first_process,
    check_processes,
    flags_first,
    help_text,
    options,
    search_words,
    with_own_options,
)
from composed.errors import ComposedError, ConfigError, Interrupted, TrainingError
from composed.experiment import evaluate
from composed.runs.folder import RunFolder, provenance, shaping
from composed.sweeps import slurm
from composed.system import processes as ranks
from composed.system.console import (
    end_with_parent,
    in_sweep,
    launch,
    main_process,
    raise_on_signals,
    say,
    started_together,
)
from composed.system.files import read_json, write_json

_failures: list[str] = []


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

    from composed.training.fit import check_trainer, threads
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
    with folder.locked(wait) if main_process() else nullcontext(), ranks.complete():
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
            ranks.wait()  # for what one of them has written
            if main_process() or ranks.joined():
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
    if config["task"]["kind"] != "text":
        evaluate.kind(config).train_and_predict(folder, config, loggers)
        return
    from composed.experiment import build
    from composed.models.composition import fingerprint
    from composed.training.fit import train

    task = build.text_task(config)
    if main_process():
        evaluate.warn_of_no_judge(config, folder)
    command = folder.command(denoiser="auto")
    weights = build.denoiser_weights(config, task, command)
    denoiser = build.denoiser(config, task, weights)
    before = fingerprint(denoiser.parameters()) if denoiser is not None else None
    tuning = build.fine_tuning(config, task, denoiser, command)
    resumed = (folder.checkpoints / "last.ckpt").exists()
    started = time.monotonic()
    val = task.pairs(task.data.val)
    best = train(
        tuning.task,
        tuning.train,
        val,
        denoising=tuning.denoising,
        stage=config["finetuning"]["name"],
        checkpoints=folder.checkpoints,
        metrics=folder.metrics,
        metadata={"vocabulary": task.tokenizer.hash, "what": "base predictor", **provenance(shaping(config))},
        trainer=config["trainer"],
        loggers=loggers,
        sample=build.sample(task, val, denoiser),
    )
    seconds = {"training": round(time.monotonic() - started, 1)}
    if denoiser is not None and fingerprint(denoiser.parameters()) != before:
        raise ComposedError(
            "the frozen denoiser changed during fine-tuning: a defect of this program, please report it"
        )
    composition = build.composition(config, task, tuning.task.model, denoiser, command)
    seconds["prediction"] = evaluate.predict(folder, config, task, tuning.task.model, composition)
    if main_process():
        facts = {
            "updates": tuning.task.updates,
            "best": best,
            "resumed": resumed,
            "seconds": seconds,
            **build.facts(task),
            "denoiser": str(weights) if weights else None,
        }
        write_json(folder.training, facts)


@hydra.main(config_path="pkg://composed.conf", config_name="config", version_base="1.3")
def _job(config: DictConfig) -> float | None:
    """Returns what sweepers minimise: the validation loss of the selected weights."""
    job = HydraConfig.get()
    overrides = [*search_words(job.overrides.hydra), *job.overrides.task]
    below_main = job.mode == RunMode.RUN or job.launcher["_target_"].endswith(".BasicLauncher")
    raise_on_signals()
    try:
        folder = run(OmegaConf.to_container(config, resolve=True), overrides, wait=in_sweep())  # type: ignore[arg-type]
        ranks.part()
        if main_process():
            result = read_json(folder.result)
            print(evaluate.summary(result, folder.path))
            if job.mode == RunMode.RUN:
                say(f"next:\n  composed-report {shlex.quote(str(folder.path.parent))}{_uses(result, folder.path)}")
            return result["best"]["selection"]
    except ComposedError as error:
        print(f"error: {error}", file=sys.stderr)  # also of a helping process, whose end takes the others down
        if job.mode == RunMode.RUN:
            sys.exit(error.code)
        if not below_main:
            raise  # from a process of another's, which is told no other way
        _failures.append(f"{shlex.join(overrides)}: {error}")
    except Interrupted as interrupted:
        if below_main:
            raise
        say(str(interrupted))
        most_returns = job.launcher.get("max_num_timeout", slurm.MOST_RETURNS)
        if refused := slurm.back_into_the_queue(interrupted.number, most_returns):
            raise TrainingError(f"{interrupted}; {refused}; the same command goes on there") from None
        sys.exit(interrupted.code if main_process() else 0)  # the first process has yet to ask for its place
    return None


def _uses(result: dict[str, Any], path: Path) -> str:
    """How to use what a run has learned, where there is a command for it."""
    command = f"\n  composed-predict {shlex.quote(str(path))}"
    if "counts" in result:
        return f"{command} < PSEUDOCODE"
    if not (path / "pictures").exists():
        return ""
    known = RunFolder(path).config()["task"]["characters"]
    text = "Hello" if {*"Hello"} <= {*known} else known[:5]
    return f"{command} --font 0 --text {shlex.quote(text)} -o hello.png"


def _register_launcher() -> None:
    """Hydra finds it by itself in a wheel, but not in an editable installation."""
    from hydra.core.plugins import Plugins
    from hydra_plugins.composed import Launcher

    Plugins.instance().register(Launcher)


def main() -> None:
    try:
        arguments = flags_first(with_own_options(sys.argv[1:]))
    except ConfigError as error:
        say(f"error: {error}")
        sys.exit(error.code)
    command = shlex.join([Path(sys.argv[0]).name, *arguments])
    if "--help" in arguments or "-h" in arguments:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no error
        print(help_text("composed-train"))
        return
    try:
        if "MASTER_ADDR" not in os.environ:  # else there may be several machines, as the config says
            check_first_process({"devices": 1, "num_nodes": 1})
    except ComposedError as error:
        print(f"error: {error}", file=sys.stderr)  # itself, for it takes itself for one that is silent
        sys.exit(error.code)
    raise_on_signals()
    try:
        end_with_parent()
        launch()  # known to the processes that this one will start
        check_command_line(arguments)
        resolve = ["--resolve"] if "--cfg" in arguments and "job" in arguments else []
        sys.argv[1:] = [*resolve, *arguments]
        if "hydra/launcher=composed" in arguments:
            _register_launcher()
        os.environ["HYDRA_FULL_ERROR"] = "1"  # it tells no errors itself: below they are told in words
        _job()
    except ComposedError as error:
        say(f"error: {error}")
        sys.exit(error.code)
    except HydraException as error:
        say(f"error: {error}")
        sys.exit(ConfigError.code)
    except Interrupted as interrupted:
        say(f"{interrupted}\ngo on with the same command:\n  {command}")
        if refused := slurm.back_into_the_queue(interrupted.number):
            say(refused)
        sys.exit(interrupted.code if main_process() else 0)
    if _failures:
        say("\n".join([f"error: {len(_failures)} of the runs failed:", *_failures]))
        sys.exit(1)
    if {"-m", "--multirun"} & {*arguments}:
        runs = next((word.partition("=")[2] for word in arguments if word.startswith("runs=")), "runs")
        say(f"next:\n  composed-report {shlex.quote(runs)}")


if __name__ == "__main__":
    main()
