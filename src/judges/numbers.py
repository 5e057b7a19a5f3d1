"""Measures of predicted staircases: how far and how often they are wrong, and how complex the network is."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from composed.judges import interface
from composed.judges.interface import Predictions
from composed.judges.scores import OUTPUTS, Measure, Scores, digest

MEASURES = tuple(Measure(name, "lower") for name in ("error", "wrong steps, %", "complexity", "turns"))


class Judge(interface.Judge):
    """By the distance of numbers from their targets."""

    def score(self, predictions: Predictions) -> Scores:
        return score({test: predictions.rows(test) for test in predictions.tests})


def score(predictions: Mapping[str, Sequence[Mapping[str, Any]]]) -> Scores:
    """Each measure as a mean over the staircases; `extra` has those of each, `staircases[test]`.

    A row is a staircase: `staircase`, `complexity` and `turns` of its network, `x`, `target`, `base` and `composition`
    at the same points.
    """
    single = {test: [_entry(row) for row in rows] for test, rows in predictions.items()}
    values = {
        output: {
            test: {
                measure.name: sum(entry[output].get(measure.name, entry.get(measure.name)) for entry in entries)
                / len(entries)
                for measure in MEASURES
            }
            for test, entries in single.items()
        }
        for output in OUTPUTS
    }
    examples = {test: len(entries) for test, entries in single.items()}
    tests = {test: _digest(rows) for test, rows in predictions.items()}
    return Scores(MEASURES, values, examples, tests, {"staircases": single})


def _entry(row: Mapping[str, Any]) -> dict[str, Any]:
    """In single precision, as the networks compute."""
    target = np.array(row["target"], np.float32)  # (N,)
    entry = {name: row[name] for name in ("staircase", "complexity", "turns")}
    for output in OUTPUTS:
        predicted = np.array(row[output], np.float32)
        wrong = np.mean(predicted.round() != target, dtype=np.float32)
        entry[output] = {"error": float(np.square(predicted - target).mean()), "wrong steps, %": 100 * float(wrong)}
    return entry


def _digest(rows: Sequence[Mapping[str, Any]]) -> str:
    return digest(json.dumps([[row["staircase"], row["x"], row["target"]] for row in rows]).encode())
