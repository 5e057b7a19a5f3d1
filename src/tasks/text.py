"""Text: lines of tokens. Its tokenizer, its models of sequences, how outputs are noised, decoded and written down."""

import functools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from composed.config import Config
from composed.config.identity import checks_noise, content_key, noise_shape, of_trainer, without_silent
from composed.config.instantiate import instantiate
from composed.config.judge import opened
from composed.config.model import HuggingFace, models_of
from composed.config.optim import Adam
from composed.config.pretraining import Denoise
from composed.config.structure import narrowed, plain
from composed.datamodules import tokenizers
from composed.datamodules.batching import Examples, Pairs, Redrawn, encode
from composed.datamodules.noise import corrupt
from composed.datamodules.text import Split, TextData
from composed.errors import DataError
from composed.judges.records import JudgeError
from composed.models.composition import Composition
from composed.models.decoders import Decoder
from composed.models.identity import Identity
from composed.models.sequence import SequenceModel, Specials
from composed.models.translation import Translated
from composed.printable import printable
from composed.runs.folder import RunFolder
from composed.system.console import main_process, say
from composed.system.files import write_lines
from composed.tasks.knowledge import Examination, distance
from composed.tasks.loss import TEXT
from composed.tasks.mistakes import check_mistakes
from composed.tasks.module import Optim, Training
from composed.tasks.reading import prediction_rows, read_data
from composed.tasks.task import Request, Task
from composed.tasks.tokenizer import longest_output, make_tokenizer
from composed.tasks.writing import Writing

EXAMINED = 1000  # outputs that are enough to tell what a model knows
SAMPLE_COLUMNS = 120  # of a line of a sample


