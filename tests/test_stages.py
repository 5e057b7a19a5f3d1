"""Schedules, stages and the further terms of the loss: which parameters learn when, how fast, and from what."""

import json
from pathlib import Path

import pytest
import torch

from composed.errors import ConfigError
from composed.models.anchor import Anchor
from composed.tasks.module import OTHERS, Stage, Training
from composed.training.recorder import Interrupted
from tests import toys
from tests.test_training import composed_term, fit, last, same


def test_the_learning_rate_follows_its_schedule():
    optim = toys.optim(updates=100, warmup=10, lr=1.0, initial_lr=0.0)
    assert [optim.rate(update) for update in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert optim.rate(55) == pytest.approx(0.5)
    inverse = toys.optim(updates=100, warmup=10, lr=1.0, decay="inverse_sqrt")
    assert inverse.rate(39) == pytest.approx(0.5)
    assert toys.optim(decay="constant").rate(11) == 3e-3


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return last(folder)["model"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.3, [0.3] * 10),
        ([(0.65, 0.2), (0.2, 0.1), (0.15, 0)], [0.2] * 7 + [0.1] * 2 + [0]),
        ([(1 / 3, 0.2)] * 3, [0.2] * 10),
    ],
)
def test_label_smoothing_takes_its_steps(value, expected):
    settings = toys.optim(updates=10, label_smoothing=value)
    assert [settings.smoothing(update) for update in range(10)] == expected


def test_a_stage_trains_what_its_rates_say_and_the_next_one_the_rest(tmp_path):
    stages = [Stage(0.5, {"encoder": 0.0}), Stage(0.5)]
    start = toys.model().state_dict()
    task, _ = fit(tmp_path / "both", updates=8, objective={"stages": stages})
    assert task.starts == [0, 4]
    fit(tmp_path / "first", updates=4, warmup=2, objective={"stages": [stages[0]]})
    for name, value in weights(tmp_path / "first").items():
        assert torch.equal(value, start[name]) == ("encoder" in name), name
    assert not any(torch.equal(value, start[name]) for name, value in weights(tmp_path / "both").items())


def test_a_rate_of_zero_in_every_stage_is_no_parameter_of_the_optimizer(tmp_path):
    task, _ = fit(tmp_path, updates=4, objective={"stages": [Stage(1.0, {"embedding": 1, OTHERS: 0})]})
    learned = {name for name, value in task.model.named_parameters() if value.requires_grad}
    assert learned == {"embedding.weight"}
    assert len(last(tmp_path)["optimizer"]["state"]) == 1


def test_a_factor_scales_the_learning_rate(tmp_path):
    """One update of Adam moves every weight by its learning rate, whatever the gradient."""
    settings = {"updates": 1, "validate_every": 1, "warmup": 0, "model": toys.model(dropout=0.0)}
    start = {name: value.clone() for name, value in settings["model"].state_dict().items()}
    task, _ = fit(tmp_path, objective={"stages": [Stage(1.0, {"decoder": 0.1})]}, **settings)
    moved = {name: (value - start[name]).abs().max().item() for name, value in weights(tmp_path).items()}
    assert moved["decoder.0.feed_forward.inner.weight"] == pytest.approx(task.optim.rate(0) * 0.1, rel=0.02)
    assert moved["encoder.0.feed_forward.inner.weight"] == pytest.approx(task.optim.rate(0), rel=0.02)


def test_no_parameter_that_learns_is_refused():
    with pytest.raises(ConfigError, match="no parameter"):
        Training(toys.model(), toys.optim(), seed=0, stages=[Stage(1.0, {OTHERS: 0})])


def test_stages_have_their_shares_and_one_schedule():
    task = Training(
        toys.model(), toys.optim(updates=40, warmup=4), seed=0, stages=[Stage(0.3), Stage(0.03), Stage(0.67)]
    )
    plain = Training(toys.model(), toys.optim(updates=40, warmup=4), seed=0)
    assert task.starts == [0, 12, 13]
    assert [task.stage(update) for update in (0, 11, 12, 39)] == [0, 0, 1, 2]
    assert [task.rate(update) for update in range(40)] == [plain.rate(update) for update in range(40)]


