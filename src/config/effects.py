"""Which keys of a config nothing reads, and what the files that a config names hold.

Keys without effect tell no runs apart and are refused on a command line; content, not a path, says which file it was.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from composed.config import Config
from composed.config.model import HuggingFace, models_of
from composed.config.noise import error_files
from composed.system.files import digest, plain_files


def without_effect(config: Config) -> dict[str, str]:
    """The keys and groups that nothing reads in this config, each with the reason."""
    reasons: dict[str, str] = {}
    for reason, keys in _without_effect(config):
        for key in keys:
            reasons.setdefault(key, reason)
    return reasons


def _without_effect(config: Config) -> Iterator[tuple[str, Iterable[str]]]:
    mode = config.finetuning
    yield from config.task.unread(config)
    if not mode.train_through:
        yield mode.alone, ("estimator", "finetuning.compose_after")
    if not mode.extra_pairs:
        yield "finetuning.extra_pairs=null asks for no backtranslation", ("backtranslation",)
    yield from _of_tokenizer(config)
    yield from _of_denoiser(config)
    if not mode.predict_above:
        yield "finetuning.predict_above=0 asks no classifier", ("pretraining.classifier",)
    if not starts_from_a_mode(config):  # whose run has the schedules too
        used = {mode.schedule, *([config.backtranslation.schedule] if mode.extra_pairs else [])}
        unused = [f"schedules.{schedule}" for schedule in config.schedules or {} if schedule not in used]
        yield f"the schedule is finetuning.schedule={mode.schedule}", unused


def _of_denoiser(config: Config) -> Iterator[tuple[str, Iterable[str]]]:
    mode = config.finetuning
    noised = mode.denoising_weight or mode.fisher
    if config.denoiser not in ("auto", "store"):
        if not mode.predict_above:
            given = f"denoiser={config.denoiser} is trained already"
            yield given, [f"pretraining.{key}" for key in ("optim", "dropout", "linewise")]
            if not noised:
                yield given, ["noise", *(f"pretraining.{key}" for key in ("seed", "fresh", "broken"))]
    elif config.pretraining.name == "none" and not noised:
        yield "pretraining=none trains no denoiser", ("noise",)


def _of_tokenizer(config: Config) -> Iterator[tuple[str, Iterable[str]]]:
    tokenizer = config.tokenizer
    if all(isinstance(model, HuggingFace) and model.own_tokenizer for model in models_of(config).values()):
        yield "the model has a tokenizer of its own", ("tokenizer",)
    elif tokenizer.file:
        yield f"tokenizer.file={tokenizer.file} is trained already", ("tokenizer.kind", "tokenizer.size")
    elif tokenizer.kind == "word":
        yield "tokenizer.kind=word takes every word", ("tokenizer.size",)


def starts_from_a_mode(config: Config) -> bool:
    """Whether f goes on from the run of another mode, which is found or made by the same overrides."""
    start = config.finetuning.start_from
    return start not in ("scratch", "denoiser") and not Path(start).is_dir()


def below(key: str, prefixes: Iterable[str]) -> str | None:
    """The prefix, in whole parts, that a dotted key begins with."""
    return next((prefix for prefix in prefixes if f"{key}.".startswith(f"{prefix}.")), None)


def contents(config: Config) -> dict[str, str]:
    """{dotted key: SHA-256} of what lies in the files and folders that the config names, as far as they are there."""
    return {key: digest(paths) for key, paths in _files(config) if paths}


def _files(config: Config) -> Iterator[tuple[str, list[Path]]]:
    yield from config.task.files()
    yield from config.judge.files()
    yield from error_files(config.noise)
    if file := config.tokenizer.file:
        yield "tokenizer.file", [path for path in [Path(file)] if path.is_file()]
    for key, model in models_of(config).items():
        if isinstance(model, HuggingFace):
            yield f"{key}.name", plain_files(Path(model.name))
    if config.denoiser not in ("auto", "store", "model"):
        yield "denoiser", _weights(Path(config.denoiser))
    start = Path(config.finetuning.start_from)
    yield "finetuning.start_from", _weights(start) if start.is_dir() else []


def _weights(path: Path) -> list[Path]:
    """Of a run, of a folder of the store, or the file itself."""
    places = (path / "checkpoints" / "best.safetensors", path / "best.safetensors", path)
    return [place for place in places if place.is_file()][:1]
