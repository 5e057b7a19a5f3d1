"""How often the intervals hold the truth: simulated right and wrong answers, whose true rates have a closed form.

A latent normal number, the sum of effects of row, replicate, example and rest, is above 0 where an answer is right. So
a row's true rate is Phi(mean / standard deviation of the sum), whatever the parts are.
"""

import math
import statistics

import numpy as np
import pytest

from composed.reporting.statistics import estimate_crossed, pooled

TABLES = 2000  # simulated in each case: of 95 in 100, the standard error is 0.5
LEAST, MOST = 0.93, 0.97
NORMAL = statistics.NormalDist()


def answers(
    rng: np.random.Generator, size: tuple[int, int], means: list[float], parts: dict[str, float], *, crossed: bool
) -> tuple[list[np.ndarray], list[float]]:
    """Of a table, for each row outcomes (R, E), 0 or 100, and the true rates.

    parts: standard deviations; `shared` ones are those of all rows, the others of each row.
    """
    replicates, examples = size
    per_example = (1 if crossed else replicates, examples)
    shared = rng.normal(0, parts["shared replicate"], (replicates, 1))
    shared = shared + rng.normal(0, parts["shared example"], per_example)
    rows = []
    for mean in means:
        latent = mean + shared + rng.normal(0, parts["replicate"], (replicates, 1))
        latent = latent + rng.normal(0, parts["example"], per_example) + rng.normal(0, 1, size)
        rows.append(100.0 * (latent > 0))
    scale = math.sqrt(1 + sum(part**2 for part in parts.values()))
    return rows, [100 * NORMAL.cdf(mean / scale) for mean in means]


def coverage(size: tuple[int, int], means: list[float], parts: dict[str, float], *, crossed: bool) -> float:
    """The share of tables whose interval holds the truth: of the only row, or of the difference of two."""
    rng = np.random.default_rng([size[0], size[1], len(means), crossed, *(round(100 * p) for p in parts.values())])
    held = 0
    for _ in range(TABLES):
        rows, truths = answers(rng, size, means, parts, crossed=crossed)
        outcomes, truth = (rows[0], truths[0]) if len(rows) == 1 else (rows[0] - rows[1], truths[0] - truths[1])
        by_replicate = dict(enumerate(outcomes))
        values = {replicate: float(of.mean()) for replicate, of in by_replicate.items()}
        found = pooled(values, by_replicate, crossed=crossed)
        held += abs(found.mean - truth) <= found.half_width
    return held / TABLES


PARTS = {  # standard deviations beside a rest of 1; of 100 right answers, 0.1 is 2 to 3
    "replicates differ by chance alone": (0.0, 0.0, 1.0, 0.3),
    "replicates differ a little": (0.05, 0.05, 1.0, 0.3),
    "replicates differ by points": (0.1, 0.1, 1.0, 0.5),
    "examples differ much": (0.1, 0.05, 2.5, 0.5),
}
NAMES = ("shared replicate", "replicate", "shared example", "example")


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("replicates", [3, 5])
@pytest.mark.parametrize("crossed", [False, True], ids=["own examples", "the same examples"])
@pytest.mark.parametrize("means", [[0.4], [0.5, 0.3]], ids=["a row", "a difference"])
def test_95_of_100_intervals_hold_the_truth(means, crossed, replicates, name) -> None:
    parts = dict(zip(NAMES, PARTS[name], strict=True))
    assert LEAST <= coverage((replicates, 100), means, parts, crossed=crossed) <= MOST


def test_the_spread_over_replicates_alone_would_hold_it_too_rarely_on_the_same_examples() -> None:
    """What the estimator is for: without the component of the examples, most of the spread is missing."""
    parts = dict(zip(NAMES, PARTS["examples differ much"], strict=True))
    rng = np.random.default_rng(0)
    held = {"replicates alone": 0, "both": 0}
    for _ in range(500):
        (outcomes,), (truth,) = answers(rng, (5, 150), [0.4], parts, crossed=True)
        values = dict(enumerate(outcomes.mean(1)))
        for name, found in (("replicates alone", pooled(values, {})), ("both", estimate_crossed(outcomes))):
            held[name] += abs(found.mean - truth) <= found.half_width
    assert held["replicates alone"] < 400
    assert held["both"] > 450
