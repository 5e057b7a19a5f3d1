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
from typing import TextIO

from composed.cli.frame import framed
from composed.errors import ConfigError, DataError
from composed.experiment.answer import mistakes, picture, programs, verdicts
from composed.judges import PRELUDE
from composed.printable import printable
from composed.system.console import say
from composed.system.files import stream_lines


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="composed-predict", description=__doc__.split("\n", 1)[0])
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument("--show-base", action="store_true", help="f(x) too, on standard error")
    parser.add_argument(
        "--judge",
        action="store_true",
        help="what the judge says of each output, on standard error",
    )
    parser.add_argument(
        "--errors",
        action="store_true",
        help="instead: write f's outputs for validation examples, for noise=from_errors",
    )
    parser.add_argument("--font", type=int, metavar="N", help="of a run of task=fonts: the number of a face")
    parser.add_argument("--text", metavar="T", help="what to write in it")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="the picture to write")
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as the input is read, whatever the locale
    return framed(lambda: _predict(options))


def _predict(options: argparse.Namespace) -> None:
    if options.errors:
        path, count, wrong = mistakes(options.run)
        say(f"{path}: f has {wrong} of {count} validation outputs wrong; noise=from_errors noise.run={options.run}")
        return None
    wanted = (options.font, options.text, options.out)
    if any(option is not None for option in wanted):
        if any(option is None for option in wanted):
            raise ConfigError("a picture needs all of --font, --text and -o")
        return picture(options.run, options.text, options.font, options.out, show_base=options.show_base)
    predictions = programs(options.run, _lines(sys.stdin))
    for number, texts in enumerate(predictions, 1):
        if options.show_base:
            say(f"{number}: f(x)  {_plain(texts['base'])}")
        print(_plain(texts["own"]))
    if options.judge:
        for number, told in enumerate(verdicts(options.run, [texts["own"] for texts in predictions]), 1):
            say(f"{number}: {told}")


def _lines(stream: TextIO) -> list[str]:
    lines = stream_lines(stream)
    if not lines:
        raise DataError("nothing on standard input; give inputs, one per line")
    return lines


def _plain(code: str) -> str:
    """Without the prelude and fit for a terminal; a program of one line with single blanks."""
    body = printable(code.removeprefix(PRELUDE).strip())
    return body if "\n" in body else " ".join(body.split())


if __name__ == "__main__":
    sys.exit(main())
