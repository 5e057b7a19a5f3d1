"""The note beside a table: how it came about, as the runs themselves recorded it. Nothing is measured here."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from composed.errors import ComposedError
from composed.reporting.runs import cores, find_runs
from composed.system.files import read_json


def describe(runs: Sequence[Path], command: str, title: str) -> str:
    """The Markdown text below `title`: command, code, versions, machine, time.

    Raises ComposedError where no run is finished.
    """
    finished, unfinished = find_runs(runs)
    if not finished:
        raise ComposedError("there is no finished run to describe")
    folders = [run.folder for run in finished]
    places = [read_json(folder / "environment.json") for folder in folders]
    seconds: Counter[str] = Counter()
    for run in finished:
        seconds.update(run.result.seconds)
    last = max((folder / "result.json").stat().st_mtime for folder in folders)
    lines = [
        f"# {title}",
        "",
        f"    {command}",
        "",
        "![the table as a plot](table.png)",
        "",
        "- [table.md](table.md), [table.csv](table.csv), [table.tex](table.tex); of every replicate by itself: "
        "[per_replicate.csv](per_replicate.csv)",
        f"- runs: {len(finished)}" + (f", and {len(unfinished)} unfinished ones left out" if unfinished else ""),
        f"- finished: {datetime.fromtimestamp(last, UTC):%Y-%m-%d %H:%M} UTC",
        f"- time beside the denoiser's training: {', '.join(f'{_clock(s)} {step}' for step, s in seconds.items())}",
        *(f"- {name}: {', '.join(values)}" for name, values in _facts(places).items()),
    ]
    if any(read_json(folder / "training.json")["resumed"] for folder in folders):
        lines.append("- some runs were interrupted and resumed; their training time is that of the last part")
    return "\n".join(lines) + "\n"


def _facts(places: list[dict]) -> dict[str, list[str]]:
    """Each fact with its values over the runs: one, unless the runs differ."""
    facts = {
        "machine": [f"{p['processor']}, {cores(p['cores'])}, {p['gpu'] or 'no GPU'}" for p in places],
        "code": [str(p["git_revision"]) for p in places],
        "versions": [f"Python {p['python']}, PyTorch {p['packages']['torch']}" for p in places],
    }
    return {name: sorted(set(values)) for name, values in facts.items()}


def _clock(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02} h"
