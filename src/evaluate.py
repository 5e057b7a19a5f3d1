"""From weights to a result in three steps that each read and write a file: predict, judge, count.

`composed-evaluate RUN...` judges the predictions of finished (or interrupted) runs again; `--predict` makes them anew first.
"""

import argparse
import dataclasses
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from composed.console import say
from composed.errors import ComposedError
from composed.files import read_lines, write_json, write_lines
from composed.run_folder import NOT_SHAPING, RunFolder, content_key

CLASSES = (
    "correct",
    "compile_error",
    "runtime_error",
    "wrong_output",
    "time_limit",
    "memory_limit",
    "output_limit",
)


def evaluate(
    run: RunFolder,
    config: dict[str, Any],
    task: Any,
    model: Any,
    denoiser: Any,
    facts: dict[str, Any],
    loggers: list[Any],
) -> dict[str, Any]:
    """Predicts every test split, judges, and writes result.json; predictions are on disk before the first is judged."""
    started = time.monotonic()
    for split in task.tests:
        write_lines(run.predictions(split), predict(task, split, model, denoiser, beams=config["task"]["beams"]))
    facts["seconds"]["prediction"] = round(time.monotonic() - started, 1)
    write_json(run.path / "training.json", facts)
    return conclude(run, config, loggers)


def predict(task: Any, split: str, model: Any, denoiser: Any, *, beams: int) -> list[dict[str, Any]]:
    """What f says on every program of the split, and what Pi makes of it where there is a denoiser, in the data's order."""
    import torch

    from composed.datamodules.batching import plan
    from composed.datamodules.sanstype.files import to_cpp
    from composed.models.composition import Composition

    data = task.tests[split]
    pairs = task.pairs(data)
    model.eval()
    texts: dict[str, list[str]] = {"base": [""] * len(pairs)}
    if denoiser is not None:
        texts["composition"] = [""] * len(pairs)
    with torch.inference_mode():
        for rows in plan(pairs.cost(), 128 * int(pairs.cost().mean()), None):
            batch = pairs.batch(rows)
            device = next(model.parameters()).device
            tokens = model.predict(batch.source.to(device), max_length=task.max_length, beams=beams)
            outputs = {"base": tokens}
            if denoiser is not None:
                pair = Composition(model, denoiser.to(device))
                outputs["composition"] = pair.denoise(tokens, max_length=task.max_length, beams=beams)
            for output, decoded in outputs.items():
                for row, ids in zip(rows, decoded.tolist(), strict=True):
                    texts[output][row] = task.tokenizer.decode(ids)
    return [
        {
            "id": f"{example}-{output}",
            "example": example,
            "output": output,
            "source": data.sources[example],
            "target": data.targets[example],
            "text": lines[example],
            "code": to_cpp(lines[example]),
            "tests": [{"input": data.inputs[example], "output": data.outputs[example]}],
        }
        for output, lines in texts.items()
        for example in range(len(pairs))
    ]


def conclude(run: RunFolder, config: dict[str, Any], loggers: list[Any]) -> dict[str, Any]:
    """Judges the predictions on disk and writes verdicts and result. Raises ComposedError; predictions and weights stay."""
    from composed import judges
    from composed.files import read_json

    facts = read_json(run.path / "training.json")
    started = time.monotonic()
    splits = sorted(path.stem.removeprefix("predictions-") for path in run.path.glob("predictions-*.jsonl"))
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for split in splits:
        rows = list(read_lines(run.predictions(split)))
        programs = [
            judges.Program(
                row["id"],
                row["code"],
                tuple(judges.Test(test["input"], test["output"]) for test in row["tests"]),
            )
            for row in rows
        ]
        try:
            verdicts = judges.judge(programs, workers=config["judge"]["workers"], unsafe=config["judge"]["unsafe"])
        except judges.JudgeError as error:
            raise ComposedError(
                f"{error}\nThe training is safe: judge its predictions later with\n  composed-evaluate {run.path}"
            ) from error
        write_lines(run.verdicts(split), (dataclasses.asdict(verdict) for verdict in verdicts))
        for output in sorted({row["output"] for row in rows}):
            seen = Counter(v.verdict for row, v in zip(rows, verdicts, strict=True) if row["output"] == output)
            counts.setdefault(output, {})[split] = {
                "n": seen.total(),
                **{name: seen[name] for name in CLASSES},
            }
    grammar = config["task"].get("grammar")
    shape = {key: value for key, value in config.items() if key not in (*NOT_SHAPING, "seed")}
    shape["task"] = {key: value for key, value in config["task"].items() if key != "data"}
    result = {
        "task": config["task"]["name"],
        "title": f"{config['task']['title']}, {config['profile']['name']} profile"
        + (
            f": programs of at most {grammar['max_variables']} variables and {grammar['max_rounds']} extra rounds"
            if grammar and not config["task"]["folder"]
            else ""
        ),
        "profile": config["profile"]["name"],
        "finetuning": config["finetuning"]["name"],
        "seed": config["seed"],
        "predict_through": config["finetuning"]["predict_through"],
        "config_key": content_key(shape),
        "updates": facts["updates"],
        "best": facts["best"],
        "seconds": {**facts["seconds"], "judging": round(time.monotonic() - started, 1)},
        "counts": counts,
    }
    write_json(run.result, result)
    for logger in loggers:
        metrics = {
            f"test/{split}/{output}/{name}": of[name] / of["n"]
            for output, by_split in counts.items()
            for split, of in by_split.items()
            for name in CLASSES
            if of["n"]
        }
        logger.log_metrics(metrics, step=facts["updates"])
    return result


def summary(result: dict[str, Any], path: Path) -> str:
    """A finished run in a few lines: what was right, of f alone and of the composition."""
    names = {"base": "f(x)", "composition": "Pi(f(x))"}
    lines = [f"{result['title']}: {result['finetuning']}, seed {result['seed']}"]
    for output, by_split in result["counts"].items():
        shares = "   ".join(
            f"{split} {of['correct'] / of['n']:6.1%} correct, {of['compile_error'] / of['n']:6.1%} do not compile (n {of['n']})"
            for split, of in by_split.items()
            if of["n"]
        )
        lines.append(f"  {names[output]:<9} {shares}")
    return "\n".join([*lines, f"  {path}"])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="composed-evaluate", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--predict", action="store_true", help="predict anew from the best checkpoint before judging")
    options = parser.parse_args(arguments)
    try:
        for path in options.runs:
            run = RunFolder.existing(path)
            with run.lock():
                config = run.config()
                if options.predict or not any(run.path.glob("predictions-*.jsonl")):
                    _predict_again(run, config)
                result = conclude(run, config, [])
            print(summary(result, run.path))
    except ComposedError as error:
        say(f"error: {error}")
        return error.code
    return 0


def _predict_again(run: RunFolder, config: dict[str, Any]) -> None:
    from composed import build
    from composed.command import check
    from composed.models.weights import load_weights

    check(config)
    task = build.text_task(config)
    model = build.model(config, task.tokenizer, seed=0)
    load_weights(run.checkpoints / "best.safetensors", model, vocabulary=task.tokenizer.hash)
    denoiser = build.denoiser(
        {**config, "denoiser": "store" if config["denoiser"] == "auto" else config["denoiser"]}, task
    )
    for split in task.tests:
        write_lines(run.predictions(split), predict(task, split, model, denoiser, beams=config["task"]["beams"]))


if __name__ == "__main__":
    sys.exit(main())
