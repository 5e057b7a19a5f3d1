"""What tells runs, denoisers and beginnings apart: what of a config shapes numbers, as the fields of its classes say.

Content, not a path, stands for the files that a config names.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from composed.config import Config
from composed.config.effects import contents, starts_from_a_mode, without_effect
from composed.config.optim import FullBatch
from composed.config.rules import Silent
from composed.config.structure import Form, keys_where, plain
from composed.config.trainer import Trainer

# Keys of all seeds, each with the word for it in the name of a run that has another than its replicate.
SEEDS = {"seed": "seed", "task.seed": "data", "pretraining.seed": "denoiser", "backtranslation.seed": "reverse"}

# What no update before the branch of a fine-tuning depends on.
_OF_LATER = (
    *("profile", "decoding", "estimator", "pretraining.classifier"),
    *("finetuning.name", "finetuning.schedule", "finetuning.predict_through", "finetuning.predict_above"),
    *("finetuning.train_through", "finetuning.composed_weight", "finetuning.compose_after"),
)


def content_key(value: Any) -> str:
    """12 hex digits of the SHA-256 of a plain value's JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def _of_no_run(form: Form) -> bool:
    return any(isinstance(rule, Silent) and rule.scope == "run" for rule in form.rules)


def _of_no_denoiser(form: Form) -> bool:
    return form.rule(Silent) is not None


def without_silent(node: dict[str, Any]) -> dict[str, Any]:
    """A config's mapping without the keys that shape no number of a result."""
    return _without(node, [*keys_where(Config, node, _of_no_run)])


def shaping(config: Config) -> dict[str, Any]:
    """The part of a config that the numbers of its result depend on; content stands where it names files."""
    kept = without_silent(config.plain())
    if config.denoiser == "store":
        kept["denoiser"] = "auto"  # the same denoiser
    if config.finetuning.extra_pairs:
        schedule = config.backtranslation.schedule
        kept["backtranslation"] = {**plain(config.backtranslation), "schedule": plain(config.schedules)[schedule]}
    if not starts_from_a_mode(config):
        kept.pop("schedules", None)  # the mode's is in optim
    return _put(_without(kept, [*without_effect(config)]), contents(config))


def run_name(config: Config) -> str:
    """Of a run's folder: the same command finds it again."""
    shape, replicate = shaping(config), config.replicate
    apart = "".join(f"-{SEEDS[key]}{seed}" for key, seed in seeds_of(shape).items() if seed != replicate)
    name = f"{config.task.name}-{config.profile.name}-{config.finetuning.name}-r{replicate}{apart}"
    return f"{name}-{content_key(shape)[:8]}"


def noise_shape(config: Config) -> dict[str, Any]:
    """What a noise is; content stands for the files that it learns from."""
    noise: dict[str, Any] = _put({"noise": plain(config.noise)}, contents(config))["noise"]
    return noise


def seeds_of(shape: dict[str, Any]) -> dict[str, int]:
    """The seeds that shape a run, by their keys."""
    seeds = {}
    for key in SEEDS:
        node: Any = shape
        for part in key.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, int):
            seeds[key] = node
    return seeds


def settings_key(shape: dict[str, Any]) -> str:
    """The same for the shapes of runs that differ in their seeds alone, whichever these are."""
    return content_key(_without(shape, [*SEEDS]))


def configuration_key(shape: dict[str, Any], replicate: int) -> str:
    """The same for the shapes of runs that differ in their replicate, and in the seeds that follow it, alone.

    A seed of data or denoiser that is not the replicate was chosen, and makes another configuration; that of
    fine-tuning makes none.
    """
    chosen = {key: seed for key, seed in seeds_of(shape).items() if seed != replicate and key != "seed"}
    return content_key([settings_key(shape), chosen])


def checks_noise(config: Config) -> bool:
    """Whether the judge says what the denoiser learns from."""
    return bool(getattr(config.pretraining, "broken", False))


def of_trainer(trainer: Trainer) -> dict[str, Any]:
    """What weights in the store depend on of the trainer group: the precision, and what a person gave Lightning."""
    added = plain(trainer.lightning)
    return {"precision": trainer.precision, **({"trainer": added} if added else {})}


def denoiser_key(config: Config) -> str:
    """The same where the denoiser is the same, as far as the config alone tells."""
    node = config.plain()
    kept = _without(node, [*keys_where(Config, node, _of_no_denoiser)])
    groups = [kept[key] for key in ("task", "tokenizer", "noise", "model", "pretraining")]
    groups += [without_silent(node)["judge"]] if checks_noise(config) else []
    return content_key([*groups, config.store, config.finetuning.depth, of_trainer(config.trainer)])


def branch(config: Config) -> int:
    """The update from which on a fine-tuning does what others that began alike need not do: its composed term joins.

    Of one without, where `beginnings.share` says. 0: it shares no beginning.
    """
    mode, updates = config.finetuning, config.optim.updates
    if isinstance(config.optim, FullBatch) or not config.beginnings.size:
        return 0
    after = round((mode.compose_after if mode.train_through else config.beginnings.share) * updates)
    return after if after < updates else 0


def beginning(config: Config) -> dict[str, Any]:
    """What shapes a fine-tuning up to its branch, as far as the config alone tells: the same where all bits are."""
    mode, optim = config.finetuning, config.optim
    assert not isinstance(optim, FullBatch)  # which has no branch
    later = [*_OF_LATER]
    reads_denoiser = mode.start_from == "denoiser" or mode.denoising_weight or mode.fisher
    if not reads_denoiser:
        later += ["denoiser", "pretraining", "noise"]
    if not (reads_denoiser and checks_noise(config)):
        later.append("judge")
    smoothing, moves = getattr(optim, "label_smoothing", 0.0), mode.base_weight_end is not None
    if not (optim.decay == "linear" or isinstance(smoothing, list) or len(mode.stages) > 1 or moves):
        later.append("optim.updates")  # nothing before the branch depends on how many there are in all
    shape = _without(shaping(config), later)
    if mode.train_through:  # lambda moves from the branch on
        shape = _put(shape, {"finetuning.base_weight_end": None})
    selects = optim.select == "last" or not mode.train_through  # else the lowest loss is sought after the branch alone
    return {**shape, "branch": branch(config), "selects": selects}


def _without(node: Mapping[str, Any], keys: Sequence[str], path: str = "") -> dict[str, Any]:
    """The config without these keys, at any depth."""
    return {
        key: _without(value, keys, f"{path}{key}.") if isinstance(value, dict) else value
        for key, value in node.items()
        if f"{path}{key}" not in keys
    }


def _put(node: dict[str, Any], values: dict[str, Any], path: str = "") -> dict[str, Any]:
    """The config with other values at the dotted keys that it has."""
    return {
        key: _put(value, values, f"{path}{key}.") if isinstance(value, dict) else values.get(f"{path}{key}", value)
        for key, value in node.items()
    }
