"""One run: a folder is claimed, a model trained, its predictions judged. Loads torch only when there is work to do.

Left out: the training (`train.py`), and how predictions become a result (`evaluate.py`).
"""

from dataclasses import replace

from hydra import compose
from omegaconf import OmegaConf

from composed.config import Config
from composed.config.command_line import check
from composed.config.decoding import Greedy, named
from composed.config.options import options
from composed.config.processes import check_first_process, check_processes
from composed.errors import ConfigError
from composed.experiment import evaluate
from composed.runs.folder import RunFolder
from composed.system import processes
from composed.system.console import in_sweep, main_process, say, started_together


def run(config: Config, overrides: list[str], *, wait: bool = False) -> RunFolder:
    """One run from its config to its result; what is there already is not done again.

    `wait`: for another process that works on the same run, instead of refusing.
    Raises ComposedError for everything a user can mend, and Interrupted.
    """
    folder = RunFolder.of(config)
    if folder.finished() and not config.redo:
        say(f"{folder.path} is finished already (redo=true runs it again)")
        return folder
    _check_machine(config, folder)
    origin = _origin(config, overrides, folder)
    started = config if origin else _started(config, overrides, folder)

    from composed.experiment.decode import decode_anew
    from composed.experiment.train import train_and_predict
    from composed.tasks.threads import threads
    from composed.training.loggers import open_logger

    with folder.claimed(config, overrides, wait=wait) as work:
        if not work:
            return folder
        if not in_sweep():  # which has said it
            say(f"run {folder.path}")
        with open_logger(config, folder.path) as loggers, threads(config.trainer.threads):
            if not folder.predicted() and origin:
                decode_anew(origin, folder, config)
            elif not folder.predicted():
                train_and_predict(folder, started, loggers)
            processes.barrier()  # for what one of them has written
            if main_process() or processes.joined():
                say("judging the predictions")
                result = evaluate.conclude(folder, config)
                for logger in loggers:
                    logger.log_metrics(evaluate.metrics(result), step=result.updates)
                    logger.log_run(folder.path)
    return folder


def _check_machine(config: Config, folder: RunFolder) -> None:
    """Raises ConfigError where this machine, or whoever started these processes, does not fit the trainer group."""
    from composed.training.fit import check_trainer

    check_first_process(nodes=config.trainer.num_nodes, several=config.trainer.several_devices)
    if started_together():
        check_processes(config.trainer, started_together())
    check_trainer(config.trainer)
    if config.redo and started_together():
        raise ConfigError(
            f"redo=true: torchrun and srun start all processes at once, and one would clear what another reads; delete "
            f"{folder.path} instead"
        )


def _origin(config: Config, overrides: list[str], folder: RunFolder) -> RunFolder | None:
    """The run of the same weights whose outputs are decoded greedily, made if missing; None where this is it.

    How outputs are decoded shapes no weights: whatever is asked for first, they are trained once, and lie there.
    """
    done = folder.predicted() and not config.redo
    if isinstance(config.decoding, Greedy) or done:
        return None
    words = [word for word in overrides if _group(word) not in ("decoding", "redo")]
    greedy = replace(config, decoding=named("greedy"), redo=False)
    return run(greedy, [*words, "decoding=greedy"], wait=True)


def _started(config: Config, overrides: list[str], folder: RunFolder) -> Config:
    """The config with the folder of the run that f starts from in place of its mode; that run is made if missing."""
    mode = config.finetuning.start_from
    if mode not in options("finetuning") or (folder.predicted() and not config.redo):
        return config
    first = run(*_of_mode(mode, overrides), wait=True)
    return replace(config, finetuning=replace(config.finetuning, start_from=str(first.path)))


def _of_mode(mode: str, overrides: list[str]) -> tuple[Config, list[str]]:
    """The config of the same command with another mode, and its overrides."""
    kept = [word for word in overrides if _group(word) not in ("finetuning", "decoding", "redo")]
    words = [*kept, f"finetuning={mode}"]
    return check(OmegaConf.to_container(compose("config", words), resolve=True)), words  # type: ignore[arg-type]


def _group(word: str) -> str:
    """The group, or key outside groups, that an override is of."""
    return word.partition("=")[0].partition(".")[0]
