"""What f gets wrong on validation examples, written down for noise=from_errors, and that this noise fits the data.

Test sets have no part in it: nothing that Pi learns from may come from them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from composed.config import Config
from composed.config.identity import content_key
from composed.config.instantiate import instantiate
from composed.datamodules.noise import Mixture
from composed.datamodules.noise_errors import FromErrors
from composed.datamodules.text import TextData
from composed.datamodules.tokenizers import Tokenizer
from composed.errors import ConfigError


def rows(config: Config, data: TextData, tokenizer: Tokenizer, written: Sequence[str]) -> list[dict[str, str]]:
    """The lines of the file: whose outputs `written` are, and each beside the gold one."""
    return [
        _head(config, data, tokenizer),
        *({"target": gold, "text": text} for gold, text in zip(data.val.targets, written, strict=True)),
    ]


def check_mistakes(config: Config, data: TextData, tokenizer: Tokenizer) -> None:
    """Raises ConfigError where the mistakes that a noise learns from are of another task, other data or another
    tokenizer of f, and DataError where there are none.
    """
    head = _head(config, data, tokenizer)
    for noise in _learned(instantiate(config.noise)):
        theirs = noise.head
        other = next((key for key in head if theirs.get(key) != head[key]), "")
        if other:
            words = {"task": f"task={theirs.get('task')}", "data": "other data, or another replicate of them"}
            raise ConfigError(
                f"noise.run={noise.run}: its outputs are of {words.get(other, 'another tokenizer')}; name a run of the "
                "same task, data and tokenizer, such as that of the same command with finetuning=baseline noise=words"
            )
        noise.pairs  # noqa: B018  (raises)


def _head(config: Config, data: TextData, tokenizer: Tokenizer) -> dict[str, str]:
    examples = [[split.sources, split.targets] for split in (data.train, data.val)]
    return {"task": config.task.name, "data": content_key(examples), "vocabulary": tokenizer.hash}


def _learned(noise: Any) -> Iterator[FromErrors]:
    if isinstance(noise, FromErrors):
        yield noise
    elif isinstance(noise, Mixture):
        for part in noise.parts.values():
            yield from _learned(part)
