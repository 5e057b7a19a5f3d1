"""The penalty that holds a model near its start, against its formula; Fisher information against its definition."""

import pytest
import torch

from composed.models.anchor import Anchor, fisher
from tests import toys

PAIRS = toys.reversals(5, 0)
EXAMPLES = [(PAIRS.batch([row]).source, PAIRS.batch([row]).target) for row in range(5)]


def moved(model, by: float):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(by)
    return model


def test_the_penalty_is_half_the_weighted_squared_distance():
    model = toys.model()
    anchor = Anchor(model, 0.5)
    assert anchor.value(model) == 0
    count = sum(parameter.numel() for parameter in model.parameters())
    assert anchor.value(moved(model, 0.1)).item() == pytest.approx(0.5 / 2 * count * 0.01, rel=1e-4)


def test_its_gradient_pulls_back_by_importance():
    model = toys.model()
    importance = {
        name: torch.full_like(value, 3.0 if "encoder" in name else 0.0) for name, value in model.named_parameters()
    }
    anchor = Anchor(model, 2.0, importance)
    anchor.value(moved(model, 0.1)).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, torch.full_like(parameter, 0.6 if "encoder" in name else 0.0))


def test_fisher_is_the_mean_squared_gradient_scaled_to_a_mean_of_one():
    model = toys.model()
    found = fisher(model, EXAMPLES)
    model.eval()
    expected = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    for source, target in EXAMPLES:
        model.zero_grad()
        model.nll(source, target).sum().backward()
        for name, value in model.named_parameters():
            expected[name] += value.grad**2
    flat, wanted = (torch.cat([value.flatten() for value in each.values()]) for each in (found, expected))
    torch.testing.assert_close(flat, wanted / wanted.mean())
    assert flat.mean().item() == pytest.approx(1, rel=1e-4)


def test_fisher_leaves_the_model_as_it_was():
    model = toys.model().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fisher(model, EXAMPLES)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
