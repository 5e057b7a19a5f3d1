"""Run folders as the training command leaves them, made by hand for the tests of the report."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from composed.config.identity import seeds_of
from composed.judges.programs import Judge
from composed.judges.scores import Measure
from composed.judges.shares import CPP, STRICT_REMARK, measures_of

MEASURES = measures_of(CPP, strict=True)
CLASSES = tuple(dict.fromkeys(CPP.values()))
METHOD, REMARK = Judge.method, f"{STRICT_REMARK} {Judge.remark}"

Counts = Mapping[str, Mapping[str, Mapping[str, int]]]


def counts(base: tuple[int, int], composition: tuple[int, int] | None = None, n: int = 100) -> Counts:
    """Counts per output with (ID, OOD) correct programs of n; the others print something wrong."""

    def splits(correct: tuple[int, int]) -> dict[str, dict[str, int]]:
        pairs = zip(("id", "ood"), correct, strict=True)
        return {split: {"n": n, "correct": right, "wrong_output": n - right} for split, right in pairs}

    return {"base": splits(base)} | ({"composition": splits(composition)} if composition else {})


def shares(counted: Mapping[str, int]) -> dict[str, float]:
    """The per cent of each class of programs."""
    numbers = {name: sum(counted.get(word, 0) for word, of in CPP.items() if of == name) for name in CLASSES}
    return {name: 100 * number / counted["n"] for name, number in numbers.items()}


def of_programs(counted: Counts) -> dict[str, Any]:
    """What a result says of programs with these verdicts."""
    values = {output: {split: shares(of) for split, of in splits.items()} for output, splits in counted.items()}
    examples = {split: of["n"] for split, of in counted["base"].items()}
    return {
        **measured(values, examples, [measure for measure in MEASURES if measure.part]),
        "noun": "programs",
        "method": METHOD,
        "remark": REMARK,
        "exhibit": Judge.exhibit,
        "verdicts": counted,
    }


def measured(values: Mapping[str, Any], examples: Mapping[str, int], measures: Sequence[Measure]) -> dict[str, Any]:
    """What a result says of these values."""
    return {
        "measures": [dataclasses.asdict(measure) for measure in measures],
        "values": values,
        "examples": examples,
        "tests": {},
        "outcomes": {},
        "noun": "examples",
        "method": "",
        "remark": "",
        "exhibit": "",
    }


def write_run(
    folder: Path,
    mode: str = "composed",
    replicate: int = 0,
    counted: Counts | None = None,
    config: Mapping[str, Any] | None = None,
    **result: Any,
) -> Path:
    """A finished run; `result` replaces entries of result.json. Its seeds are what `config` says."""
    folder.mkdir(parents=True)
    settings = {"task": {"name": "sanstype"}, "finetuning": {"name": mode}, **drawn(replicate)} | dict(config or {})
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    entries = {
        "task": "sanstype",
        "title": "SansType, quick profile: programs of at most 2 variables and 2 extra rounds",
        "profile": "quick",
        "finetuning": mode,
        "replicate": settings.get("replicate", replicate),
        "seeds": seeds_of(settings),
        "predict_through": "denoiser" if mode.startswith("composed") else None,
        "config_key": f"key of {mode}",
        "updates": 1200,
        "best": {"update": 900, "selection": 0.5},
        "seconds": {"training": 210.1, "evaluation": 30.2},
        "quality": {},
        "kept": {},
        **({} if "values" in result else of_programs(counted or counts((50, 30), (60, 40)))),
    }
    (folder / "result.json").write_text(json.dumps(entries | result, indent=1))
    return folder


def drawn(replicate: int) -> dict[str, int]:
    """What a config says of a replicate."""
    return {"replicate": replicate, "seed": replicate}


def write_sweep(top: Path) -> Path:
    """Baseline, standard and composed with the replicates 0, 1, 2; the numbers are those that the tests expect."""
    correct = {
        "baseline": [((30, 10), (36, 12)), ((32, 12), (38, 15)), ((34, 11), (40, 12))],
        "standard": [((50, 22), (53, 23)), ((51, 25), (53, 26)), ((49, 22), (52, 22))],
        "composed": [((48, 20), (59, 24)), ((50, 22), (58, 29)), ((46, 21), (57, 25))],
    }
    for mode, replicates in correct.items():
        for replicate, (base, composition) in enumerate(replicates):
            write_run(top / f"{mode}-{replicate}", mode, replicate, counts(base, composition))
    return top


def write_predictions(folder: Path, split: str, examples: list[dict[str, tuple[str, str]]], source: str) -> None:
    """Predictions and verdicts: per example {output: (text, verdict)}."""
    predictions, verdicts = [], []
    for number, outputs in enumerate(examples):
        for output, (text, verdict) in outputs.items():
            identity = f"{number}-{output}"
            predictions.append(
                {
                    "id": identity,
                    "example": number,
                    "output": output,
                    "source": source,
                    "target": "",
                    "text": text,
                }
            )
            verdicts.append({"id": identity, "verdict": verdict})
    for name, lines in (("predictions", predictions), ("verdicts", verdicts)):
        (folder / f"{name}-{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
