import numpy as np
import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from composed.judges.images import FUNCTIONS, MEASURES, NORM, Ratio, mse, score, sharpness, ssim, stroke_iou


@pytest.fixture
def target() -> np.ndarray:
    images = -np.ones((4, 32, 32))
    images[:, 8:24, 12:18] = 1
    images[2:, 8:12, 6:26] = 1
    return images


def blurred(images: np.ndarray) -> np.ndarray:
    return sum(np.roll(images, shift, axis) for shift in (-1, 0, 1) for axis in (1, 2)) / 6


def test_a_perfect_prediction_is_perfect_in_every_measure(target):
    assert {name: of(target, target).value for name, of in FUNCTIONS.items()} == pytest.approx(
        {"MSE": 0, "SSIM": 1, "stroke IoU": 1, "sharpness": 1}
    )
    assert [measure.name for measure in MEASURES] == [*FUNCTIONS, NORM]


def test_a_blur_is_worse_in_every_measure_but_keeps_the_strokes(target):
    soft = blurred(target)
    assert mse(soft, target).value > 0
    assert ssim(soft, target).value < 1
    assert sharpness(soft, target).value < 0.7
    assert stroke_iou(soft, target).value > 0.8


def test_ssim_is_that_of_torchmetrics(target):
    rng = np.random.default_rng(0)
    noisy = np.clip(target + rng.normal(0, 0.4, target.shape), -1, 1)
    theirs = structural_similarity_index_measure(
        torch.from_numpy(noisy)[:, None], torch.from_numpy(target)[:, None], data_range=2.0
    )
    assert ssim(noisy, target).value == pytest.approx(theirs.item(), rel=1e-6)


def test_mse_and_stroke_iou_by_hand():
    target, predicted = -np.ones((1, 2, 2)), -np.ones((1, 2, 2))
    target[0, 0] = 1
    predicted[0, :, 0] = 0.5
    assert mse(predicted, target).value == pytest.approx((0.25 + 4 + 2.25 + 0) / 4)
    assert stroke_iou(predicted, target).value == pytest.approx(1 / 3)
    assert stroke_iou(-np.ones((1, 2, 2)), -np.ones((1, 2, 2))).value == 1


def test_scores_of_a_file_are_the_measures_of_its_outputs(target, tmp_path):
    pixels = ((target + 1) * 127.5).astype(np.uint8)
    labels = np.array([[n, 0] for n in range(4)])
    base = blurred(target).astype(np.float16)
    for name, written in (("one", labels), ("other", labels + 1)):
        np.savez(tmp_path / f"{name}.npz", target=pixels, labels=written, base=base)
    scores = score({"test": tmp_path / "one.npz"}, norm=2.5)
    measured = scores.values["base"]["test"]
    assert [*scores.values] == ["base"]
    assert [*measured] == [measure.name for measure in scores.measures]
    assert measured["MSE"] == mse(base.astype(float), pixels / 127.5 - 1).value
    assert measured[NORM] == 2.5
    assert scores.examples == {"test": 4}
    assert scores.tests == score({"test": tmp_path / "one.npz"}, norm=0.0).tests
    assert scores.tests != score({"test": tmp_path / "other.npz"}, norm=2.5).tests


def test_outcomes_of_faces_are_as_many_as_faces_and_their_mean_is_the_value(target, tmp_path):
    labels = np.array([[0, 7], [1, 7], [2, 7], [0, 3]])
    base = blurred(target).astype(np.float16)
    np.savez(tmp_path / "one.npz", target=((target + 1) * 127.5).astype(np.uint8), labels=labels, base=base)
    scores = score({"test": tmp_path / "one.npz"}, norm=2.5)
    outcomes = scores.outcomes["base"]["test"]
    assert {name: len(of) for name, of in outcomes.items()} == dict.fromkeys(FUNCTIONS, 2)
    for name, of in outcomes.items():
        assert np.mean(of) == pytest.approx(scores.values["base"]["test"][name])


def test_outcomes_of_a_ratio_have_the_spread_of_the_ratio():
    """Against a bootstrap of whole groups of images."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(80), 5)
    below = rng.gamma(4, 1, 400)
    above = below * np.repeat(rng.normal(1, 0.3, 80), 5) + rng.normal(0, 0.2, 400)
    ratio = Ratio(above, below)
    of_groups = np.array([above.reshape(80, 5).sum(1), below.reshape(80, 5).sum(1)])
    drawn = of_groups[:, rng.integers(80, size=(4000, 80))].sum(2)
    outcomes = ratio.outcomes(groups)
    assert np.std(outcomes, ddof=1) / 80**0.5 == pytest.approx((drawn[0] / drawn[1]).std(), rel=0.05)
    equal = Ratio(above, np.ones(400)).outcomes(np.arange(400))
    assert equal == pytest.approx(above)
