"""`composed-predict RUN`: uses what a run trained; pseudocode in, programs out, a line each, or text in, a picture out.

    echo "set var_1 to 3; print var_1;" | composed-predict RUN
    composed-predict RUN --font 3 --text Hello -o hello.png

The prediction is the mode's own: Pi(f(x)) where it predicts through the denoiser, else f(x). Only programs go to
standard output. Left out: prediction on a GPU, and staircases.
"""

import argparse
import io
import sys
from pathlib import Path
from typing import Any, TextIO

from composed import judges
from composed.cli.frame import framed
from composed.config import Config
from composed.errors import ComposedError, ConfigError, DataError
from composed.printable import printable
from composed.runs.folder import RunFolder
from composed.system.console import say
from composed.system.files import as_text

MOST_PRINTED = 1000  # bytes of a program's output that --judge shows


def predict(path: Path, lines: list[str]) -> list[dict[str, str]]:
    """The C++ of `base`, of `composition` where there is a denoiser, and of `own`, the mode's, for each line.

    Raises DataError for an empty line, for words that the vocabulary does not have, and for a run that is not finished.
    """
    run, config = _trained(path, "lines", "it takes --font N --text T -o FILE.png")
    return _answer(run, config, lines=lines)


def picture(path: Path, text: str, face: int, out: Path, *, show_base: bool) -> None:
    """Writes `text` in a face as the run predicts it, as a PNG; with `show_base` f(x) in a row of its own.

    Raises DataError for a run that is not finished, and for characters and faces that f does not know.
    """
    run, config = _trained(path, "text", "it takes pseudocode on standard input")
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
        what = instead if takes else "composed-predict does not take it"
        raise ConfigError(f"{path} is a run of task={config.task.name}: {what}")
    return run, config


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="composed-predict", description=__doc__.split("\n", 1)[0])
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument("--show-base", action="store_true", help="f(x) too, on standard error")
    parser.add_argument(
        "--judge", action="store_true", help="compile and run each program; what it prints on standard error"
    )
    parser.add_argument("--font", type=int, metavar="N", help="of a run of task=fonts: the number of a face")
    parser.add_argument("--text", metavar="T", help="what to write in it")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="the picture to write")
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as the input is read, whatever the locale
    return framed(lambda: _predict(options))


def _predict(options: argparse.Namespace) -> None:
    wanted = (options.font, options.text, options.out)
    if any(option is not None for option in wanted):
        if any(option is None for option in wanted):
            raise ConfigError("a picture needs all of --font, --text and -o")
        return picture(options.run, options.text, options.font, options.out, show_base=options.show_base)
    predictions = predict(options.run, _lines(sys.stdin))
    for number, texts in enumerate(predictions, 1):
        if options.show_base:
            say(f"{number}: f(x)  {_plain(texts['base'])}")
        print(_plain(texts["own"]))
    if options.judge:
        _judge([texts["own"] for texts in predictions])


def _lines(stream: TextIO) -> list[str]:
    """As many as `wc -l` counts and an unended last one: nothing else that Unicode takes for the end of a line is one.

    Raises DataError.
    """
    data = getattr(stream, "buffer", stream).read()  # its own encoding is the locale's, not the data's
    try:
        text = data if isinstance(data, str) else as_text(data)
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(f"line {number} of the input is not UTF-8 ({error.reason}); convert it with iconv") from error
    if not text:
        raise DataError("nothing on standard input; give pseudocode, a program per line")
    return text.removesuffix("\n").split("\n")


def _plain(code: str) -> str:
    """Without the prelude and fit for a terminal; a program of one line with single blanks."""
    body = printable(code.removeprefix(judges.PRELUDE).strip())
    return body if "\n" in body else " ".join(body.split())


def _judge(codes: list[str]) -> None:
    try:
        executions = judges.execute(codes, [[""]] * len(codes))
    except judges.JudgeError as error:
        raise ComposedError(str(error)) from error
    for number, execution in enumerate(executions, 1):
        if execution.verdict == "correct":
            printed, more = (
                execution.printed[0][:MOST_PRINTED],
                "..." if len(execution.printed[0]) > MOST_PRINTED else "",
            )
            say(f"{number}: prints {printed.decode(errors='replace')!r}{more}")
        else:
            say(f"{number}: {execution.verdict.replace('_', ' ')} {execution.diagnostics.strip()}")


if __name__ == "__main__":
    sys.exit(main())
