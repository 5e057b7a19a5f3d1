"""`composed-evaluate RUN...`: judges the predictions of trained runs (again); `--predict` makes them anew first."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from composed.cli.frame import framed
from composed.experiment.evaluate import conclude, predict_again, summary
from composed.runs.folder import RunFolder


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="composed-evaluate", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--unsafe", action="store_true", help="go on where programs cannot be contained")
    parser.add_argument("--predict", action="store_true", help="predict anew from the best checkpoint before judging")
    options = parser.parse_args(arguments)
    return framed(
        lambda: _evaluate(options), stopped=lambda _: "stopped; the runs are as they were, but for those named above"
    )


def _evaluate(options: argparse.Namespace) -> None:
    for path in options.runs:
        run = RunFolder.existing(path)
        config = run.trained()
        config = replace(config, judge=replace(config.judge, unsafe=options.unsafe))
        with run.locked():
            if options.predict:
                predict_again(run, config)
            result = conclude(run, config)
        print(summary(result, run.path))


if __name__ == "__main__":
    sys.exit(main())
