"""What a finished run says: result.json, written and read here alone."""

import dataclasses
import json
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from composed.errors import DataError
from composed.judges.scores import Better, Measure, Scores
from composed.system.files import read_json, write_json

NAMES = {"mode": "finetuning"}  # of fields, where the file calls them otherwise


@dataclass(frozen=True)
class Result:
    """The numbers of a run, and what of it they are.

    title: task, profile, and what the training says of its data.
    mode: the name of its fine-tuning.
    predict_through: "denoiser" where the mode predicts with Pi(f(x)), else None.
    replicate: which of several whole experiments it belongs to.
    seeds: those that shape it, by their keys in the config; they are the replicate where nobody chose others.
    config_key: the same for runs that differ in their seeds alone.
    updates: of fine-tuning.
    best: the `update` of the weights that were selected, and the loss on which they were, `selection`.
    seconds: what each step took.
    quality: how good Pi is, by names that say the unit; none without a Pi.
    kept: what f still knows of what Pi knows, by such names.
    """

    task: str
    title: str
    profile: str
    mode: str
    replicate: int
    seeds: Mapping[str, int]
    predict_through: str | None
    config_key: str
    updates: int
    best: Mapping[str, float]
    seconds: Mapping[str, float]
    scores: Scores
    quality: Mapping[str, float] = field(default_factory=dict)
    kept: Mapping[str, float] = field(default_factory=dict)

    @property
    def own_output(self) -> str:
        """The output that is the mode's prediction."""
        return "composition" if self.predict_through == "denoiser" else "base"

    @property
    def seed(self) -> int:
        """Of fine-tuning."""
        return self.seeds["seed"]

    def to_json(self) -> dict[str, Any]:
        """As the file holds it: one mapping; what the judge knows beyond the numbers is last, by its own names."""
        scores = {field.name: getattr(self.scores, field.name) for field in dataclasses.fields(Scores)}
        extra = scores.pop("extra")
        scores["outcomes"] = _mapped(_written, self.scores.outcomes)
        scores["measures"] = [dataclasses.asdict(measure) for measure in self.scores.measures]
        return {**{_name(field): getattr(self, field) for field in FIELDS}, **scores, **extra}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], path: Path) -> "Result":
        """Raises DataError, with the command that writes `path` again, where `content` is not what `to_json` gives."""
        try:
            known = {field.name: content[field.name] for field in dataclasses.fields(Scores) if field.name != "extra"}
            known["measures"] = [Measure(**measure) for measure in content["measures"]]
            known["outcomes"] = _mapped(_read, content["outcomes"])
            names = {*map(_name, FIELDS), *known}
            scores = Scores(**known, extra={name: value for name, value in content.items() if name not in names})
            result = cls(**{field: content[_name(field)] for field in FIELDS}, scores=scores)
            _check(result, path)
        except (KeyError, TypeError, AttributeError, ValueError, ZeroDivisionError) as error:
            problem = f"no entry {error}" if isinstance(error, KeyError) else str(error)
            again = shlex.quote(str(path.parent))
            raise DataError(f"{path}: {problem}; write it again with `composed-evaluate {again}`") from error
        return result

    @classmethod
    def read(cls, path: Path) -> "Result":
        """Raises DataError where there is none, or it is damaged."""
        return cls.from_json(read_json(path), path)

    def write(self, path: Path) -> None:
        write_json(path, self.to_json())


KINDS: dict[str, Any] = {
    **dict.fromkeys(("task", "title", "profile", "mode", "config_key"), str),
    **dict.fromkeys(("replicate", "updates"), int),
    **dict.fromkeys(("best", "seconds", "seeds", "quality", "kept"), dict),
    "predict_through": str | None,
}
FIELDS = [field.name for field in dataclasses.fields(Result) if field.name != "scores"]


def _name(field: str) -> str:
    return NAMES.get(field, field)


def _mapped(change: Callable[[Any], Any], outcomes: Mapping[str, Any]) -> dict[str, Any]:
    """Outcomes by output, test set and measure, each list of numbers changed."""
    return {
        output: {
            test: {name: change(inner) for name, inner in by_measure.items()} for test, by_measure in by_test.items()
        }
        for output, by_test in outcomes.items()
    }


def _written(numbers: Sequence[float]) -> str:
    """In one line of the file: a digit each, 1 for 100, where all are 0 or 100; else a list."""
    if {*numbers} <= {0, 100}:
        return "".join("1" if number else "0" for number in numbers)
    return json.dumps([float(f"{number:.7g}") for number in numbers])


def _read(text: str) -> list[float]:
    if text.startswith("["):
        return [float(number) for number in json.loads(text)]
    return [{"0": 0.0, "1": 100.0}[digit] for digit in text]


def _check(result: Result, path: Path) -> None:
    """Raises DataError, ValueError, KeyError or TypeError where the numbers cannot be those of one run."""
    scores = result.scores
    if not all(isinstance(result.seeds.get(key), int) for key in ("seed", *result.seeds)):
        raise ValueError("no seed of fine-tuning, or a seed that is no whole number")
    if wrong := [_name(name) for name, kind in KINDS.items() if not isinstance(getattr(result, name), kind)]:
        raise ValueError(f"{', '.join(wrong)} of another kind")
    if odd := [measure for measure in scores.measures if measure.better not in get_args(Better)]:
        raise ValueError(f"{odd[0].name}: {odd[0].better!r} is no better side")
    if not scores.values[result.own_output] or not all(count > 0 for count in scores.examples.values()):
        raise DataError(f"{path}: it was tested on nothing; train again on data with a test set")
    for output, of_output in scores.values.items():
        if of_output.keys() != scores.examples.keys():
            raise ValueError(f"values.{output} is of other test sets than examples")
        for test, values in of_output.items():
            numbers = [float(values[measure.name]) for measure in scores.measures]
            parts = [n for n, measure in zip(numbers, scores.measures, strict=True) if measure.part]
            if parts and not math.isclose(math.fsum(parts), 100):
                raise ValueError(f"values.{output}.{test}: the shares add up to {math.fsum(parts):g}, not to 100")
            for name, outcomes in scores.outcomes.get(output, {}).get(test, {}).items():
                rounding = 1e-6 * max(map(abs, outcomes))
                if not math.isclose(math.fsum(outcomes) / len(outcomes), values[name], rel_tol=1e-6, abs_tol=rounding):
                    raise ValueError(f"outcomes.{output}.{test}: their mean is not the {name} of values")
    if not all(isinstance(test, str) for test in scores.tests.values()):
        raise ValueError("tests is not a digest of each test set")
