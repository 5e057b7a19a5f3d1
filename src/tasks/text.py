"""Where the config becomes objects: the one file that knows both. Leaves come from `_target_`, the rest from calls.

Below the root files nobody sees a config. `_target_` outside the package is refused (`command.check`).
"""

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from composed import judges
from composed.config.command_line import options
from composed.config.instantiate import instantiate
from composed.datamodules import tokenizers
from composed.datamodules.batching import Pairs, Redrawn, encode
from composed.datamodules.noise import corrupt
from composed.datamodules.text import Split, TextData
from composed.errors import ConfigError, DataError
from composed.experiment.evaluate import decode_all
from composed.judges.records import JudgeError
from composed.models.adaptation import add_adapters, add_low_rank
from composed.models.anchor import Anchor, fisher
from composed.models.classifier import Classifier
from composed.models.composition import Composition, fingerprint, freeze
from composed.models.sequence import SequenceModel, Specials
from composed.models.transformer import Transformer
from composed.models.translation import Translated
from composed.models.weights import load_weights
from composed.printable import printable
from composed.runs.folder import RunFolder, content_key, of_trainer, provenance, without_later
from composed.runs.store import Store
from composed.system import processes
from composed.system.console import main_process, say
from composed.system.files import read_json, read_lines, write_lines
from composed.tasks.loss import ComposedTerm
from composed.tasks.module import Optim, Stage, Training
from composed.training.fit import train

SAMPLE_COLUMNS = 120  # of a line of a sample


@dataclass(frozen=True)
class TextTask:
    """A text task with its data read and its tokenizer trained."""

    data: TextData
    tokenizer: tokenizers.Tokenizer
    max_length: int  # of a decoded program, in tokens

    def pairs(self, split: Split) -> Pairs:
        return Pairs(encode(self.tokenizer, split.sources), encode(self.tokenizer, split.targets), self.tokenizer.pad)


def text_task(config: dict[str, Any]) -> TextTask:
    """Reads the data of the config, makes it where it is missing, and trains the tokenizer (seconds, deterministic)."""
    task = config["task"]
    workers, unsafe, shared = (config["judge"][key] for key in ("workers", "unsafe", "shared"))

    @functools.cache
    def tell() -> None:
        say("running the gold programs for their expected outputs, once for these data")

    def execute(codes: list[str], inputs: list[str]) -> list[judges.Execution]:
        tell()
        return judges.execute(codes, inputs, workers=workers, unsafe=unsafe, shared=shared)

    try:
        data = loader(task["name"])(task, execute)
    except (JudgeError, OSError) as error:
        raise DataError(str(error)) from error
    for note in data.notes:
        say(note)
    tokenizer = make_tokenizer(config, data)
    found = TextTask(data, tokenizer, task["max_length"] or _longest(tokenizer, data))
    _tell_too_long(found)
    return found


def loader(name: str) -> Callable[..., TextData]:
    """What reads the data of a task of conf/task. Raises ConfigError for another name, which a run folder may tell."""
    load = getattr(import_module(f"composed.datamodules.{name}"), "load", None) if name in options("task") else None
    if load is None:
        raise ConfigError(f"task.name={name}: no task of text has this name")
    return load


def facts(task: TextTask) -> dict[str, Any]:
    """What the judging of a run asks of its data: the test sets, and what says how they are judged."""
    return {"splits": [*task.data.tests], "about": task.data.about, "rules": asdict(task.data.rules)}


def make_tokenizer(config: dict[str, Any], data: TextData) -> tokenizers.Tokenizer:
    """The one that comes with the model, or one that is trained on the data."""
    if config["model"].get("own_tokenizer"):
        from composed.datamodules.tokenizers_huggingface import HuggingFaceTokenizer
        from composed.models.huggingface import read_config

        read_config(config["model"]["name"], config["model"]["pretrained"])  # what is no model is told before its words
        found = HuggingFaceTokenizer(config["model"]["name"])
        _check_spelling(found, config["model"]["name"], data.train)
        return found
    settings = config["tokenizer"]
    if settings["file"] is not None:
        return tokenizers.Tokenizer.load(Path(settings["file"]))
    texts = data.vocabulary or [*data.train.sources, *data.train.targets]
    return tokenizers.train(settings["kind"], texts, settings["size"], outputs=data.unlabeled)


