"""Which keys of a config nothing reads, and what the files that a config names hold.

Keys without effect tell no runs apart and are refused on a command line; content, not a path, says which file it was.
"""

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from composed.config import Config
from composed.config.model import HuggingFace, models_of
from composed.config.structure import plain
from composed.config.task import Fonts, SansType, Staircase, Task
from composed.system.files import digest, plain_files

FONTS = (".ttf", ".otf", ".pfb", ".ttc", ".woff", ".woff2", ".t1")
OF_STAIRCASES = ("threads",)  # what of the trainer they read


def without_effect(config: Config) -> dict[str, str]:
    """The keys and groups that nothing reads in this config, each with the reason."""
    return {key: reason for reason, keys in _without_effect(config) for key in keys}


def _without_effect(config: Config) -> Iterator[tuple[str, Iterable[str]]]:
    task, mode = config.task, config.finetuning
    name, alone = f"task={task.name}", f"finetuning={mode.name} does not train through a denoiser"
    if not mode.train_through:
        yield alone, ("estimator", "finetuning.compose_after")
    if task.kind == "text":
        yield from _of_text(config)
        return
    yield f"{name} has no text", ("tokenizer", "backtranslation", "schedules", "decoding")
    if isinstance(task, Fonts) and task.faces != "bundled":
        yield f"task.faces={task.faces} has faces of its own", ("task.count",)
    if isinstance(task, Staircase):
        yield f"the denoiser of {name} rounds and is not trained", ("noise", "denoiser")
        unread = [f"trainer.{key}" for key in plain(config.trainer) if key not in OF_STAIRCASES]
        yield f"{name} is trained by threads of the CPU", unread
        if not mode.train_through:
            yield alone, ("pretraining.margin", "pretraining.gradient")


def _of_text(config: Config) -> Iterator[tuple[str, Iterable[str]]]:
    task, mode, pretraining = config.task, config.finetuning, config.pretraining
    if not mode.extra_pairs:
        yield "finetuning.extra_pairs=null asks for no backtranslation", ("backtranslation",)
    if isinstance(task, SansType) and task.folder:
        yield f"task.folder={task.folder} has data of its own", ("task.grammar", "task.sizes", "task.seed")
    yield from _of_tokenizer(config)
    noised = mode.denoising_weight or mode.fisher
    if config.denoiser not in ("auto", "store"):
        if not mode.predict_above:
            given = f"denoiser={config.denoiser} is trained already"
            yield given, [f"pretraining.{key}" for key in ("optim", "dropout", "linewise")]
            if not noised:
                yield given, ["noise", *(f"pretraining.{key}" for key in ("seed", "fresh", "broken"))]
    elif pretraining.name == "none" and not noised:
        yield "pretraining=none trains no denoiser", ("noise",)
    if not mode.predict_above:
        yield "finetuning.predict_above=0 asks no classifier", ("pretraining.classifier",)
    if not starts_from_a_mode(config):  # whose run has the schedules too
        used = {mode.schedule, *([config.backtranslation.schedule] if mode.extra_pairs else [])}
        unused = [f"schedules.{schedule}" for schedule in config.schedules or {} if schedule not in used]
        yield f"the schedule is finetuning.schedule={mode.schedule}", unused


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
    task = config.task
    folder = getattr(task, "folder", None)
    if task.kind == "text" and folder and Path(folder).is_dir():
        yield "task.folder", _data(task, Path(folder))
    if unlabeled := getattr(task, "unlabeled", None):
        yield "task.unlabeled", sorted(Path(unlabeled).rglob("*.cpp"))
    if isinstance(task, Fonts) and task.faces != "bundled":
        yield "task.faces", _fonts(Path(task.faces))
    if file := config.tokenizer.file:
        yield "tokenizer.file", [path for path in [Path(file)] if path.is_file()]
    for key, model in models_of(config).items():
        if isinstance(model, HuggingFace):
            yield f"{key}.name", plain_files(Path(model.name))
    if config.denoiser not in ("auto", "store", "model"):
        yield "denoiser", _weights(Path(config.denoiser))
    start = Path(config.finetuning.start_from)
    yield "finetuning.start_from", _weights(start) if start.is_dir() else []


def _data(task: Task, folder: Path) -> list[Path]:
    """The files of task.folder that the task reads, by its own word where it has one."""
    package = f"composed.datamodules.{task.name}"
    try:
        files = getattr(import_module(package), "files", None)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        files = None  # there is no such task, as whoever reads its data will say
    return files(plain(task)) if files else plain_files(folder)


def _fonts(source: Path) -> list[Path]:
    if source.is_dir():
        return sorted(path for path in source.rglob("*") if path.suffix.lower() in FONTS and path.is_file())
    return [source] if source.is_file() else []


def _weights(path: Path) -> list[Path]:
    """Of a run, of a folder of the store, or the file itself."""
    places = (path / "checkpoints" / "best.safetensors", path / "best.safetensors", path)
    return [place for place in places if place.is_file()][:1]
