"""What a finished run learned, f and Pi, as files that others read; each format is a function that writes a folder."""

import shutil
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composed.config import Config
from composed.config.model import Model, models_of
from composed.config.structure import plain
from composed.errors import ConfigError, DataError
from composed.runs.folder import RunFolder
from composed.system.console import say

if TYPE_CHECKING:
    from composed.models.fairseq_weights import ImportedWeights


def safetensors(run: RunFolder, out: Path) -> None:
    """The weights alone: f.safetensors, and pi.safetensors where there is a denoiser that was trained."""
    from composed.models.weights import check_weights

    for name, weights in (("f", run.weights()), ("pi", _denoiser(run))):
        if weights is not None:
            check_weights(weights)  # a folder of somebody else's may name any file
            shutil.copyfile(weights, out / f"{name}.safetensors")


def _denoiser(run: RunFolder) -> Path | None:
    """Its weights, where the run has one. Raises DataError where they are gone."""
    denoiser = run.facts().denoiser
    if denoiser is not None and not Path(denoiser).is_file():
        raise DataError(f"the denoiser {denoiser} is not there (a relative path counts from here); make it with:\n"
                        f"  {run.command(denoiser='auto', redo='true')}")  # fmt: skip
    return Path(denoiser) if denoiser else None


def _check(run: RunFolder, config: Config, holder: str, model: Model, known: Iterable[str]) -> None:
    """Raises ConfigError for a model that is none of the `known` classes, which `holder` can hold, or has adapters."""
    if getattr(model, "_target_", "") not in known:
        options = sorted({name.rpartition(".")[0].rpartition(".")[2] for name in known})
        raise ConfigError(
            f"{run.path} has another model than {holder} can hold; runs of model={', model='.join(options)} can be "
            "exported. composed-export safetensors writes the weights of every run"
        )
    if config.finetuning.adapters:
        raise ConfigError(
            f"{run.path} has adapters, which {holder} does not have; finetuning.lora can be exported. "
            "composed-export safetensors writes the weights of every run"
        )


def _found(config: Config, model: Any) -> "ImportedWeights":
    """A transformer of ours or of fairseq's, as what it holds."""
    from composed.models.fairseq_transformer import FairseqTransformer
    from composed.models.fairseq_weights import OF_TARGET, ImportedWeights
    from composed.tasks.text import model_settings

    settings = plain(model_settings(config))
    state = model.as_ours() if isinstance(model, FairseqTransformer) else model.state_dict()
    return ImportedWeights(OF_TARGET[settings["_target_"]], settings, state)


def fairseq(run: RunFolder, out: Path) -> None:
    """A checkpoint of f that fairseq 0.12.2 loads, its dictionaries, and denoiser.pt where there is a denoiser."""
    config = run.trained()
    from composed.datamodules.fairseq import write_dictionary
    from composed.experiment.denoiser import frozen_denoiser
    from composed.experiment.fine_tuning import finished_predictor
    from composed.models.fairseq_weights import OF_TARGET, write
    from composed.tasks.text import TextTask

    _check(run, config, "fairseq's transformer", config.model, OF_TARGET)
    task = TextTask.open(config)
    models = {"checkpoint_best.pt": finished_predictor(task, run.weights())}
    if (weights := _denoiser(run)) is not None:
        models["denoiser.pt"] = frozen_denoiser(task, weights)
    for name, model in models.items():
        write(out / name, _found(config, model))
    for side in ("src", "tgt"):
        write_dictionary(out / f"dict.{side}.txt", task.tokenizer.pieces)


def huggingface(run: RunFolder, out: Path) -> None:
    """Folders f and pi, each a model with its tokenizer, as transformers loads them; composed.pipeline calls both."""
    if find_spec("transformers") is None:
        raise ConfigError("this format needs the package transformers: pip install 'composed[hf]'")
    config = run.trained()
    from composed.datamodules.tokenizers_huggingface import as_huggingface
    from composed.experiment.denoiser import frozen_denoiser
    from composed.experiment.fine_tuning import finished_predictor
    from composed.models.fairseq_weights import OF_TARGET
    from composed.models.huggingface import HuggingFace
    from composed.models.huggingface_weights import pegasus
    from composed.models.translation import Translated
    from composed.tasks.text import TextTask

    known = [*OF_TARGET, "composed.models.huggingface.HuggingFace"]
    for model in models_of(config).values():
        _check(run, config, "a model of transformers", model, known)
    task = TextTask.open(config)
    f = finished_predictor(task, run.weights())
    pi = frozen_denoiser(task, _denoiser(run))
    if isinstance(pi, Translated):
        pi = pi.model
    if pi is not None and config.finetuning.predict_above:
        say("the classifier stays behind: ComposedPipeline denoises what finetuning.predict_above would leave as it is")
    splits = [task.data.train, task.data.val, *task.data.tests.values()]
    texts = [text for split in splits for text in (*split.sources, *split.targets)]
    for name, model, seen in (("f", f, task), ("pi", pi, task.as_denoiser_sees())):
        if model is None:
            continue
        positions = max(1024, seen.max_length + 1, *(len(seen.tokenizer.encode(text)) + 1 for text in texts))
        tokenizer = as_huggingface(seen.tokenizer, positions, texts)
        if isinstance(model, HuggingFace):
            model.export(out / name, seen.max_length)
        else:
            theirs = pegasus(
                _found(seen.config, model), model.specials, positions=positions, max_length=seen.max_length
            )
            theirs.save_pretrained(out / name)
        tokenizer.save_pretrained(out / name)


FORMATS: dict[str, Callable[[RunFolder, Path], None]] = {
    "safetensors": safetensors,
    "huggingface": huggingface,
    "fairseq": fairseq,
}


def export(form: str, run: RunFolder, out: Path) -> None:
    """All of it or nothing. Raises ComposedError for a run that is not trained to its end, and where OUT is in use."""
    run.trained()
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise ConfigError(f"{out} holds something already; name a folder that is new or empty")
    out.mkdir(parents=True, exist_ok=True)
    try:
        FORMATS[form](run, out)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
