"""Finished runs to a table on the terminal, as Markdown, CSV and LaTeX, a plot, and one page.

Starts without torch and Hydra; what draws and renders is loaded only to do so. Numbers come from result.json alone.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, RenderableType
from rich.text import Text

from composed.errors import ConfigError
from composed.reporting.comparable import comparable
from composed.reporting.compare import Compare
from composed.reporting.comparisons import Family
from composed.reporting.curve import draw_curve
from composed.reporting.exhibits.console import console as side_by_side
from composed.reporting.exhibits.console import judged
from composed.reporting.formats import to_csv, to_csv_of_replicates, to_latex, to_markdown, to_rich
from composed.reporting.missing import missing_runs
from composed.reporting.plot import draw
from composed.reporting.runs import Run, find_runs, key_names
from composed.reporting.table import build_table
from composed.system.console import say
from composed.system.files import write_text

PLAIN_TEXT_COLUMNS = 140


def write_report(
    paths: Sequence[Path],
    out: Path,
    *,
    by: Sequence[str] = (),
    curve: str = "",
    against: str = "",
    title: str | None = None,
    compare: Compare | None = None,
    family: Family | None = None,
    programs: int = 0,
    samples: int = 12,
) -> list[Run]:
    """Prints the table of the runs at or below `paths` and writes it into `out`; returns the runs that are in it.

    `by`: keys of the config that tell rows of one mode apart, to which `curve` adds one whose numbers are the axis of a
    further picture. `against`: the row to compare all others with. `title`
    stands instead of the one that the runs give, `compare` instead of the pairs of conf/compare.yaml, `family` says
    which comparisons are corrected together. `programs` of them are printed side by side, `samples` of each mode are on
    the page. Raises ConfigError for runs that no table can hold, and DataError for damaged ones.
    """
    by = [*by, curve] if curve and curve not in by else by
    searched = comparable(find_runs(paths, by))
    for folder, why in searched.left_out.items():
        say(f"left out, {why}: {folder}")
    table = build_table(searched.runs, title, missing_runs(searched, by), against, compare, family)
    parts: list[RenderableType] = [to_rich(table)]
    if programs > 0:
        parts += [Text(), side_by_side(_run_to_show(searched.runs), programs)]
    files = {
        out / "table.md": to_markdown(table),
        out / "table.csv": to_csv(table),
        out / "per_replicate.csv": to_csv_of_replicates(table),
        out / "table.tex": to_latex(table),
    }

    from composed.reporting.page import page

    files[out / "report.html"] = page(table, searched.runs, searched.left_out, samples)
    for path, text in files.items():
        write_text(path, text)
    pictures = [out / "table.png"]
    draw(table, pictures[0])
    if curve:
        pictures.append(out / "curve.png")
        draw_curve(table, key_names(by)[by.index(curve)], pictures[-1])
    console = Console(width=None if sys.stdout.isatty() else PLAIN_TEXT_COLUMNS)
    console.print(*parts, sep="\n")
    print("\nwritten:", *files, *pictures)
    return searched.runs


def _run_to_show(runs: Sequence[Run]) -> Run:
    """The first run that predicts through the denoiser, else the first that has a composition at all."""
    candidates = [run for run in runs if "composition" in run.scores.values and judged(run)]
    if not candidates:
        raise ConfigError("--programs puts f(x) and Pi(f(x)) side by side, but none of the runs has texts of both")
    return min(candidates, key=lambda run: run.own_output != "composition")
