"""`compare_selection.py RUN... --out DIR`: what is lost by predicting with the last weights of a training.

The other rule: of the checkpoints that a run has kept (train it with trainer.checkpoints=8), those with the most right
validation programs. Both predict development programs of the data's own distribution, which no table shows.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from judge_development import development, known_targets, of_generated, predicted, without

from composed.datamodules.text import Split
from composed.errors import ComposedError, DataError
from composed.experiment import evaluate
from composed.reporting.statistics import estimate
from composed.runs.folder import RunFolder
from composed.system.files import write_json


def states(run: RunFolder, first: int) -> dict[int, Any]:
    """The weights of f after some updates, at least `first`: those of the checkpoints that the run has kept."""
    loaded = (torch.load(path, map_location="cpu", weights_only=True) for path in run.checkpoints.glob("last*.ckpt"))
    weights = {state["updates"]: state["model"] for state in loaded if state["updates"] >= first}
    if len(weights) < 2:
        raise DataError(f"{run.path}: {len(weights)} checkpoints to choose from; train it with trainer.checkpoints=8")
    return dict(sorted(weights.items()))


def compared(path: Path, out: Path, programs: int) -> Iterator[tuple[str, Any]]:
    """What a run says of both rules, by name."""
    run = RunFolder.existing(path)
    config = of_generated(run)
    task, f, _, composition = evaluate.load_run(run, config)
    composing = config.finetuning.compose_after if config.finetuning.train_through else 0.0
    weights = states(run, round(composing * run.facts().updates) + 1)

    def right(update: int, name: str, split: Split) -> float:
        f.load_state_dict(weights[update])
        copy = RunFolder(out / f"{path.name}-{update}-{name}")
        result = predicted(run, copy, replace(task, data=replace(task.data, tests={name: split})), f, composition)
        return result.scores.values[result.own_output][name]["correct"]

    on_validation = {update: right(update, "val", task.data.val) for update in weights}
    last, chosen = max(weights), max(on_validation, key=lambda update: (on_validation[update], update))
    yield from (("run", path.name), ("updates", [*weights]), ("correct on validation", on_validation))
    unseen = without(development(config, 77, programs)["id"], known_targets(task), programs)
    yield from (("chosen", chosen), ("last", right(last, "id", unseen)), ("by verdicts", right(chosen, "id", unseen)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--programs", type=int, default=600, metavar="N")
    options = parser.parse_args()
    try:
        rows = [dict(compared(path, options.out, options.programs)) for path in options.runs]
    except ComposedError as error:
        raise SystemExit(f"error: {error}") from error
    difference = estimate([row["by verdicts"] - row["last"] for row in rows])
    summary = {"runs": rows, "by verdicts - last": difference.mean, "half width": difference.half_width}
    write_json(options.out / "selection.json", summary)
    for row in rows:
        print(f"{row['run']}: last {row['last']:.1f}, update {row['chosen']} by verdicts {row['by verdicts']:.1f}")
    print(f"by verdicts - last: {difference.mean:+.2f} ±{difference.half_width or float('nan'):.2f} points")


if __name__ == "__main__":
    main()
