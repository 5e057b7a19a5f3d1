"""What can be said of data before a training: counts, lengths, overlaps, verdicts on gold outputs, what noise does.

Without torch, but for a tokenizer of Hugging Face.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from statistics import median
from typing import Any

from composed.config import Config
from composed.config.instantiate import instantiate
from composed.config.judge import opened
from composed.datamodules.noise import corrupt
from composed.datamodules.text import Split, TextData, up_to_blanks
from composed.datamodules.tokenizers import Tokenizer
from composed.errors import DataError
from composed.judges.records import JudgeError
from composed.printable import printable
from composed.tasks.mistakes import check_mistakes
from composed.tasks.reading import prediction_rows, read_data
from composed.tasks.tokenizer import longest_output, make_tokenizer

MOST_JUDGED = 1000  # outputs of a split, the first ones
SHOWN = 5  # examples of a kind
COLUMNS = 100  # of a text that is shown
GOLD = "gold"


def inspect(config: Config) -> list[str]:
    """Prints what there is; returns what has to be mended, a sentence each. Raises ComposedError."""
    data = read_data(config)
    tokenizer = make_tokenizer(config, data)
    check_mistakes(config, data, tokenizer)
    room = getattr(config.task, "max_length", None) or longest_output(tokenizer, data)
    for note in data.notes:
        print(printable(note))
    print(f"{tokenizer.size} pieces of {tokenizer.kind}; an output has room for {room} tokens\n")
    labeled = {"train": data.train, "val": data.val, **data.tests}
    print("\n".join(_table(labeled, data, tokenizer)))
    print("\n".join(["", *_overlaps(data), *_ambiguous(data.train), ""]))
    problems = [*_too_long(data, tokenizer, room), *_judged(config, data, labeled)]
    print("\n".join(_noised(config, data)))
    return problems


def _table(labeled: Mapping[str, Split], data: TextData, tokenizer: Tokenizer) -> Iterator[str]:
    """Lengths in tokens, and the share of them that are unknown, of inputs and outputs."""
    yield f"{'split':<16}{'examples':>9}{'input tokens':>20}{'output tokens':>20}{'unknown':>9}"
    outputs = {"unlabeled": data.unlabeled, "unlabeled_val": data.unlabeled_val}
    for name, (sources, targets) in {
        **{name: (split.sources, split.targets) for name, split in labeled.items()},
        **{name: ((), targets) for name, targets in outputs.items()},
    }.items():
        read, written = ([tokenizer.encode(text) for text in texts] for texts in (sources, targets))
        tokens = [token for ids in (*read, *written) for token in ids]
        unknown = f"{100 * sum(token == tokenizer.unk for token in tokens) / max(len(tokens), 1):.1f}%"
        yield f"{name:<16}{len(targets):>9}{_lengths(read):>20}{_lengths(written):>20}{unknown:>9}"


def _lengths(rows: Sequence[Sequence[int]]) -> str:
    lengths = [len(row) for row in rows]
    return f"{median(lengths):.0f}, at most {max(lengths)}" if lengths else ""


def _overlaps(data: TextData) -> Iterator[str]:
    """Inputs of test sets that are those of other splits, and outputs that the denoiser is shown."""
    unlabeled = {up_to_blanks(text) for text in data.unlabeled}
    for name, split in data.tests.items():
        for other, known in (("train", data.train.sources), ("val", data.val.sources)):
            places = _known(split.sources, {up_to_blanks(text) for text in known})
            if places:
                yield f"{len(places)} of {len(split)} inputs of {name} are in {other}, too: examples {_some(places)}"
        if places := _known(split.targets, unlabeled):
            yield f"{len(places)} of {len(split)} outputs of {name} are among those that the denoiser learns from"


def _known(texts: Sequence[str], known: set[str]) -> list[int]:
    return [place for place, text in enumerate(texts, 1) if up_to_blanks(text) in known]


def _some(places: Sequence[int]) -> str:
    return ", ".join(map(str, places[:SHOWN])) + (", ..." if len(places) > SHOWN else "")


def _ambiguous(train: Split) -> Iterator[str]:
    outputs: dict[str, set[str]] = {}
    for source, target in zip(train.sources, train.targets, strict=True):
        outputs.setdefault(up_to_blanks(source), set()).add(up_to_blanks(target))
    if several := [source for source, targets in outputs.items() if len(targets) > 1]:
        yield f"{len(several)} training inputs have several different outputs, such as {_cut(several[0])!r}"


def _too_long(data: TextData, tokenizer: Tokenizer, room: int) -> Iterator[str]:
    for name, split in data.tests.items():
        lengths = [len(tokenizer.encode(target)) + 1 for target in split.targets]
        if count := sum(length > room for length in lengths):
            yield (
                f"{count} of {len(split)} gold outputs of {name} are longer than a prediction may be, {room} tokens; "
                f"task.max_length={max(lengths)} has room for all of them"
            )


def _judged(config: Config, data: TextData, labeled: Mapping[str, Split]) -> Iterator[str]:
    """Prints how many gold outputs the judge takes for correct, and some that it does not."""
    judge = opened(config.judge, sorted({*data.train.targets}))
    try:
        judge.check()
        for name, split in labeled.items():
            rows = [*islice(prediction_rows(data, split, {GOLD: split.targets}), MOST_JUDGED)]
            yield from _told(f"gold outputs of {name}", config.judge.name, rows, _reasons(judge, rows))
        if config.judge.validity:
            outputs = data.unlabeled[:MOST_JUDGED]
            rows = [{"id": str(n), "text": text, "code": data.as_output(text)} for n, text in enumerate(outputs)]
            faults = [fault and f"invalid: {fault}" for fault in judge.faults(rows)]
            yield from _told("outputs that the denoiser learns from", config.judge.name, rows, faults, "valid")
    except JudgeError as error:
        raise DataError(str(error)) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"judge={config.judge.name} cannot read the examples ({error!r}); docs/own_data.md says what it reads"
        ) from error


def _reasons(judge: Any, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why each is not correct, "" where it is."""
    return [
        "" if told.verdict == "correct" else f"{told.verdict.replace('_', ' ')}: {told.diagnostics or 'no reason'}"
        for told in judge.judge(rows)
    ]


def _told(
    what: str, judge: str, rows: Sequence[Mapping[str, Any]], reasons: Sequence[str], fine: str = "correct"
) -> Iterator[str]:
    wrong = [place for place, reason in enumerate(reasons) if reason]
    print(f"judge={judge}: {len(rows) - len(wrong)} of {len(rows)} {what} are {fine}")
    for place in wrong[:SHOWN]:
        print(f"    example {place + 1}  {_cut(rows[place]['text'])}\n        {_cut(reasons[place])}")
    if wrong:
        yield f"{len(wrong)} of {len(rows)} {what} are not {fine}: examples {_some([place + 1 for place in wrong])}"


def _noised(config: Config, data: TextData) -> Iterator[str]:
    """What the denoiser would be given for some outputs."""
    step = max(1, len(data.unlabeled_val) // SHOWN)
    clean = data.unlabeled_val[::step][:SHOWN]
    yield "\nwhat noise makes of outputs:"
    for before, after in zip(clean, corrupt(clean, instantiate(config.noise), 0), strict=True):
        yield f"    {_cut(before)}\n        {_cut(after)}"


def _cut(text: str) -> str:
    line = printable(" ".join(text.split()))
    return line if len(line) <= COLUMNS else f"{line[: COLUMNS - 3]}..."
