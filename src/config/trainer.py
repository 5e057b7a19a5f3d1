"""Devices and processes of a training; further keys are arguments of Lightning's Trainer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from composed.config.groups import Group
from composed.config.rules import Rest, Silent, Unit, above, at_least
from composed.config.structure import forms, plain
from composed.config.whole import Whole
from composed.errors import ConfigError

FSDP_PRECISIONS = ("32-true", "bf16-mixed")  # that FSDP trains with
# Arguments of Lightning's Trainer that `++trainer.KEY=` does not take, and which key does what they are for.
BUDGET = "optim.updates and pretraining.optim.updates say how long; profile=smoke tries everything in seconds"
VALIDATION = "optim.validate_every says how often; all of the validation data are taken"
REFUSED: dict[str, str] = {
    **dict.fromkeys(("fast_dev_run", "max_epochs", "min_epochs", "max_steps", "min_steps", "max_time"), BUDGET),
    **dict.fromkeys(("limit_train_batches", "overfit_batches"), f"task.sizes.train and others cut data; {BUDGET}"),
    **dict.fromkeys(("limit_val_batches", "val_check_interval", "check_val_every_n_epoch"), VALIDATION),
    **dict.fromkeys(("num_sanity_val_steps", "reload_dataloaders_every_n_epochs"), VALIDATION),
    **dict.fromkeys(("limit_test_batches", "limit_predict_batches"), "every test example is predicted, by no Trainer"),
    **dict.fromkeys(("logger", "log_every_n_steps"), "logger= says where metrics go, every 10 updates"),
    **dict.fromkeys(("enable_progress_bar", "enable_model_summary"), "how far it is stands on standard error"),
    **dict.fromkeys(("enable_checkpointing", "default_root_dir"), "optim.checkpoint_every and runs= are for that"),
    "accumulate_grad_batches": "set optim.accumulate",
    "gradient_clip_val": "set optim.clip",
    "use_distributed_sampler": "trainer.devices processes always share out each batch",
    "barebones": "it takes away what checkpoints and metrics need",
    **dict.fromkeys(("callbacks", "plugins", "model_registry"), "they are objects, which no command line can name"),
}


@dataclass(frozen=True)
class NotLightnings:
    """The key is none of Lightning's Trainer."""


@dataclass(frozen=True, kw_only=True)
class Trainer(Group):
    """Devices share out the same batches, so that they shape no denoiser; of a run they are a part of its name."""

    accelerator: Annotated[str, Silent("denoiser")]
    devices: Annotated[int | str | list[int], Silent("denoiser"), Unit("processes")]
    num_nodes: Annotated[int, above(0), Silent("denoiser"), Unit("machines")]
    strategy: Annotated[Literal["auto", "ddp", "fsdp"], Silent("denoiser")]
    precision: str
    checkpoints: Annotated[int, at_least(0), Silent(), NotLightnings(), Unit("files")]
    threads: Annotated[int, above(0), Silent("denoiser"), NotLightnings(), Unit("threads")] | None
    gradient_checkpointing: Annotated[bool, Silent(), NotLightnings()]
    lightning: Annotated[Mapping[str, Any], Rest()] = field(default_factory=dict)

    @property
    def several_devices(self) -> bool:
        return self.devices not in (1, "1")

    def of_lightning(self) -> dict[str, Any]:
        """The keys that are arguments of Lightning's Trainer."""
        ours = {key for key, shape in forms(Trainer).items() if shape.rule(NotLightnings)}
        return {key: value for key, value in plain(self).items() if key not in ours}

    def agree(self, config: Whole) -> None:
        """Refuses options that FSDP does not support."""
        if self.strategy != "fsdp":
            return
        if self.precision not in FSDP_PRECISIONS:
            valid = " and ".join(FSDP_PRECISIONS)
            raise ConfigError(
                f"trainer.precision={self.precision}: with trainer.strategy=fsdp, valid values are {valid}"
            )
        for key, why in (
            ("anchor", "compares f with all of its weights at the start"),
            ("lora", "changes weights that lie in parts, and its few weights that learn need no parts"),
        ):
            if value := getattr(config.finetuning, key):
                raise ConfigError(f"finetuning.{key}={value} {why}: not with trainer.strategy=fsdp; use trainer=ddp")


def check_arguments(node: Mapping[str, Any]) -> None:
    """Raises ConfigError for what Lightning's Trainer would take, and a run must not give it."""
    for key in node:
        if key in REFUSED:
            raise ConfigError(f"trainer.{key}: cannot be set here; {REFUSED[key]}")
