"""`judge_development.py RUN... --out DIR`: finished SansType runs on programs of no table, to choose settings by.

Writes a copy of each run below DIR whose predictions and result are those of new programs of the same grammar:
`composed-report DIR --by KEY` compares them. The test programs stay unseen until the settings are chosen.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from composed.config import Config
from composed.config.structure import narrowed
from composed.config.text_tasks import SansType
from composed.datamodules.text import Split
from composed.errors import ComposedError, ConfigError
from composed.experiment import evaluate
from composed.runs.folder import RunFolder
from composed.runs.result import Result
from composed.system.console import say
from composed.system.files import read_json, write_json
from composed.tasks.text import TextTask

UNUSED = {"train": 1, "val": 1, "unlabeled": 1, "unlabeled_val": 1}  # splits that have to be there
SPARE = 50  # programs more than asked for, since the run may know some


def development(config: Config, seed: int, programs: int) -> dict[str, Split]:
    """Programs by split, some to spare, drawn by `seed` and that of the run's data: each replicate has its own."""
    task = narrowed(config.task, SansType)
    if seed == 0:
        raise ConfigError("--seed 0 draws the run's own data; choose another")
    sizes = replace(task.sizes, **UNUSED, test=programs + SPARE, ood=programs + SPARE)
    return TextTask.open(replace(config, task=replace(task, seed=seed + task.seed, sizes=sizes))).data.tests


def without(split: Split, known: set[str], most: int) -> Split:
    """The split's first programs that are not known, `most` at most: as many in every replicate."""
    rows = [row for row, target in enumerate(split.targets) if target not in known][:most]
    return Split(*([column[row] for row in rows] for column in (split.sources, split.targets, split.tests)))


def of_generated(run: RunFolder) -> Config:
    """The config of a run on generated programs, of which there are always others. Raises ConfigError."""
    config = run.trained()
    if not isinstance(config.task, SansType) or config.task.folder:
        raise ConfigError(f"{run.path}: only runs on generated SansType programs")
    return config


def known_targets(task: TextTask) -> set[str]:
    """The programs that a run has seen, or that a table shows."""
    return {line for of in (task.data.train, task.data.val, *task.data.tests.values()) for line in of.targets}


def predicted(source: RunFolder, copy: RunFolder, task: TextTask, f: Any, composition: Any) -> Result:
    """A copy of a run whose predictions are those of `f` on the tests of `task`, judged."""
    written = shutil.ignore_patterns("predictions-*", "verdicts-*", "result.json", "checkpoints")
    shutil.copytree(source.path, copy.path, ignore=written, dirs_exist_ok=True)
    sizes = {len(split) for split in task.data.tests.values()}
    facts = {"about": f"{max(sizes)} development programs of each kind", "splits": [*task.data.tests]}
    write_json(copy.training, {**read_json(source.training), **facts})
    task.predict(copy, f, composition)
    return evaluate.conclude(copy, task.config)


def judge(path: Path, out: Path, seed: int, programs: int) -> None:
    source = RunFolder.existing(path)
    config = of_generated(source)
    task, f, _, composition = evaluate.load_run(source, config)
    known = known_targets(task)
    tests = {name: without(of, known, programs) for name, of in development(config, seed, programs).items()}
    copy = RunFolder(out / path.name)
    result = predicted(source, copy, replace(task, data=replace(task.data, tests=tests)), f, composition)
    say(evaluate.summary(result, copy.path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--programs", type=int, default=600, metavar="N", help="of each split")
    parser.add_argument(
        "--seed", type=int, default=77, metavar="N", help="of the programs, beside that of the run's data"
    )
    options = parser.parse_args()
    try:
        for path in options.runs:
            judge(path, options.out, options.seed, options.programs)
    except ComposedError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
