"""How many processes a training is of, and what starts them: the environment and the launchers of sweeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from shutil import which
from typing import Annotated, Any

from composed.config.rules import Rest, Unit
from composed.config.trainer import Trainer
from composed.errors import ConfigError
from composed.system.console import without_first

SLURM_LOOKS_EVERY_S = 30  # at the time limits of its jobs
PLUGINS = {  # of Hydra, and the extra that installs them
    "hydra/launcher=joblib": ("hydra_joblib_launcher", "sweeps"),
    "hydra/launcher=slurm": ("hydra_submitit_launcher", "slurm"),
    "hydra/sweeper=optuna": ("hydra_optuna_sweeper", "sweeps"),
}


@dataclass(frozen=True, kw_only=True)
class ComposedLauncher:
    """hydra/launcher=composed. Hydra itself holds its values against their types."""

    jobs: Annotated[int, Unit("processes")]
    follow: bool


@dataclass(frozen=True, kw_only=True)
class Sbatch:
    requeue: bool
    further: Annotated[dict[str, Any], Rest()]


@dataclass(frozen=True, kw_only=True)
class SlurmLauncher:
    """hydra/launcher=slurm. Hydra itself holds its values against their types."""

    name: str
    partition: str | None
    nodes: Annotated[int, Unit("machines")]
    tasks_per_node: Annotated[int, Unit("processes")]
    gpus_per_node: Annotated[int, Unit("GPUs")] | None
    cpus_per_task: Annotated[int, Unit("cores")]
    mem_gb: Annotated[int, Unit("gigabytes")] | None
    timeout_min: Annotated[int, Unit("minutes")]
    signal_delay_s: Annotated[int, Unit("seconds")]
    max_num_timeout: Annotated[int, Unit("times")]
    array_parallelism: Annotated[int, Unit("runs")]
    additional_parameters: Sbatch


LAUNCHERS: dict[str, type] = {"composed": ComposedLauncher, "slurm": SlurmLauncher}


def check_plugins(words: Sequence[str]) -> None:
    """Raises ConfigError for a launcher or sweeper of Hydra whose plugin is not installed."""
    for word in words:
        plugin, extra = PLUGINS.get(word, ("", ""))
        if plugin and find_spec(f"hydra_plugins.{plugin}") is None:
            raise ConfigError(f"{word}: its plugin is not installed; pip install 'composed[{extra}]' does that")


def check_first_process(*, nodes: int, several: bool) -> None:
    """Raises ConfigError where this process would wait for a first process of its training that nobody has started."""
    if variables := without_first(nodes=nodes, several=several):
        names = " ".join(word.partition("=")[0] for word in variables.split())
        raise ConfigError(
            f"{variables} in the environment: this process would wait for others of its training, and no launcher that "
            f"is known (torchrun, srun) has started any; unset {names}"
        )


def check_processes(trainer: Trainer, started: int) -> None:
    """Raises ConfigError where so many processes are started for a training that is of another number of them."""
    devices, nodes = trainer.devices, trainer.num_nodes
    if isinstance(devices, list):
        devices = len(devices)
    if str(devices).isdigit() and int(devices) * nodes != started:
        raise ConfigError(
            f"trainer.devices={devices} and trainer.num_nodes={nodes} are {int(devices) * nodes} processes, but "
            f"{started} are started: tasks_per_node of SLURM and nproc-per-node of torchrun are trainer.devices, nodes "
            "are trainer.num_nodes"
        )


def check_launcher(overrides: Sequence[str], trainer: Trainer) -> None:
    """Of a sweep: raises ConfigError where its launcher cannot start runs of so many processes here."""
    if "hydra/launcher=slurm" in overrides:
        _check_slurm(overrides, trainer)
    elif "hydra/launcher=composed" not in overrides and (trainer.several_devices or trainer.num_nodes != 1):
        # Helpers of a training repeat its command line, which in a sweep is the whole sweep.
        raise ConfigError(
            f"trainer.devices={trainer.devices}: runs of several processes in a sweep need hydra/launcher=composed "
            "or slurm, which start every run by itself"
        )


def _check_slurm(overrides: Sequence[str], trainer: Trainer) -> None:
    if not which("sbatch"):
        raise ConfigError(
            "hydra/launcher=slurm: this machine has no sbatch, so it is none of a SLURM cluster; "
            "hydra/launcher=composed runs a sweep on one machine"
        )
    from hydra import compose

    words = [word for word in overrides if word.startswith("hydra")]
    launcher = compose("config", words, return_hydra_config=True).hydra.launcher
    check_processes(trainer, launcher.nodes * launcher.tasks_per_node)
    limit, delay = launcher.timeout_min, launcher.signal_delay_s
    if delay + SLURM_LOOKS_EVERY_S >= 60 * limit:
        raise ConfigError(
            f"hydra.launcher.signal_delay_s={delay}: with timeout_min={limit} SLURM warns a run as it starts, for "
            f"it warns up to {SLURM_LOOKS_EVERY_S} seconds early; lower it"
        )
