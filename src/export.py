"""`composed-export FORMAT RUN OUT`: what a finished run learned, f and Pi, as files that others read.

A format is a function below: it writes into the folder OUT, which must not be there yet or be empty.
"""

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from composed.console import raise_on_signals, say
from composed.errors import ComposedError, ConfigError, DataError, Interrupted
from composed.files import read_json
from composed.run_folder import RunFolder


def safetensors(run: RunFolder, out: Path) -> None:
    """The weights alone: f.safetensors, and pi.safetensors where there is a denoiser."""
    shutil.copyfile(run.checkpoints / "best.safetensors", out / "f.safetensors")
    if (denoiser := _denoiser(run)) is not None:
        shutil.copyfile(denoiser, out / "pi.safetensors")


def _denoiser(run: RunFolder) -> Path | None:
    """Its weights, where the run has one. Raises DataError where they are gone."""
    denoiser = read_json(run.training)["denoiser"]
    if denoiser is not None and not Path(denoiser).is_file():
        raise DataError(f"the denoiser {denoiser} is not there (a relative path counts from here); make it with:\n"
                        f"  {run.command(denoiser='auto', redo='true')}")  # fmt: skip
    return denoiser and Path(denoiser)


def fairseq(run: RunFolder, out: Path) -> None:
    """A checkpoint of f that fairseq 0.12.2 loads, its dictionaries, and denoiser.pt where there is a denoiser."""
    config = run.config()
    from composed import build
    from composed.datamodules.fairseq import write_dictionary
    from composed.models.fairseq_transformer import FairseqTransformer
    from composed.models.fairseq_weights import OF_TARGET, Found, write

    option = OF_TARGET.get(config["model"].get("_target_"))
    if option is None:
        valid = " and ".join(f"model={each}" for each in sorted({*OF_TARGET.values(), "fairseq_transformer"}))
        raise ConfigError(f"{run.path} has another model than fairseq's transformer can hold; {valid} can be exported")
    if config["finetuning"]["adapters"]:
        raise ConfigError(f"{run.path} has adapters, which fairseq's transformer does not have; finetuning.lora can be "
                          "exported")  # fmt: skip
    task = build.text_task(config)
    models = {"checkpoint_best.pt": build.finished_predictor(config, task, run.checkpoints / "best.safetensors")}
    if (weights := _denoiser(run)) is not None:
        models["denoiser.pt"] = build.denoiser(config, task, weights)  # type: ignore[assignment]
    for name, model in models.items():
        state = model.as_ours() if isinstance(model, FairseqTransformer) else model.state_dict()
        write(out / name, Found(option, build.model_settings(config), state))
    for side in ("src", "tgt"):
        write_dictionary(out / f"dict.{side}.txt", task.tokenizer.pieces)


def huggingface(run: RunFolder, out: Path) -> None:
    """Folders f and pi, each a model with its tokenizer, as transformers loads them; composed.pipeline calls both."""
    config = run.config()
    own = config["pretraining"].get("model") or config["model"]
    for what, settings in {"f": config["model"], "Pi": own}.items():
        if not settings.get("own_tokenizer"):
            raise ConfigError(
                f"{run.path}: {what} has a model or a tokenizer of this package, which no architecture of transformers "
                "holds exactly; runs with model=huggingface and its own tokenizer can be exported. "
                "composed-export safetensors writes the weights of every run"
            )
    from composed import build
    from composed.models.translation import Translated

    task = build.text_task(config)
    f = build.finished_predictor(config, task, run.checkpoints / "best.safetensors")
    pi = build.denoiser(config, task, _denoiser(run))
    if isinstance(pi, Translated):
        pi = pi.model
    for name, model, of in (("f", f, task), ("pi", pi, build.of_denoiser(config, task)[1])):
        if model is not None:
            model.export(out / name, of.max_length)  # type: ignore[operator]
            of.tokenizer.export(out / name)  # type: ignore[attr-defined]


FORMATS: dict[str, Callable[[RunFolder, Path], None]] = {
    "safetensors": safetensors,
    "huggingface": huggingface,
    "fairseq": fairseq,
}


def export(form: str, run: RunFolder, out: Path) -> None:
    """Raises ComposedError for a run that is not trained to its end, and where OUT holds something already."""
    if not run.predicted():
        raise DataError(
            f"{run.path} is not trained to its end; go on with the command that began it:\n  {run.command()}"
        )
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise ConfigError(f"{out} holds something already; name a folder that is new or empty")
    out.mkdir(parents=True, exist_ok=True)
    FORMATS[form](run, out)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="composed-export", description=__doc__.split("\n", 1)[0])
    forms = parser.add_subparsers(dest="form", required=True, metavar="FORMAT")
    for name, write in FORMATS.items():
        about = (write.__doc__ or "").split("\n", 1)[0]
        form = forms.add_parser(name, help=about, description=about)
        form.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
        form.add_argument("out", type=Path, metavar="OUT", help="folder to write")
    options = parser.parse_args(arguments)
    raise_on_signals()
    try:
        export(options.form, RunFolder.existing(options.run), options.out)
        print("\n".join(str(path) for path in sorted(options.out.rglob("*")) if path.is_file()))
    except ComposedError as error:
        say(f"error: {error}")
        return error.code
    except Interrupted as interrupted:
        return interrupted.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
