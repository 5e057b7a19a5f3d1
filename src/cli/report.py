"""`composed-report RUN...`: finished runs to a table on the terminal and in files, a plot, and one page."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from composed.cli.frame import framed
from composed.reporting.report import write_report


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="composed-report", description="One table from finished runs.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder, or a folder that holds runs")
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="KEY",
        help="a row for each value of this key of the config, such as finetuning.composed_weight; may be repeated",
    )
    parser.add_argument(
        "--curve",
        default="",
        metavar="KEY",
        help="also curve.png: the first measure over the numbers of this key, such as task.sizes.train; adds --by KEY",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("report"),
        metavar="DIR",
        help="for report.html and table.{md,csv,tex,png} (default: report)",
    )
    parser.add_argument("--against", default="", metavar="ROW", help="the row to compare all others with")
    parser.add_argument("--title", metavar="T", help="instead of the title that the runs give")
    parser.add_argument("--programs", type=int, default=0, metavar="N", help="also print N programs side by side")
    parser.add_argument(
        "--samples", type=int, default=12, metavar="N", help="examples of each mode in report.html (default: 12)"
    )
    parser.add_argument(
        "--wandb", choices=("offline", "online"), metavar="MODE", help="offline or online: also an artefact of W&B"
    )
    parser.add_argument("--project", default="composed", metavar="P", help="W&B's project (default: composed)")
    options = parser.parse_args(arguments)
    return framed(lambda: _report(options))


def _report(options: argparse.Namespace) -> None:
    runs = write_report(
        options.runs,
        options.out,
        by=options.by,
        curve=options.curve,
        against=options.against,
        title=options.title,
        programs=options.programs,
        samples=options.samples,
    )
    if options.wandb:
        _send(options, [run.folder.name for run in runs])


def _send(options: argparse.Namespace, runs: list[str]) -> None:
    from composed.system.console import say
    from composed.training.wandb_process import WandbProcess, switched_off

    if off := switched_off():
        return say(f"{off} in the environment: wandb gets nothing")
    name = re.sub(r"\W+", "-", f"table-{options.out.resolve().name}")
    settings = {"project": options.project, "mode": options.wandb, "name": name, "job_type": "report"}
    mirror = WandbProcess({**settings, "config": {"runs": runs}}, options.out)
    mirror.log_report(options.out)
    mirror.close()


if __name__ == "__main__":
    sys.exit(main())
