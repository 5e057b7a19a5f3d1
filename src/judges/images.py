"""Measures of predicted images against their targets; several, since a faint haze alone turns the order of some.

Images are (N, S, S) arrays from -1 (black) to 1 (ink). NumPy alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composed.judges import interface
from composed.judges.interface import Predictions
from composed.judges.scores import OUTPUTS, Measure, Scores, digest

Images = NDArray[np.floating]


@dataclass(frozen=True)
class Ratio:
    """A measure as sum(above) / sum(below), a number of each image in both (N,); a mean where `below` is 1."""

    above: NDArray[np.floating]
    below: NDArray[np.floating]

    @property
    def value(self) -> float:
        return float(self.above.sum() / self.below.sum())

    def outcomes(self, groups: NDArray[np.integer]) -> list[float]:
        """Of each of the G groups of images, which `groups` (N,) tells, a number whose mean is the value.

        The ratio's linear part (Cochran 1977, chapter 6): value + G (above - value below) / sum(below), summed over the
        group. So their spread is that of the value, over groups that stay whole.
        """
        _, places = np.unique(groups, return_inverse=True)
        shifts = np.bincount(places, self.above - self.value * self.below)
        return [float(value) for value in self.value + shifts * len(shifts) / self.below.sum()]


def _mean(numbers: NDArray[np.floating]) -> Ratio:
    return Ratio(numbers, np.ones_like(numbers))


def mse(predicted: Images, target: Images) -> Ratio:
    """Mean squared error per pixel, the paper's measure."""
    return _mean(np.square(predicted - target).mean((1, 2)))


def ssim(predicted: Images, target: Images) -> Ratio:
    """Structural similarity (Wang et al. 2004): Gaussian window of 11 pixels, sigma 1.5, reflected border."""
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    taps /= taps.sum()
    window = np.stack([np.convolve(row, taps, mode="valid") for row in np.eye(target.shape[-1] + 10)], 1)  # (S, S + 10)

    def blurred(images: Images) -> Images:
        return window @ np.pad(images, ((0, 0), (5, 5), (5, 5)), mode="reflect") @ window.T

    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2  # of a range of 2
    mean_p, mean_t = blurred(predicted), blurred(target)
    var_p = blurred(predicted**2) - mean_p**2
    var_t = blurred(target**2) - mean_t**2
    covariance = blurred(predicted * target) - mean_p * mean_t
    ratio = (2 * mean_p * mean_t + c1) * (2 * covariance + c2)
    return _mean((ratio / ((mean_p**2 + mean_t**2 + c1) * (var_p + var_t + c2))).mean((1, 2)))


def stroke_iou(predicted: Images, target: Images) -> Ratio:
    """Intersection over union of the pixels that are more ink than not, mean over the images."""
    ours, theirs = predicted > 0, target > 0
    union = (ours | theirs).sum((1, 2))
    both = (ours & theirs).sum((1, 2))
    return _mean(np.where(union == 0, 1.0, both / np.maximum(union, 1)))


def sharpness(predicted: Images, target: Images) -> Ratio:
    """Sum of squared differences between neighbours over that of the targets: 1 is as sharp as they are."""

    def edges(images: Images) -> NDArray[np.floating]:
        return np.sum([np.square(np.diff(images, axis=axis)).sum((1, 2)) for axis in (1, 2)], axis=0)

    return Ratio(edges(predicted), edges(target))


FUNCTIONS: dict[str, Callable[[Images, Images], Ratio]] = {
    "MSE": mse,
    "SSIM": ssim,
    "stroke IoU": stroke_iou,
    "sharpness": sharpness,
}
NORM = "L2 norm of f"
MEASURES = (
    Measure("MSE", "lower"),
    Measure("SSIM", "higher"),
    Measure("stroke IoU", "higher"),
    Measure("sharpness"),  # noise is sharp too
    Measure(NORM, "lower"),
)


class Judge(interface.Judge):
    """By the distance of images from their targets."""

    def score(self, predictions: Predictions) -> Scores:
        paths = {test: predictions.arrays(test) for test in predictions.tests}
        return score(paths, predictions.facts["norm"])


def score(predictions: Mapping[str, Path], norm: float) -> Scores:
    """Every measure of every output in the files of NumPy that hold the predictions of each test set.

    A file has `target`, pixels (N, S, S) from 0 to 255, `labels` (N, 2), character and face, and the outputs, (N, S, S)
    from -1 to 1. `norm` is that of f's parameters. Outcomes are of faces, whose glyphs are alike.
    """
    values: dict[str, dict[str, dict[str, float]]] = {}
    outcomes: dict[str, dict[str, dict[str, list[float]]]] = {}
    examples, tests = {}, {}
    for test, path in predictions.items():
        with np.load(path) as saved:
            arrays = {name: saved[name] for name in saved.files}
        target, faces = arrays["target"] / 127.5 - 1, arrays["labels"][:, 1]
        for output in OUTPUTS:
            if output in arrays:
                ratios = {
                    name: measure(arrays[output].astype(np.float64), target) for name, measure in FUNCTIONS.items()
                }
                measured = {name: ratio.value for name, ratio in ratios.items()}
                values.setdefault(output, {})[test] = {**measured, NORM: norm}
                of_faces = {name: ratio.outcomes(faces) for name, ratio in ratios.items()}
                outcomes.setdefault(output, {})[test] = of_faces
        examples[test] = len(target)
        tests[test] = digest(arrays["labels"].tobytes() + arrays["target"].tobytes())
    return Scores(MEASURES, values, examples, tests, exhibit="glyphs", outcomes=outcomes)
