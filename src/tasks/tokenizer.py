"""The tokenizer of a task of text: it comes with the model, from a file, or is trained on the data."""

from pathlib import Path

from composed.config import Config
from composed.config.model import HuggingFace
from composed.datamodules import tokenizers
from composed.datamodules.text import Split, TextData
from composed.errors import DataError
from composed.system.console import say

SHOWN = 120  # characters of a text in a message


def make_tokenizer(config: Config, data: TextData) -> tokenizers.Tokenizer:
    """The one that comes with the model, or one that is trained on the data."""
    model, settings = config.model, config.tokenizer
    if isinstance(model, HuggingFace) and model.own_tokenizer:
        from composed.datamodules.tokenizers_huggingface import HuggingFaceTokenizer
        from composed.models.huggingface import read_config

        read_config(model.name, model.pretrained)  # what is no model is told before its words
        theirs = HuggingFaceTokenizer(model.name)
        _check_spelling(theirs, model.name, data.train)
        return theirs
    if settings.file is not None:
        return tokenizers.Tokenizer.load(Path(settings.file))
    texts = data.vocabulary or [*data.train.sources, *data.train.targets]
    size = settings.size
    if data.characters_per_piece:
        size = tokenizers.most_pieces(settings.kind, texts, size, data.characters_per_piece)
    return tokenizers.train(settings.kind, texts, size, outputs=data.unlabeled)


def _check_spelling(tokenizer: tokenizers.Tokenizer, name: str, split: Split) -> None:
    """Says how many texts a tokenizer that comes with a model does not give back as they were.

    Raises DataError where it gives back the same for all of them, so that there is nothing to learn.
    """
    for side, texts in (("targets", split.targets), ("sources", split.sources)):
        given = [" ".join(text.split()) for text in texts]
        read = [tokenizer.decode(tokenizer.encode(text)) for text in given]
        changed = [place for place, text in enumerate(given) if read[place] != text]
        if not changed:
            continue
        first = changed[0]
        told = (
            f"the tokenizer of {name} gives back {len(changed)} of {len(given)} training {side} otherwise, such as "
            f"{given[first][:SHOWN]!r} as {read[first][:SHOWN]!r}"
        )
        if not any(read) or len({*read}) == 1 < len({*given}):
            raise DataError(
                f"{told}: nothing of them is left to learn. Are the tokenizer's files in the same folder as the "
                "model's? model.own_tokenizer=false with model.pretrained=false trains one on your data"
            )
        say(f"warning: {told}; what is not spelled is neither read nor predicted")


def longest_output(tokenizer: tokenizers.Tokenizer, data: TextData) -> int:
    """A quarter more tokens than the longest program of the training has; what is tested on has no say."""
    return round(1.25 * max(len(tokenizer.encode(line)) for line in data.train.targets)) + 1