def test_a_stage_without_an_update_is_named():
    with pytest.raises(ConfigError, match=r"stage 2 of 3 has a share of 0\.01 of 8 updates, which is none"):
        Training(toys.model(), toys.optim(updates=8), seed=0, stages=[Stage(0.5), Stage(0.01), Stage(0.49)])


def test_a_stage_ends_between_two_validations_and_a_resumed_training_does_not_notice(tmp_path, stop_at):
    """Each update sees the pairs of its stage, whatever part of the way to the next validation it is."""
    stages = {"stages": [Stage(0.25), Stage(0.375), Stage(0.375)]}
    pairs = [toys.reversals(40, seed) for seed in (0, 9, 5)]
    task, _ = fit(tmp_path / "whole", updates=8, train=pairs, objective=stages)
    assert (task.starts, task.optim.validate_every) == ([0, 2, 5], 4)
    for name, changed in (("first", 0), ("second", 1), ("third", 2)):
        others = [*pairs[:changed], toys.reversals(40, 77), *pairs[changed + 1 :]]
        fit(tmp_path / name, updates=8, train=others, objective=stages)
        assert not same(weights(tmp_path / name), weights(tmp_path / "whole"))
    stop_at(3)
    with pytest.raises(Interrupted):
        fit(tmp_path / "parts", updates=8, train=pairs, objective=stages)
    fit(tmp_path / "parts", updates=8, train=pairs, objective=stages)
    assert same(last(tmp_path / "parts"), last(tmp_path / "whole"))


def test_each_stage_learns_its_own_pairs(tmp_path):
    """The second stage of two sees other rows than it would with the pairs of the first."""
    stages = {"stages": [Stage(0.5), Stage(0.5)]}
    one, other = toys.reversals(40, 0), toys.reversals(40, 9)
    for name, train in (("same", [one, one]), ("other", [one, other]), ("again", [one, other])):
        fit(tmp_path / name, updates=8, train=train, objective=stages)
    rows = {
        name: [
            json.loads(line)["loss"]
            for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()
            if '"training"' in line
        ]
        for name in ("same", "other")
    }
    assert weights(tmp_path / "other").keys() == weights(tmp_path / "same").keys()
    assert same(last(tmp_path / "other"), last(tmp_path / "again"))
    assert not same(weights(tmp_path / "other"), weights(tmp_path / "same"))
    assert rows["same"][: len(rows["same"]) // 2] == rows["other"][: len(rows["other"]) // 2]


def test_the_denoising_loss_is_its_own_mean_over_tokens(tmp_path):
    """With the base loss at weight 0, training on the denoising pairs beside others is training on them alone."""
    noise = toys.reversals(30, 2)
    fit(
        tmp_path / "beside",
        denoising=noise,
        objective={"base_weight": 0.0, "denoising_weight": 1.0},
        model=toys.model(dropout=0.0),
    )
    fit(tmp_path / "alone", train=[noise], model=toys.model(dropout=0.0))
    for name, value in weights(tmp_path / "alone").items():
        torch.testing.assert_close(weights(tmp_path / "beside")[name], value, rtol=1e-3, atol=1e-5)


def test_an_anchor_holds(tmp_path):
    start = torch.cat([value.detach().flatten() for value in toys.model().parameters()])

    def distance(weight: float) -> float:
        model = toys.model()
        anchor = Anchor(model, weight)
        fit(tmp_path / str(weight), model=model, objective={"penalties": [anchor]}, updates=24)
        return float((torch.cat([value.detach().flatten() for value in model.parameters()]) - start).norm())

    assert distance(100.0) < 0.5 * distance(0.0)


def test_lambda_goes_from_its_start_to_its_end_once_the_composed_term_has_joined():
    task = Training(
        toys.model(),
        toys.optim(updates=11),
        seed=0,
        base_weight=1.0,
        base_weight_end=0.0,
        term=composed_term(after=5),
    )
    assert [task.base_weight(update) for update in (0, 5, 10)] == pytest.approx([1.0, 1.0, 0.0])
    assert task.base_weight(6) == pytest.approx(0.8)
    constant = Training(toys.model(), toys.optim(), seed=0, base_weight=0.7)
    assert constant.base_weight(0) == constant.base_weight(11) == 0.7