def _check_spelling(tokenizer: tokenizers.Tokenizer, name: str, split: Split) -> None:
    """Says how many texts a tokenizer that comes with a model does not give back as they were.

    Raises DataError where it gives back the same for all of them, so that there is nothing to learn.
    """
    for what, texts in (("targets", split.targets), ("sources", split.sources)):
        given = [" ".join(text.split()) for text in texts]
        read = [tokenizer.decode(tokenizer.encode(text)) for text in given]
        changed = [place for place, text in enumerate(given) if read[place] != text]
        if not changed:
            continue
        first = changed[0]
        told = (
            f"the tokenizer of {name} gives back {len(changed)} of {len(given)} training {what} otherwise, such as "
            f"{given[first][:SAMPLE_COLUMNS]!r} as {read[first][:SAMPLE_COLUMNS]!r}"
        )
        if not any(read) or len({*read}) == 1 < len({*given}):
            raise DataError(
                f"{told}: nothing of them is left to learn. Are the tokenizer's files in the same folder as the "
                "model's? model.own_tokenizer=false with model.pretrained=false trains one on your data"
            )
        say(f"warning: {told}; what is not spelled is neither read nor predicted")


def _longest(tokenizer: tokenizers.Tokenizer, data: TextData) -> int:
    """A quarter more tokens than the longest program of the training has; what is tested on has no say."""
    return round(1.25 * max(len(tokenizer.encode(line)) for line in data.train.targets)) + 1


def _tell_too_long(task: TextTask) -> None:
    for name, split in task.data.tests.items():
        lengths = [len(task.tokenizer.encode(line)) + 1 for line in split.targets]
        if too_long := sum(length > task.max_length for length in lengths):
            say(
                f"warning: {too_long} of {len(split)} gold programs of {name} are longer than a prediction may be, "
                f"{task.max_length} tokens; task.max_length={max(lengths)} has room for all of them"
            )


def model_settings(config: dict[str, Any]) -> dict[str, Any]:
    """The model group, as deep as the mode wants it, where a key says how deep."""
    settings = config["model"]
    return (
        {**settings, "layers": settings["layers"] * config["finetuning"]["depth"]} if "layers" in settings else settings
    )


def model_shape(config: dict[str, Any]) -> dict[str, Any]:
    """What says which model it is: the settings, and the content of the folder that they name."""
    settings = model_settings(config)
    if "name" not in settings:
        return settings
    from composed.models.huggingface import digest

    return {**settings, "files": digest(settings["name"])}


def as_denoiser_sees(config: dict[str, Any], task: TextTask) -> tuple[dict[str, Any], TextTask]:
    """The config and the task as Pi has them, with a model and a tokenizer of its own where it has these."""
    own = config["pretraining"].get("model")
    if own is None:
        return config, task
    config = {**config, "model": own, "pretraining": {**config["pretraining"], "model": None}}
    tokenizer = make_tokenizer(config, task.data)
    return config, TextTask(task.data, tokenizer, _longest(tokenizer, task.data))


def model(
    config: dict[str, Any], tokenizer: tokenizers.Tokenizer, *, seed: int, dropout: float | None = None
) -> SequenceModel:
    """Random weights of `seed`."""
    settings = model_settings(config) | ({} if dropout is None else {"dropout": dropout})
    torch.manual_seed(seed)
    specials = Specials(tokenizer.pad, tokenizer.bos, tokenizer.eos, tokenizer.unk)
    return instantiate(settings, _partial_=True, _convert_="all")(tokenizer.size, specials=specials)


def optim(settings: dict[str, Any]) -> Optim:
    return Optim(**{**settings, "betas": tuple(settings["betas"])})


def denoiser_shape(config: dict[str, Any], task: TextTask) -> dict[str, Any]:
    """All that shapes the denoiser's weights: the key of the store."""
    pretraining = without_later(config)["pretraining"]
    return {
        "data": content_key({"unlabeled": task.data.unlabeled, "unlabeled_val": task.data.unlabeled_val}),
        "vocabulary": task.tokenizer.hash,
        "noise": config["noise"],
        "model": model_shape(config),
        "pretraining": {key: value for key, value in pretraining.items() if key != "classifier"},
        **of_trainer(config),
    }


def denoiser_weights(config: dict[str, Any], task: TextTask, command: str) -> Path | None:
    """The denoiser's file: of the store (trained first where it is missing), of a path. None: there is none, for there
    is no denoiser (pretraining=none) or it is the model as it is given (denoiser=model).

    `command` makes it, for the error of denoiser=store where it is missing.
    """
    config, task = as_denoiser_sees(config, task)
    if config["denoiser"] == "model":
        return None
    if config["denoiser"] not in ("auto", "store"):
        path = Path(config["denoiser"])
        folder = RunFolder(path).checkpoints if (path / "config.yaml").is_file() else path
        weights = folder / "best.safetensors" if path.is_dir() else path
    elif config["pretraining"]["name"] == "none":
        return None
    else:
        for name in ("unlabeled", "unlabeled_val"):
            if not getattr(task.data, name):
                raise DataError(
                    f"the data have no {name} programs, which the denoiser is trained on (a file {name}.tgt, one per "
                    "line). Add them, give denoiser=PATH, or use finetuning=baseline pretraining=none."
                )
        may_train = config["denoiser"] == "auto"
        weights = Store(Path(config["store"])).find(
            "denoiser",
            "best.safetensors",
            denoiser_shape(config, task),
            (lambda folder: _pretrain(config, task, folder)) if may_train else None,
            command,
            leads=main_process(),
        )
    return weights


