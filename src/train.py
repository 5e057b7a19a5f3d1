"""`composed-train`: a config becomes a finished run (data, denoiser, fine-tuning, predictions, verdicts, result).

Left out: what the objects are (`build.py`) and how predictions become a result (`evaluate.py`).
"""

import sys
import time
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from composed.command import check, check_command_line, help_text
from composed.console import say
from composed.errors import ComposedError
from composed.evaluate import summary
from composed.files import read_json
from composed.run_folder import RunFolder

_failures: list[str] = []


def run(config: dict[str, Any], overrides: list[str]) -> RunFolder:
    """One run from its config to its result; what is there already is not done again.

    Raises ComposedError for everything a user can mend.
    """
    check(config)
    folder = RunFolder.of(config)
    if folder.finished() and not config["redo"]:
        say(f"{folder.path} is finished already (redo=true runs it again)")
        return folder

    from composed import build, evaluate
    from composed.models.composition import fingerprint
    from composed.tasks.sequence import SequenceTask
    from composed.tasks.training import train

    lock = folder.lock() if build.main_process() else None
    if build.main_process():
        if config["redo"]:
            folder.clear()
        folder.describe(config, overrides)
    say(f"run {folder.path}")
    task = build.text_task(config)
    denoiser = build.denoiser(config, task)
    before = fingerprint(denoiser.parameters()) if denoiser is not None else None
    model = build.predictor(config, task, denoiser)
    optim = build.optim(config["optim"])
    loggers = build.loggers(config, folder)
    started = time.monotonic()
    try:
        best = train(
            SequenceTask(
                model,
                optim,
                seed=config["seed"],
                base_weight=config["finetuning"]["base_weight"],
                through=build.through(config, task, denoiser, optim),
            ),
            task.pairs(task.train),
            task.pairs(task.val),
            stage=config["finetuning"]["name"],
            checkpoints=folder.checkpoints,
            metrics=folder.metrics,
            metadata={"vocabulary": task.tokenizer.hash, "what": "base predictor"},
            trainer=config["trainer"],
            loggers=loggers,
        )
        if denoiser is not None and fingerprint(denoiser.parameters()) != before:
            raise ComposedError(
                "the frozen denoiser changed during fine-tuning: a defect of this program, please report it"
            )
        if build.main_process():
            facts = {
                "updates": optim.updates,
                "best": best,
                "seconds": {"training": round(time.monotonic() - started, 1)},
            }
            evaluate.evaluate(folder, config, task, model, denoiser, facts, loggers)
    finally:
        for logger in loggers:
            logger.finalize("success" if folder.finished() else "failed")
            _finish_wandb(logger)
        if lock is not None:
            lock.release()
    return folder


def _finish_wandb(logger: Any) -> None:
    experiment = getattr(logger, "experiment", None)
    if hasattr(experiment, "finish"):
        experiment.finish()


@hydra.main(config_path="pkg://composed.conf", config_name="config", version_base="1.3")
def _job(config: DictConfig) -> None:
    job = hydra.core.hydra_config.HydraConfig.get()
    overrides = list(job.overrides.task)
    try:
        folder = run(OmegaConf.to_container(config, resolve=True), overrides)  # type: ignore[arg-type]
        if folder.finished():
            print(summary(read_json(folder.result), folder.path))
    except ComposedError as error:
        again = " ".join([Path(sys.argv[0]).name, *overrides])
        hint = f"\ngo on with the same command:\n  {again}" if error.code >= 128 else ""
        say(f"error: {error}{hint}")
        if error.code >= 128 or job.mode == hydra.types.RunMode.RUN:
            sys.exit(error.code)
        _failures.append(f"{' '.join(overrides)}: {error}")


def main() -> None:
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments:
        print(help_text("composed-train"))
        return
    try:
        check_command_line(arguments)
    except ComposedError as error:
        say(f"error: {error}")
        sys.exit(error.code)
    if ("--cfg" in arguments or "-c" in arguments) and "--resolve" not in arguments:
        sys.argv.append("--resolve")
    _job()
    if _failures:
        say("\n".join([f"error: {len(_failures)} of the runs failed:", *_failures]))
        sys.exit(1)


if __name__ == "__main__":
    main()
