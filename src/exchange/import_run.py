"""Another library's model becomes a finished run of ours, which every command takes."""

import base64
import shutil
from pathlib import Path
from typing import Any

from composed.config.command_line import check_command_line, every_job
from composed.errors import ConfigError, DataError
from composed.runs.facts import Facts
from composed.runs.folder import RunFolder
from composed.system.console import say


def fairseq(
    checkpoint: Path,
    out: Path,
    dictionary: Path,
    overrides: list[str],
    *,
    sentencepiece: Path | None = None,
    trust: bool = False,
) -> list[str]:
    """Writes the run; returns the overrides that shape a model like it, for a training that begins with it.

    Raises DataError for a checkpoint or dictionary that is damaged, foreign, or that our transformer cannot hold, and
    ConfigError where OUT holds something already or the overrides make no sense.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise ConfigError(f"{out} holds something already; name a folder that is new or empty")
    from composed.datamodules.fairseq import read_dictionary
    from composed.datamodules.tokenizers import DictionaryTokenizer
    from composed.models.fairseq_weights import read
    from composed.models.weights import save_weights
    from composed.tasks.text import TextTask

    try:
        pieces = sentencepiece and base64.b64encode(sentencepiece.read_bytes()).decode()
        tokenizer = DictionaryTokenizer({"symbols": read_dictionary(dictionary), "sentencepiece": pieces})
    except (OSError, RuntimeError) as error:
        raise DataError(f"{sentencepiece}: no model of sentencepiece ({error})") from error
    imported = read(checkpoint, tokenizer.size, trust=trust)
    file = out.absolute() / "tokenizer.json"
    words = [f"model={imported.model}", *(f"model.{key}={value}" for key, value in imported.settings.items())]
    words.append(f"tokenizer.file={file}")
    overrides = [*overrides, *words, "finetuning=baseline", "finetuning.name=imported", "pretraining=none"]
    run = RunFolder(out)
    out.mkdir(parents=True, exist_ok=True)
    try:
        tokenizer.save(file)
        check_command_line(overrides, write=False)
        ((_, config),) = every_job(overrides)
        task = TextTask.open(config)
        _tell_unknown(task)
        f = task.model(seed=0)
        f.load_state_dict(imported.state)
        run.describe(config, overrides)
        metadata = {"vocabulary": tokenizer.hash, "what": f"fairseq's {checkpoint.name}"}
        save_weights(run.checkpoints / "best.safetensors", f, metadata)
        facts: dict[str, Any] = {
            "updates": 0,
            "best": {},
            "resumed": False,
            "seconds": {},
            "denoiser": None,
            "quality": {},
            "kept": {},
        }
        Facts.of({**facts, **task.facts(f)}, run.training).write(run.training)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    return words


def _tell_unknown(task: Any) -> None:
    """How much of the task's training data the imported vocabulary can spell."""
    ids = [i for texts in (task.data.train.sources, task.data.train.targets) for text in texts
           for i in task.tokenizer.encode(text)]  # fmt: skip
    unknown = sum(i == task.tokenizer.unk for i in ids) / max(1, len(ids))
    if unknown:
        say(
            f"{unknown:.1%} of the training data's tokens are unknown to this dictionary"
            + ("; are these the data that the checkpoint is for?" if unknown > 0.1 else "")
        )
