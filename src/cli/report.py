"""`composed-report RUN...`: finished runs to a table on the terminal, as Markdown, CSV and LaTeX, a plot, and one page.

Starts without torch and Hydra; what draws and renders is loaded only to do so. Numbers come from result.json alone.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, RenderableType
from rich.text import Text

from composed.errors import ComposedError, ConfigError
from composed.reporting.formats import to_csv, to_latex, to_markdown, to_rich
from composed.reporting.plot import draw
from composed.reporting.programs import programs
from composed.reporting.runs import Run, find_runs, missing_runs
from composed.reporting.table import build_table
from composed.system.console import alone, say
from composed.system.files import write_text

PLAIN_TEXT_COLUMNS = 140


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code: 0, or the code of the ComposedError whose message it printed."""
    arguments = _parser().parse_args(argv)
    alone()
    try:
        _report(arguments)
    except ComposedError as error:
        say(f"error: {error}")
        return error.code
    return 0


def _parser() -> argparse.ArgumentParser:
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
        "--samples", type=int, default=12, metavar="N", help="programs of each mode in report.html (default: 12)"
    )
    parser.add_argument(
        "--wandb", choices=("offline", "online"), metavar="MODE", help="offline or online: also an artefact of W&B"
    )
    parser.add_argument("--project", default="composed", metavar="P", help="W&B's project (default: composed)")
    return parser


def _report(arguments: argparse.Namespace) -> None:
    found = find_runs(arguments.runs, arguments.by)
    for folder, why in found.left_out.items():
        say(f"left out, {why}: {folder}")
    missing = missing_runs(found, arguments.by)
    table = build_table(found.runs, arguments.title, missing, arguments.against)
    parts: list[RenderableType] = [to_rich(table)]
    if arguments.programs > 0:
        parts += [Text(), programs(_run_to_show(found.runs), arguments.programs)]
    out = arguments.out
    files = {out / "table.md": to_markdown(table), out / "table.csv": to_csv(table), out / "table.tex": to_latex(table)}

    from composed.reporting.page import page

    files[out / "report.html"] = page(table, found.runs, found.left_out, arguments.samples)
    for path, text in files.items():
        write_text(path, text)
    picture = out / "table.png"
    draw(table, picture)
    console = Console(width=None if sys.stdout.isatty() else PLAIN_TEXT_COLUMNS)
    console.print(*parts, sep="\n")
    print("\nwritten:", *files, picture)
    if arguments.wandb:
        _send(arguments, out, [run.folder.name for run in found.runs])


def _send(arguments: argparse.Namespace, out: Path, runs: list[str]) -> None:
    from composed.training.wandb_process import Mirror, switched_off

    if off := switched_off():
        return say(f"{off} in the environment: wandb gets nothing")
    name = re.sub(r"\W+", "-", f"table-{out.resolve().name}")
    settings = {"project": arguments.project, "mode": arguments.wandb, "name": name, "job_type": "report"}
    mirror = Mirror({**settings, "config": {"runs": runs}}, out)
    mirror.log_report(out)
    mirror.close()


def _run_to_show(runs: Sequence[Run]) -> Run:
    """The first run that predicts through the denoiser, else the first that has a composition at all."""
    candidates = [run for run in runs if "composition" in run.counts]
    if not candidates:
        raise ConfigError("--programs puts f(x) and Pi(f(x)) side by side, but none of the runs has programs of both")
    return min(candidates, key=lambda run: run.own_output != "composition")


if __name__ == "__main__":
    sys.exit(main())
