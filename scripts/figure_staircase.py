"""`figure_staircase.py RUNS OUT`: draws OUT/staircase.png and writes OUT/README.md from finished staircase runs.

Left: the target, and f trained alone and through rounding, inside and outside the training range. Right: how complex
each is as the steps move together, measured and by the theory. Nothing is measured here.
"""

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from composed.datamodules.staircase import Staircase
from composed.errors import ComposedError, DataError
from composed.models.staircase import least_complexity
from composed.reporting.plot import save
from composed.reporting.runs import Run, find_runs
from composed.reporting.statistics import Estimate, estimate
from composed.runs.folder import RunFolder
from composed.system.files import read_json, read_lines, write_text
from composed.tasks.staircase import StaircaseTask

DIRECT, COMPOSED = "baseline", "composed_pathwise"
WORDS = {DIRECT: "f trained alone", COMPOSED: "f trained through rounding"}
BLUE, ORANGE = "#0072b2", "#d55e00"
Runs = dict[str, dict[int, Run]]  # by mode and seed of fine-tuning


def find(runs: Path) -> Runs:
    """Raises DataError where a mode is missing, or the runs differ in more than mode and seed."""
    by_mode: Runs = defaultdict(dict)
    for run in find_runs(sorted(runs.glob("staircase-*"))).runs:
        by_mode[run.mode][run.result.seed] = run
    if not {DIRECT, COMPOSED} <= by_mode.keys():
        raise DataError(f"{runs} holds no finished runs of task=staircase with both {DIRECT} and {COMPOSED}")
    if len({str(run.settings) for by_seed in by_mode.values() for run in by_seed.values()}) > 1:
        raise DataError(f"{runs} holds runs of different staircases; draw them apart")
    return by_mode


def trained_task(run: Run) -> StaircaseTask:
    return StaircaseTask.open(RunFolder(run.folder).trained())


def over_seeds(runs: dict[int, Run], index: int, split: str, name: str, output: str | None = None) -> Estimate:
    """Of one staircase; `output` is base or composition for what is measured on outputs."""
    entries = [run.scores.extra["staircases"][split][index] for run in runs.values()]
    return estimate([(entry[output] if output else entry)[name] for entry in entries])


def ratio(by_mode: Runs, index: int) -> Estimate:
    """Complexity of f trained alone over that of f trained through rounding, over the seeds of both."""
    shared = sorted(by_mode[DIRECT].keys() & by_mode[COMPOSED].keys())
    complexities = {
        mode: [by_mode[mode][seed].scores.extra["staircases"]["id"][index]["complexity"] for seed in shared]
        for mode in (DIRECT, COMPOSED)
    }
    return estimate([a / b for a, b in zip(complexities[DIRECT], complexities[COMPOSED], strict=True)])


def theory(stair: Staircase) -> float:
    return stair.interpolant_cost / stair.line_cost


def least(task: StaircaseTask, index: int, mode: str) -> float:
    """Complexity of the least complex network that is right on all training points, alone or once it is rounded.

    Right once it is rounded is where rounding, as it is trained through, costs nothing.
    """
    stair = task.stairs[index]
    inputs, targets = stair.points(task.settings.points // stair.steps)
    slack = 0.0 if mode == DIRECT else 0.5 - task.denoiser().softness[index].item()
    return least_complexity(inputs.tolist(), (targets - slack).tolist(), (targets + slack).tolist())


def draw(by_mode: Runs, path: Path) -> None:
    import matplotlib.style
    from matplotlib.figure import Figure

    first = min(by_mode[DIRECT].keys() & by_mode[COMPOSED].keys())
    stairs = trained_task(by_mode[DIRECT][first]).stairs
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(10, 4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1.6, 1])
        _fits(left, {mode: by_mode[mode][first] for mode in (DIRECT, COMPOSED)}, stairs[0])
        _complexities(right, by_mode, stairs)
        save(figure, path, 140)


def _fits(axes: Any, runs: dict[str, Run], stair: Staircase) -> None:
    axes.axvspan(-stair.half, stair.half, color="#eeeeee", zorder=0)
    for mode, run in runs.items():
        inside, outside = (next(read_lines(RunFolder(run.folder).predictions(split))) for split in ("id", "ood"))
        points = sorted(zip(inside["x"] + outside["x"], inside["base"] + outside["base"], strict=True))
        axes.plot(
            *zip(*points, strict=True), color=BLUE if mode == DIRECT else ORANGE, linewidth=1.6, label=WORDS[mode]
        )
        if mode == COMPOSED:
            for part in (inside, outside):
                axes.plot(part["x"], part["composition"], ".", color=ORANGE, markersize=2)
            axes.plot([], [], ".", color=ORANGE, label="and rounded: the composition")
        for part, colour in ((inside, "black"), (outside, "#999999")):
            for height in sorted(set(part["target"])):
                at = [x for x, y in zip(part["x"], part["target"], strict=True) if y == height]
                axes.plot([min(at), max(at)], [height, height], color=colour, linewidth=4, zorder=1)
    axes.plot([], [], color="black", linewidth=4, label="target")
    axes.plot([], [], color="#999999", linewidth=4, label="target, never seen")
    axes.set_title("Grey: the training range", fontsize=10)
    axes.set_xlabel("x")
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)