def denoiser(config: dict[str, Any], task: TextTask, weights: Path | None) -> SequenceModel | None:
    """The frozen denoiser from its file, or as its model is given; it speaks the vocabulary of f."""
    if weights is None and config["denoiser"] != "model":
        return None
    outside = task.tokenizer
    config, task = as_denoiser_sees(config, task)
    own = task.tokenizer
    pi = model(config, own, seed=0)
    if weights is not None:
        load_weights(weights, pi, vocabulary=own.hash)
    freeze(pi)
    if own.hash == outside.hash:
        return pi
    say("f and Pi have different tokenizers: Pi reads what f writes as text, and each sample is tokenised anew")
    return Translated(
        pi,
        lambda ids: [*own.encode(outside.decode(ids)), own.eos],
        lambda ids: [*outside.encode(own.decode(ids)), outside.eos],
        Specials(outside.pad, outside.bos, outside.eos, outside.unk),
        task.max_length,
    )


def denoising_pairs(
    config: dict[str, Any], task: TextTask, clean: Sequence[str], seed: int, *, fresh: bool = False
) -> Pairs:
    """(noised, clean) pairs of outputs; with `fresh`, noised anew in every update."""
    noise = instantiate(config["noise"], _convert_="all")
    targets = encode(task.tokenizer, clean)
    if fresh:

        def draw(row: int, update: int) -> np.ndarray:
            noised = noise(clean[row], random.Random(f"noise/{seed}/{update}/{row}"))
            return encode(task.tokenizer, [noised])[0]

        return Redrawn(targets, targets, task.tokenizer.pad, draw)
    noised = corrupt(clean, noise, seed)
    if config["pretraining"]["broken"]:
        keep = broken(config, task, clean, noised)
        noised, targets = [noised[row] for row in keep], [targets[row] for row in keep]
    return Pairs(encode(task.tokenizer, noised), targets, task.tokenizer.pad)


def broken(config: dict[str, Any], task: TextTask, clean: Sequence[str], noised: Sequence[str]) -> list[int]:
    """The rows that noise left as they were, or made into programs that do not compile."""
    say(f"compiling {len(noised)} corrupted programs")
    programs = [judges.Program(str(row), task.data.to_cpp(text)) for row, text in enumerate(noised)]
    limits = judges.Limits(cpu=0.05, wall=1.0)  # what compiles is run on no input, and its verdict does not matter
    try:
        verdicts = judges.judge(programs, limits=limits, **config["judge"])
    except JudgeError as error:
        raise DataError(str(error)) from error
    return [
        row for row, verdict in enumerate(verdicts) if verdict.verdict == "compile_error" or noised[row] == clean[row]
    ]


