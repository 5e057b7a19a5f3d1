"""More pairs: the unlabeled outputs, each with the input that a reverse model writes for it."""

from dataclasses import replace
from pathlib import Path

from composed.config.identity import content_key, of_trainer
from composed.config.optim import Adam
from composed.config.structure import narrowed, plain
from composed.datamodules.batching import Pairs, encode
from composed.runs.store import Store
from composed.system import processes
from composed.system.console import main_process, say
from composed.system.files import read_lines, write_lines
from composed.tasks.module import Training
from composed.tasks.text import TextTask, model_shape
from composed.tasks.writing import decode_all
from composed.training.fit import train


def backtranslated(task: TextTask, command: str) -> Pairs:
    """From the store or made; `command` makes them, for the error of denoiser=store."""
    config, targets = task.config, task.data.unlabeled
    settings = config.backtranslation
    budget = replace(narrowed(config.optim, Adam), **plain((config.schedules or {})[settings.schedule]))
    shape = {
        "labeled": content_key([task.data.train.sources, task.data.train.targets]),
        "unlabeled": content_key(targets),
        "vocabulary": task.tokenizer.hash,
        "model": model_shape(config),
        "seed": settings.seed,
        "optim": plain(budget),
        **of_trainer(config.trainer),
    }

    def make(folder: Path) -> None:
        say(f"training the reverse model {folder}")
        reverse = task.model(seed=settings.seed)
        train(
            Training(reverse, task.optim(budget), task.loss, seed=settings.seed),
            [reversed_pairs(task.examples("train"))],
            reversed_pairs(task.examples("val")),
            stage="reverse",
            checkpoints=folder,
            metrics=folder / "metrics.jsonl",
            metadata={"vocabulary": task.tokenizer.hash, "what": "reverse model"},
            trainer=config.trainer,
            loggers=[],
        )
        say(f"writing inputs for {len(targets)} unlabeled outputs")
        longest = round(1.25 * max(map(len, task.examples("train").sources))) + 1
        rows = encode(task.tokenizer, targets)
        (sources,) = decode_all(
            Pairs(rows, rows, task.tokenizer.pad),
            lambda _rows, source: [reverse.eval().predict(source, max_length=longest)],
            next(reverse.parameters()).device,
        )
        if main_process():
            write_lines(folder / "sources.jsonl", map(task.tokenizer.decode, sources))
        processes.barrier()

    store = Store(Path(config.store))
    path = store.find("backtranslation", "sources.jsonl", shape, make, command, leads=main_process())
    sources = list(read_lines(path))
    return Pairs(encode(task.tokenizer, sources), encode(task.tokenizer, targets), task.tokenizer.pad)


def reversed_pairs(pairs: Pairs) -> Pairs:
    return Pairs(pairs.targets, pairs.sources, pairs.pad)
