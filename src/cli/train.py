"""`composed-train`: one run, or the runs of a sweep, from words on a command line to what to type next."""

import os
import shlex
import signal
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from composed.config.command_line import check, check_command_line, flags_first
from composed.config.options import search_words, with_own_options
from composed.config.processes import check_first_process
from composed.config.reference import help_text
from composed.errors import ComposedError, ConfigError, Interrupted, TrainingError
from composed.experiment import evaluate
from composed.experiment.run import run
from composed.runs.folder import RunFolder
from composed.runs.result import Result
from composed.sweeps import slurm
from composed.system import processes
from composed.system.console import end_with_parent, in_sweep, main_process, raise_on_signals, say, training_id

_failures: list[str] = []


@hydra.main(config_path="pkg://composed.conf", config_name="config", version_base="1.3")
def _job(config: DictConfig) -> float | None:
    """Returns what sweepers minimise: the validation loss of the selected weights."""
    job = HydraConfig.get()
    overrides = [*search_words(job.overrides.hydra), *job.overrides.task]
    below_main = job.mode == RunMode.RUN or job.launcher["_target_"].endswith(".BasicLauncher")
    raise_on_signals()
    try:
        folder = run(check(OmegaConf.to_container(config, resolve=True)), overrides, wait=in_sweep())  # type: ignore[arg-type]
        processes.leave()
        if main_process():
            result = Result.read(folder.result)
            print(evaluate.summary(result, folder.path))
            if job.mode == RunMode.RUN and not in_sweep():
                say(f"next:\n  composed-report {shlex.quote(str(folder.path.parent))}{_uses(folder.path)}")
            return result.best["selection"]
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


def _uses(path: Path) -> str:
    """How to use what a run has learned, where there is a command for what its folder holds."""
    command = f"\n  composed-predict {shlex.quote(str(path))}"
    if any(path.glob("verdicts-*.jsonl")):
        return f"{command} < INPUTS"
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
            check_first_process(nodes=1, several=False)
    except ComposedError as error:
        print(f"error: {error}", file=sys.stderr)  # itself, for it takes itself for one that is silent
        sys.exit(error.code)
    raise_on_signals()
    try:
        end_with_parent()
        training_id()  # known to the processes that this one will start
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