def sample(
    task: TextTask,
    pairs: Pairs,
    pi: SequenceModel | None = None,
    names: Sequence[str] = ("x", "f(x)", "Pi(f(x))"),
) -> Callable[[Training], str]:
    """Tells what f, and Pi where there is one, makes of a pair of median length, in a line each."""
    batch = pairs.batch([int(pairs.cost().argsort(kind="stable")[len(pairs) // 2])])

    def tell(trained: Training) -> str:
        f, denoiser = trained.model, trained.term.denoiser if trained.term else pi
        training = f.training
        f.eval()
        source = batch.source.to(next(f.parameters()).device)
        with torch.no_grad():
            rows = [source, f.predict(source, max_length=task.max_length)]
            if denoiser is not None:
                written = rows[1].to(next(denoiser.parameters()).device)
                rows.append(Composition(f, denoiser).denoise(written, max_length=task.max_length))
        f.train(training)
        texts = [" ".join(task.tokenizer.decode(row[0].tolist()).split()) for row in rows]
        return "\n".join(f"    {name:<9} {_cut(printable(text))}" for name, text in zip(names, texts, strict=False))

    return tell


def _cut(text: str) -> str:
    return text if len(text) <= SAMPLE_COLUMNS else f"{text[: SAMPLE_COLUMNS - 3]}..."


def _pretrain(config: dict[str, Any], task: TextTask, folder: Path) -> None:
    settings = config["pretraining"]
    say(f"training the denoiser {folder}")
    pi = model(config, task.tokenizer, seed=settings["seed"], dropout=settings["dropout"])
    programs = task.data.unlabeled
    stages = [(1 - settings["linewise"], programs)]
    if settings["linewise"]:
        lines = dict.fromkeys(line for program in programs for line in program.split(" $ "))
        stages.insert(0, (settings["linewise"], [*lines]))
    val = denoising_pairs(config, task, task.data.unlabeled_val, settings["seed"] + 1)
    train(
        Training(pi, optim(settings["optim"]), seed=settings["seed"], stages=[Stage(share) for share, _ in stages]),
        [denoising_pairs(config, task, of, settings["seed"], fresh=settings["fresh"]) for _, of in stages],
        val,
        stage="denoising",
        checkpoints=folder,
        metrics=folder / "metrics.jsonl",
        metadata={"vocabulary": task.tokenizer.hash, "what": "denoiser", **provenance(read_json(folder / "key.json"))},
        trainer=config["trainer"],
        loggers=[],
        sample=sample(task, val, names=("noised", "Pi")),
    )


def classifier(config: dict[str, Any], task: TextTask, pi: SequenceModel, command: str) -> Classifier:
    """Says whether an output needs the denoiser: from the store, or trained on the denoiser's own pairs."""
    settings = config["pretraining"]
    budget = {**settings["optim"], "updates": settings["classifier"]}
    encoder = model(config, task.tokenizer, seed=settings["seed"], dropout=settings["dropout"])
    assert isinstance(encoder, Transformer)  # `check` refuses others
    encoder.load_state_dict(pi.state_dict())
    found = Classifier(encoder)

    def make(folder: Path) -> None:
        say(f"training the classifier {folder}")
        train(
            Training(found, optim(budget), seed=settings["seed"]),
            [denoising_pairs(config, task, task.data.unlabeled, settings["seed"], fresh=settings["fresh"])],
            denoising_pairs(config, task, task.data.unlabeled_val, settings["seed"] + 1),
            stage="classifier",
            checkpoints=folder,
            metrics=folder / "metrics.jsonl",
            metadata={"vocabulary": task.tokenizer.hash, "what": "classifier"},
            trainer=config["trainer"],
            loggers=[],
        )

    shape = {"denoiser": fingerprint(pi.parameters()), "classifier": budget, **denoiser_shape(config, task)}
    weights = Store(Path(config["store"])).find(
        "classifier", "best.safetensors", shape, make, command, leads=main_process()
    )
    load_weights(weights, found, vocabulary=task.tokenizer.hash)
    return freeze(found)  # type: ignore[return-value]


def composition(
    config: dict[str, Any], task: TextTask, f: SequenceModel, pi: SequenceModel | None, command: str
) -> Composition | None:
    """Pi(f(x)) where there is a denoiser, on the device of f."""
    if pi is None:
        return None
    device, above = next(f.parameters()).device, config["finetuning"]["predict_above"]
    judge = classifier(config, task, pi, command).to(device) if above else None
    return Composition(f, pi.to(device), judge, above)


def backtranslated(config: dict[str, Any], task: TextTask, command: str) -> Pairs:
    """The unlabeled outputs, each with the input that a reverse model writes for it; from the store or made."""
    settings = config["backtranslation"]
    budget = {**config["optim"], **config["schedules"][settings["schedule"]]}
    targets = task.data.unlabeled
    shape = {
        "labeled": content_key([task.data.train.sources, task.data.train.targets]),
        "unlabeled": content_key(targets),
        "vocabulary": task.tokenizer.hash,
        "model": model_shape(config),
        "seed": settings["seed"],
        "optim": budget,
        **of_trainer(config),
    }

    def make(folder: Path) -> None:
        say(f"training the reverse model {folder}")
        reverse = model(config, task.tokenizer, seed=settings["seed"])
        train(
            Training(reverse, optim(budget), seed=settings["seed"]),
            [reversed_pairs(task.pairs(task.data.train))],
            reversed_pairs(task.pairs(task.data.val)),
            stage="reverse",
            checkpoints=folder,
            metrics=folder / "metrics.jsonl",
            metadata={"vocabulary": task.tokenizer.hash, "what": "reverse model"},
            trainer=config["trainer"],
            loggers=[],
        )
        say(f"writing inputs for {len(targets)} unlabeled outputs")
        longest = max(map(len, task.pairs(task.data.train).sources))
        rows = encode(task.tokenizer, targets)
        longest = round(1.25 * longest) + 1
        (sources,) = decode_all(
            Pairs(rows, rows, task.tokenizer.pad),
            lambda source: [reverse.eval().predict(source, max_length=longest)],
            next(reverse.parameters()).device,
        )
        if main_process():
            write_lines(folder / "sources.jsonl", map(task.tokenizer.decode, sources))
        processes.barrier()

    path = Store(Path(config["store"])).find(
        "backtranslation", "sources.jsonl", shape, make, command, leads=main_process()
    )
    sources = list(read_lines(path))
    return Pairs(encode(task.tokenizer, sources), encode(task.tokenizer, targets), task.tokenizer.pad)


def reversed_pairs(pairs: Pairs) -> Pairs:
    return Pairs(pairs.targets, pairs.sources, pairs.pad)


def predictor(config: dict[str, Any], task: TextTask, pi: SequenceModel | None) -> SequenceModel:
    """f where fine-tuning starts: weights, then what the mode adds to them."""
    mode = config["finetuning"]
    f = model(config, task.tokenizer, seed=config["seed"])
    start = mode["start_from"]
    if start == "denoiser":
        if pi is None:
            raise ConfigError("finetuning.start_from=denoiser, but there is no denoiser")
        f.load_state_dict(pi.state_dict())
    elif start != "scratch":
        load_weights(
            RunFolder.existing(Path(start)).checkpoints / "best.safetensors",
            f,
            vocabulary=task.tokenizer.hash,
        )
    if mode["lora"]:
        add_low_rank(f, mode["lora"])
    if mode["adapters"]:
        assert isinstance(f, Transformer)  # `check` refuses others
        add_adapters(f, mode["adapters"])
    return f


def finished_predictor(config: dict[str, Any], task: TextTask, weights: Path) -> SequenceModel:
    """f as a run left it."""
    f = model(config, task.tokenizer, seed=0)
    if config["finetuning"]["adapters"]:
        assert isinstance(f, Transformer)
        add_adapters(f, config["finetuning"]["adapters"])
    load_weights(weights, f, vocabulary=task.tokenizer.hash)
    return f


@dataclass(frozen=True)
class FineTuning:
    """What fine-tuning trains, and on what."""

    task: Training
    train: list[Pairs]  # of each stage
    denoising: Pairs | None


def fine_tuning(config: dict[str, Any], task: TextTask, pi: SequenceModel | None, command: str) -> FineTuning:
    """`command` makes what is missing in the store, for the error of denoiser=store."""
    mode = config["finetuning"]
    settings = optim(config["optim"])
    f = predictor(config, task, pi)
    labeled = every = task.pairs(task.data.train)
    if mode["extra_pairs"]:
        extra = backtranslated(config, task, command)
        every = Pairs([*labeled.sources, *extra.sources], [*labeled.targets, *extra.targets], labeled.pad)
    denoising = None
    if mode["denoising_weight"] or mode["fisher"]:
        denoising = denoising_pairs(
            config, task, task.data.unlabeled, config["pretraining"]["seed"], fresh=config["pretraining"]["fresh"]
        )
    anchor = None
    if mode["anchor"]:
        importance = None
        if mode["fisher"] and denoising is not None:
            examples = [denoising.batch([row]) for row in range(min(mode["fisher"], len(denoising)))]
            importance = fisher(f, [(one.source, one.target) for one in examples])
        anchor = Anchor(f, mode["anchor"], importance)
    return FineTuning(
        Training(
            f,
            settings,
            seed=config["seed"],
            base_weight=mode["base_weight"],
            base_weight_end=mode["base_weight_end"],
            term=composed_term(config, task, pi, settings),
            denoising_weight=mode["denoising_weight"],
            penalties=[anchor] if anchor else (),
            stages=[Stage(stage["share"], stage["rates"]) for stage in mode["stages"]],
        ),
        [{"all": every, "labeled": labeled}[stage["pairs"]] for stage in mode["stages"]],
        denoising if mode["denoising_weight"] else None,
    )


def composed_term(
    config: dict[str, Any], task: TextTask, pi: SequenceModel | None, settings: Optim
) -> ComposedTerm | None:
    """The composed term of the loss, where the mode has one."""
    mode = config["finetuning"]
    if mode["train_through"] is None:
        return None
    if pi is None:
        raise ConfigError("finetuning.train_through=denoiser, but there is no denoiser")
    return ComposedTerm(
        pi,
        instantiate(config["estimator"], _convert_="all"),
        mode["composed_weight"],
        round(mode["compose_after"] * settings.updates),
        max_length=task.max_length,
    )