@dataclass(frozen=True)
class TextTask(Task):
    """Text with its data read and its tokenizer trained; an output has at most `max_length` tokens."""

    config: Config
    data: TextData
    tokenizer: tokenizers.Tokenizer
    max_length: int

    loss = TEXT
    takes = "lines"

    @classmethod
    def open(cls, config: Config) -> "TextTask":
        """Trains the tokenizer too (seconds, deterministic)."""
        data = read_data(config)
        for note in data.notes:
            say(note)
        tokenizer = make_tokenizer(config, data)
        check_mistakes(config, data, tokenizer)
        length = getattr(config.task, "max_length", None)  # a task of a person's own may leave it out
        task = cls(config, data, tokenizer, length or longest_output(tokenizer, data))
        task.tell_too_long()
        return task

    @property
    def signature(self) -> str:  # type: ignore[override]
        return self.tokenizer.hash

    @property
    def tests(self) -> Sequence[str]:  # type: ignore[override]
        return [*self.data.tests]

    def tell_too_long(self) -> None:
        """Names the test sets whose gold outputs are longer than a prediction may be."""
        for name, split in self.data.tests.items():
            lengths = [len(self.tokenizer.encode(line)) + 1 for line in split.targets]
            if too_long := sum(length > self.max_length for length in lengths):
                say(
                    f"warning: {too_long} of {len(split)} gold outputs of {name} are longer than a prediction may be, "
                    f"{self.max_length} tokens; task.max_length={max(lengths)} has room for all of them"
                )

    # -- models -------------------------------------------------------------------------------------------------

    def model(self, *, seed: int, dropout: float | None = None) -> SequenceModel:
        settings = plain(model_settings(self.config)) | ({} if dropout is None else {"dropout": dropout})
        torch.manual_seed(seed)
        return instantiate(settings, _partial_=True)(self.tokenizer.size, specials=self.specials)

    predictor = model
    denoiser = model

    @property
    def specials(self) -> Specials:
        return Specials(self.tokenizer.pad, self.tokenizer.bos, self.tokenizer.eos, self.tokenizer.unk)

    def identity(self) -> Identity:
        return Identity(self.tokenizer.size, self.specials)

    def as_denoiser_sees(self) -> Self:
        theirs = models_of(self.config).get("pretraining.model")
        if theirs is None:
            return self
        config = replace(self.config, model=theirs, pretraining=replace(self.pretraining, model=None))
        tokenizer = make_tokenizer(config, self.data)
        return replace(self, config=config, tokenizer=tokenizer, max_length=longest_output(tokenizer, self.data))

    def reading(self, pi: Any, seen: Self) -> nn.Module:
        inside, outside = seen.tokenizer, self.tokenizer
        if inside.hash == outside.hash:
            return pi
        say("f and Pi have different tokenizers: Pi reads what f writes as text, and each sample is tokenised anew")
        return Translated(
            pi,
            lambda ids: [*inside.encode(outside.decode(ids)), inside.eos],
            lambda ids: [*outside.encode(inside.decode(ids)), outside.eos],
            self.specials,
            seen.max_length,
        )

    def composition(self, f: Any, pi: Any, classifier: Any) -> Composition | None:
        if pi is None:
            return None
        device = next(f.parameters()).device
        above = self.config.finetuning.predict_above
        return Composition(f, pi.to(device), classifier and classifier.to(device), above)

    # -- training -----------------------------------------------------------------------------------------------

    def optim(self, settings: Adam) -> Optim:
        return Optim(**vars(settings))

    @property
    def pretraining(self) -> Denoise:
        return narrowed(self.config.pretraining, Denoise)

    def pairs(self, split: Split) -> Pairs:
        return Pairs(encode(self.tokenizer, split.sources), encode(self.tokenizer, split.targets), self.tokenizer.pad)

    def examples(self, split: str) -> Pairs:
        return self.pairs({"train": self.data.train, "val": self.data.val}[split])

    def denoising(self, split: str, *, seed: int, fresh: bool = False) -> Pairs:
        return self.denoising_pairs(getattr(self.data, split), seed, fresh=fresh)

    def denoising_pairs(self, clean: Sequence[str], seed: int, *, fresh: bool = False) -> Pairs:
        """(noised, clean) pairs of outputs; with `fresh`, noised anew in every update."""
        noise = instantiate(self.config.noise)
        targets, pad = encode(self.tokenizer, clean), self.tokenizer.pad
        if fresh:

            def draw(row: int, update: int) -> np.ndarray:
                noised = noise(clean[row], random.Random(f"noise/{seed}/{update}/{row}"))
                return encode(self.tokenizer, [noised])[0]

            return Redrawn(targets, targets, pad, draw)
        noised = corrupt(clean, noise, seed)
        if self.pretraining.broken:
            keep = self.broken(clean, noised)
            noised, targets = [noised[row] for row in keep], [targets[row] for row in keep]
        return Pairs(encode(self.tokenizer, noised), targets, pad)

    def broken(self, clean: Sequence[str], noised: Sequence[str]) -> list[int]:
        """The rows that noise left as they were, or made into invalid outputs."""
        say(f"checking {len(noised)} corrupted outputs")
        valid = self.valid(noised)
        return [row for row, fine in enumerate(valid) if not fine or noised[row] == clean[row]]

    def valid(self, texts: Sequence[str], records: Sequence[Mapping[str, Any]] = ()) -> list[bool]:
        """Whether the judge takes them for valid outputs, each of an example with such further keys.

        Raises DataError where it cannot tell here.
        """
        rows = [
            {**record, "id": str(row), "text": text, "code": self.data.as_output(text)}
            for row, (text, record) in enumerate(zip(texts, records or [{}] * len(texts), strict=True))
        ]
        try:
            return [not fault for fault in self._judge.faults(rows)]
        except JudgeError as error:
            raise DataError(str(error)) from error

    @functools.cached_property
    def _judge(self) -> Any:
        return opened(self.config.judge, self._labels)

    @property
    def _labels(self) -> list[str]:
        return sorted({*self.data.train.targets})

    def denoising_stages(self, *, seed: int, fresh: bool) -> list[tuple[float, Examples]]:
        """With pretraining.linewise, the lines of the programs before whole programs."""
        share, programs = self.pretraining.linewise, self.data.unlabeled
        stages: list[tuple[float, Sequence[str]]] = [(1 - share, programs)]
        if share:
            lines = dict.fromkeys(line for program in programs for line in program.split(" $ "))
            stages.insert(0, (share, [*lines]))
        return [(part, self.denoising_pairs(texts, seed, fresh=fresh)) for part, texts in stages]

    def check_unlabeled(self) -> None:
        for name in ("unlabeled", "unlabeled_val"):
            if not getattr(self.data, name):
                raise DataError(
                    f"the data have no {name} outputs, which the denoiser is trained on (a file {name}.tgt, one per "
                    "line). Add them, give denoiser=PATH, or use finetuning=baseline pretraining=none."
                )

    def identity_of_denoiser(self) -> dict[str, Any]:
        pretraining = plain(self.config.pretraining)
        return {
            "data": content_key({"unlabeled": self.data.unlabeled, "unlabeled_val": self.data.unlabeled_val}),
            "vocabulary": self.tokenizer.hash,
            "noise": noise_shape(self.config),
            "model": model_shape(self.config),
            "pretraining": {key: value for key, value in pretraining.items() if key != "classifier"},
            **({"judge": without_silent(self.config.plain())["judge"]} if checks_noise(self.config) else {}),
            **of_trainer(self.config.trainer),
        }

    def teller(self, examples: Any, pi: Any, names: Sequence[str]) -> Callable[[Training], str]:
        """On the example of median length."""
        batch = examples.batch([int(examples.cost().argsort(kind="stable")[len(examples) // 2])])

        def tell(training: Training) -> str:
            f, denoiser = training.model, training.term.denoiser if training.term else pi
            learning = f.training
            f.eval()
            source = batch.source.to(next(f.parameters()).device)
            with torch.no_grad():
                rows = [source, f.predict(source, max_length=self.max_length)]
                if denoiser is not None:
                    written = rows[1].to(next(denoiser.parameters(), rows[1]).device)  # the identity has none
                    rows.append(Composition(f, denoiser).denoise(written, max_length=self.max_length))
            f.train(learning)
            texts = [" ".join(self.tokenizer.decode(row[0].tolist()).split()) for row in rows]
            return "\n".join(f"    {name:<9} {_cut(printable(text))}" for name, text in zip(names, texts, strict=False))

        return tell

    # -- predictions --------------------------------------------------------------------------------------------

    def decode(
        self, pairs: Pairs, f: Any, composition: Composition | None, records: Sequence[Mapping[str, Any]] = ()
    ) -> dict[str, list[str]]:
        """The texts that f, and the composition, write for the sources of some pairs: by the name of the output.

        `records`: further keys of each example, which may say what is valid.
        """
        decoder: Decoder = instantiate(self.config.decoding)
        return decoder(self._writing(pairs, f, composition, records))

    def _writing(
        self, pairs: Pairs, f: Any, composition: Composition | None, records: Sequence[Mapping[str, Any]] = ()
    ) -> Writing:
        def takes(outputs: Sequence[tuple[int, str]]) -> list[bool]:
            of_each = [records[example] for example, _ in outputs] if records else ()
            return self.valid([text for _, text in outputs], of_each)

        return Writing(
            pairs,
            f,
            composition,
            self.tokenizer,
            self.max_length,
            seed=self.config.seed,
            takes=takes,
            guide=self.data.checker and functools.partial(self.data.checker, self.tokenizer),
        )

    def predict(self, folder: RunFolder, f: Any, composition: Composition | None) -> None:
        f.eval()
        for name, split in self.data.tests.items():
            texts = self.decode(self.pairs(split), f, composition, split.records)
            if main_process():
                write_lines(folder.predictions(name), prediction_rows(self.data, split, texts))

    def facts(self, f: nn.Module) -> dict[str, Any]:
        labels = {"labels": self._labels} if self.config.judge.reads_targets else {}
        return {"splits": [*self.data.tests], "about": self.data.about, **labels}

    def quality(self, pi: Any) -> dict[str, float]:
        return self._examination.knowledge(pi)

    def kept(self, f: Any, pi: Any) -> dict[str, float]:
        """The distance of its weights is left out where f did not start from any that know outputs."""
        kept = self._examination.kept(f.eval(), pi)
        moved = None if self.config.finetuning.start_from == "scratch" else distance(f, pi)
        return kept if moved is None else {**kept, "weights moved %": 100 * moved}

    @functools.cached_property
    def _examination(self) -> Examination:
        clean = self.data.unlabeled_val[:EXAMINED]
        noised = corrupt(clean, instantiate(self.config.noise), self.config.replicate)
        gold = [line for split in self.data.tests.values() for line in split.targets[:EXAMINED]]
        return Examination(clean, noised, gold, self.tokenizer, self.max_length, self.data.normal_form)

    def sources(self, lines: Sequence[str]) -> list[str]:
        """Lines that a person wrote, as the data have them. Raises DataError for a word that the vocabulary lacks."""
        sources = [self.data.as_source(line) for line in lines]
        for number, source in enumerate(sources, 1):
            words = dict.fromkeys(self.tokenizer.bare(w) for w in source.split() if self.tokenizer.lacks(w))
            if not source.replace("$", "").strip() or words:
                problem = f"no such words in the training data: {', '.join(words)}" if words else "empty"
                raise DataError(f"line {number} of the input: {problem}")
        return sources

    def answer(self, f: Any, composition: Composition | None, request: Request) -> list[dict[str, str]]:
        """For each line the program of `base`, of `composition` where there is one, and of `own`, the mode's."""
        rows = encode(self.tokenizer, self.sources(request.lines))
        texts = self.decode(Pairs(rows, rows, self.tokenizer.pad), f.eval(), composition)
        codes = {output: [self.data.as_output(text) for text in lines] for output, lines in texts.items()}
        codes["own"] = codes["composition" if self.config.finetuning.predict_through else "base"]
        return [dict(zip(codes, row, strict=True)) for row in zip(*codes.values(), strict=True)]


def model_settings(config: Config) -> Any:
    """The model group, as deep as the mode wants it, where a key says how deep."""
    model: Any = config.model
    if "depth" not in model.abilities:
        return model
    return replace(model, layers=model.layers * config.finetuning.depth)


def model_shape(config: Config) -> dict[str, Any]:
    """What says which model it is: the settings, and the content of the folder that they name."""
    model = model_settings(config)
    if not isinstance(model, HuggingFace):
        return plain(model)
    from composed.models.huggingface import digest

    return {**plain(model), "files": digest(model.name)}


def with_more(labeled: Pairs, extra: Pairs) -> Pairs:
    return replace(labeled, sources=[*labeled.sources, *extra.sources], targets=[*labeled.targets, *extra.targets])


def _cut(text: str) -> str:
    return text if len(text) <= SAMPLE_COLUMNS else f"{text[: SAMPLE_COLUMNS - 3]}..."
