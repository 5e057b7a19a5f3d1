"""`composed-evaluate RUN...`: judges the predictions of trained runs (again); `--predict` makes them anew first.

    composed-evaluate RUN... --decoding beam decoding.beams=8

decodes in another way what they learned; each becomes a run of its own beside it, which has its weights.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from composed.cli.frame import framed
from composed.config.options import options as options_of
from composed.errors import ConfigError
from composed.experiment.evaluate import conclude, predict_again, summary
from composed.runs.folder import RunFolder


def main(arguments: list[str] | None = None) -> int:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="composed-evaluate", description=__doc__, formatter_class=plain)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run")
    parser.add_argument("--unsafe", action="store_true", help="go on where programs cannot be contained")
    parser.add_argument("--predict", action="store_true", help="predict anew from the best checkpoint before judging")
    names = ", ".join(options_of("decoding"))
    parser.add_argument(
        "--decoding", metavar="OPTION", help=f"decode in another way: {names}; decoding.KEY=VALUE changes its settings"
    )
    options = parser.parse_intermixed_args(arguments)
    return framed(
        lambda: _evaluate(options), stopped=lambda _: "stopped; the runs are as they were, but for those named above"
    )


def _evaluate(options: argparse.Namespace) -> None:
    words = [word for word in options.runs if word.startswith("decoding.") and "=" in word]
    paths = [Path(word) for word in options.runs if word not in words]
    if not paths:
        raise ConfigError("no RUN: name the folder of a trained run")
    if options.decoding:
        return _decode(options, paths, words)
    if words:
        raise ConfigError(f"{words[0]}: say which decoding it is of, --decoding OPTION")
    for path in paths:
        run = RunFolder.existing(path)
        config = run.trained()
        config = replace(config, judge=config.judge.running(unsafe=options.unsafe))
        with run.locked():
            if options.predict:
                predict_again(run, config)
            result = conclude(run, config)
        print(summary(result, run.path))


def _decode(options: argparse.Namespace, paths: list[Path], words: list[str]) -> None:
    from composed.experiment.decode import decoded_run

    for path in paths:
        run, result = decoded_run(path, options.decoding, words, again=options.predict, unsafe=options.unsafe)
        print(summary(result, run.path))


if __name__ == "__main__":
    sys.exit(main())
