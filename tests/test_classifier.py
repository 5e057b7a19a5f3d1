"""The classifier learns what needs the denoiser, and a composition asks it."""

import pytest
import torch

from composed.models.classifier import Classifier
from composed.models.composition import Composition
from tests.toys import EOS, PAD, VOCABULARY, model

ROWS = torch.tensor([[4, 5, EOS, PAD], [4, 5, 6, EOS], [7, EOS, PAD, PAD]])


@pytest.fixture
def classifier() -> Classifier:
    return Classifier(model(dropout=0.0)).eval()


def test_only_the_source_counts_and_not_its_pads_or_company(classifier):
    alone = torch.cat([classifier(row[row != PAD][None]) for row in ROWS])
    assert torch.allclose(classifier(ROWS), alone, atol=1e-5)


def test_the_loss_is_that_of_whether_source_and_target_differ(classifier):
    """Permuted ids differ too, and pads do not."""
    targets = torch.tensor([[4, 5, EOS, PAD, PAD], [5, 4, 6, EOS, PAD], [7, 8, EOS, PAD, PAD]])
    odds = classifier(ROWS)
    expected = -torch.stack([(-odds[0]).sigmoid().log(), odds[1].sigmoid().log(), odds[2].sigmoid().log()])
    assert torch.allclose(classifier.nll(ROWS, targets), expected, atol=1e-6)


def test_it_learns_which_rows_were_changed():
    """Rows that hold the id 4 were changed, others were not."""
    torch.manual_seed(0)
    classifier = Classifier(model(dropout=0.0))
    sources = torch.randint(5, VOCABULARY, (64, 5))
    sources[::2, 2] = 4
    sources[:, -1] = EOS
    targets = sources.masked_fill(sources == 4, 5)
    optimizer = torch.optim.Adam(classifier.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        classifier.nll(sources, targets).mean().backward()
        optimizer.step()
    assert ((classifier(sources) > 0) == (sources == 4).any(1)).all()


class Says:
    """Stands for a model that predicts given rows, or a classifier that gives given log-odds."""

    def __init__(self, answer: torch.Tensor) -> None:
        self.answer = answer
        self.specials = model().specials

    def predict(self, source, *, max_length, beams):
        return self.answer

    def __call__(self, source):
        assert ((source == EOS).sum(1) == 1).all()
        return self.answer


@pytest.mark.parametrize(
    ("above", "taken"), [(0.0, [True, True, True]), (0.5, [False, True, True]), (0.9, [False, False, True])]
)
def test_the_denoiser_is_taken_where_the_probability_is_above(above, taken):
    denoised = torch.tensor([[9, EOS], [9, 9], [9, EOS]])
    odds = torch.tensor([-1.0, 1.0, 5.0])
    composition = Composition(Says(ROWS), Says(denoised), Says(odds), above)  # type: ignore[arg-type]
    rows = composition.predict(ROWS, max_length=4)
    for row, base, other, took in zip(rows, ROWS, denoised, taken, strict=True):
        assert row[row != PAD].tolist() == (other if took else base)[(other if took else base) != PAD].tolist()


def test_without_a_classifier_the_denoiser_is_taken_everywhere():
    denoised = torch.tensor([[9, EOS]] * 3)
    assert Composition(Says(ROWS), Says(denoised)).predict(ROWS, max_length=4) is denoised  # type: ignore[arg-type]
