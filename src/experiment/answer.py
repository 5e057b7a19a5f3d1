"""What a trained run says of something new: programs for lines of pseudocode, a picture for a text in a face."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from composed.config import Config
from composed.config.judge import opened
from composed.config.noise import ERRORS
from composed.errors import ComposedError, ConfigError
from composed.judges.records import JudgeError
from composed.runs.folder import RunFolder
from composed.system.files import write_lines


def programs(path: Path, lines: Sequence[str]) -> list[dict[str, str]]:
    """The output of `base`, of `composition` where there is a denoiser, and of `own`, the mode's, for each line.

    Raises DataError for an empty line, for words that the vocabulary does not have, and for a run that is not finished.
    """
    run, config = _trained(path, "lines", "it takes --font N --text T -o FILE.png")
    return _answer(run, config, lines=lines)


def verdicts(path: Path, outputs: Sequence[str]) -> list[str]:
    """What the judge of a run says of outputs that have no target, for a person. Raises ComposedError."""
    run, config = _trained(path, "lines", "its outputs have no judge of texts")
    facts = run.facts()
    rows = [{"id": str(row), "text": output, "code": output} for row, output in enumerate(outputs)]
    try:
        told: list[str] = opened(config.judge, facts.more.get("labels", ())).tell(rows)
    except JudgeError as error:
        raise ComposedError(str(error)) from error
    return told


def mistakes(path: Path) -> tuple[Path, int, int]:
    """Writes what f alone says of the validation examples into the folder of a run, for noise=from_errors.

    Returns the file, how many outputs it has, and how many of them are not the gold ones. Raises ComposedError.
    """
    run, config = _trained(path, "lines", "its outputs are no text")
    from composed.experiment.evaluate import load_run
    from composed.tasks.mistakes import rows

    task: Any
    task, f, _, _ = load_run(run, config)
    texts = task.decode(task.examples("val"), f.eval(), None, task.data.val.records)["base"]
    head, *written = rows(config, task.data, task.tokenizer, texts)
    write_lines(run.path / ERRORS, [head, *written])
    return run.path / ERRORS, len(written), sum(row["text"] != row["target"] for row in written)


def picture(path: Path, text: str, face: int, out: Path, *, show_base: bool) -> None:
    """Writes `text` in a face as the run predicts it, as a PNG; with `show_base` f(x) in a row of its own.

    Raises DataError for a run that is not finished, and for characters and faces that f does not know.
    """
    run, config = _trained(path, "text", "it takes lines of input on standard input")
    if out.suffix.lower() not in ("", ".png"):
        raise ConfigError(f"-o {out}: the picture is a PNG; name it {out.with_suffix('.png').name}")
    images = _answer(run, config, text=text, face=face)
    output = "composition" if config.finetuning.predict_through else "base"
    rows = (
        {"f(x)": images["base"], "Pi(f(x))": images[output]} if show_base and output != "base" else {"": images[output]}
    )

    from composed.reporting.pictures import sheet

    sheet([[*rows.items()]], out, scale=2)


def _answer(run: RunFolder, config: Config, **request: Any) -> Any:
    from composed.experiment.evaluate import load_run
    from composed.tasks.task import Request

    task, f, _, composition = load_run(run, config)
    return task.answer(f, composition, Request(**request))


def _trained(path: Path, given: str, instead: str) -> tuple[RunFolder, Config]:
    """The run and its config. Raises ConfigError for one that takes something else, DataError before the end of its
    training.
    """
    from composed.tasks import kind

    run = RunFolder.existing(path)
    config = run.trained()
    if (takes := kind(config.task.kind).takes) != given:
        remedy = instead if takes else "composed-predict does not take it"
        raise ConfigError(f"{path} is a run of task={config.task.name}: {remedy}")
    return run, config