def _complexities(axes: Any, by_mode: Runs, stairs: list[Staircase]) -> None:
    """Of the staircases with the first one's steps and width, whose gaps differ."""
    alike = [i for i, stair in enumerate(stairs) if (stair.steps, stair.width) == (stairs[0].steps, stairs[0].width)]
    at = [stairs[i].width / stairs[i].gap for i in alike]
    for mode, colour, cost, words in (
        (DIRECT, BLUE, "interpolant_cost", "piecewise linear interpolant"),
        (COMPOSED, ORANGE, "line_cost", "straight line"),
    ):
        axes.plot(at, [getattr(stairs[i], cost) for i in alike], "--", color=colour, label=f"theory: {words}")
        task = trained_task(next(iter(by_mode[mode].values())))
        exact = [least(task, i, mode) for i in alike]
        axes.plot(at, exact, ":", color=colour, label=f"least possible: {WORDS[mode]}")
        measured = [over_seeds(by_mode[mode], i, "id", "complexity") for i in alike]
        axes.errorbar(
            at, [point.mean for point in measured], [point.half_width or 0.0 for point in measured], fmt="o",
            color=colour, capsize=3, label=f"measured: {WORDS[mode]}",
        )  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_ylim(0.3, 400)
    axes.set_xticks(at, [f"{value:g}" for value in at])
    axes.set_xlabel("width of a step / gap between steps")
    axes.set_title("Complexity of f: half the sum of its squared weights", fontsize=10)
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)


def describe(by_mode: Runs, command: str) -> str:
    """The Markdown text: the picture, every number behind it, and how it came about."""
    first = next(iter(by_mode[DIRECT].values()))
    task, place = trained_task(first), read_json(first.folder / "environment.json")
    lines = [
        "# Staircases",
        "",
        f"    {command}",
        "",
        "![target, fits inside and outside the training range, complexity ratios](staircase.png)",
        "",
        "Error is the mean squared error: of f trained alone, of the same f rounded at test time (the fair rival, "
        "which uses rounding, too), and of the composition where f was trained through rounding; inside on the steps "
        f"that f learned from, outside on {task.settings.beyond} further steps on either side. Complexity "
        "is half the sum of f's squared weights. Turns: how often f goes from steep to flat or back. The theory "
        "compares the cost of the piecewise linear interpolant, 2 (steps − 1) / gap, with that of the straight line, "
        "2 / (width + gap). f may cost less than the one where it falls short of the steps (see its error inside), and "
        "less than the other, because a network that is flat beyond its data costs half. Least is what no network of "
        "any width can be below that is right on all training points, alone or once it is rounded: exact, by a linear "
        "program. The ratio of the least ones grows with 1 / gap; that of trained networks does only as far as f "
        "trained alone reaches the steps. ± is half the 95% interval over seeds.",
        "",
        "| steps | width | gap | error inside, alone | alone, rounded | through | error outside, alone "
        "| alone, rounded | through | turns, alone | through | complexity, alone (theory) | through (theory) "
        "| least, alone | least, through | their ratio | ratio (theory) |",
        f"| {' | '.join(['--:'] * 17)} |",
    ]
    for index, stair in enumerate(task.stairs):
        cells = [f"{stair.steps}", f"{stair.width:g}", f"{stair.gap:g}"]
        for split in ("id", "ood"):
            for mode, output in ((DIRECT, "base"), (DIRECT, "composition"), (COMPOSED, "composition")):
                cells.append(_number(over_seeds(by_mode[mode], index, split, "error", output), 3))
        cells += [_number(over_seeds(by_mode[mode], index, "id", "turns"), 1) for mode in (DIRECT, COMPOSED)]
        for mode, cost in ((DIRECT, stair.interpolant_cost), (COMPOSED, stair.line_cost)):
            cells.append(f"{_number(over_seeds(by_mode[mode], index, 'id', 'complexity'), 1)} ({cost:.1f})")
        exact = [least(task, index, mode) for mode in (DIRECT, COMPOSED)]
        cells += [f"{value:.1f}" for value in (*exact, exact[0] / exact[1])]
        cells.append(f"{_number(ratio(by_mode, index), 1)} ({theory(stair):.1f})")
        lines.append(f"| {' | '.join(cells)} |")
    seconds = [run.result.seconds["training"] for by_seed in by_mode.values() for run in by_seed.values()]
    lines += [
        "",
        f"- runs: {len(seconds)}, {sum(seconds):.0f} s of training together",
        f"- machine: {place['processor']}, {place['cores']} cores; code: {place['git_revision']}",
        f"- versions: Python {place['python']}, PyTorch {place['packages']['torch']}",
    ]
    return "\n".join(lines) + "\n"


def _number(value: Estimate, digits: int) -> str:
    return f"{value.mean:.{digits}f}" + ("" if value.half_width is None else f" ±{value.half_width:.{digits}f}")


if __name__ == "__main__":
    runs, out, command = sys.argv[1:]
    try:
        by_mode = find(Path(runs))
        draw(by_mode, Path(out) / "staircase.png")
        write_text(Path(out) / "README.md", describe(by_mode, command))
    except ComposedError as error:
        sys.exit(f"error: {error}")
