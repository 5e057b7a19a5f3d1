"""The transformer's three answers agree with each other and with plain definitions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from composed.models.layers import Dropout
from composed.models.sequence import Draws, training_mode
from tests.toy_models import EOS, PAD, rows, sources, tiny


@pytest.fixture
def source() -> torch.Tensor:
    return sources()


def test_nll_is_the_sum_of_the_targets_log_probabilities(source):
    model, target = tiny(), rows([4, 5, EOS], [6, EOS], [7, 8, 9, EOS])
    scores = model.logits(source, target).log_softmax(-1)  # (B, T, V - EOS)
    expected = torch.zeros(len(target))
    for row in range(len(target)):
        for at, token in enumerate(target[row].tolist()):
            if token != PAD:
                expected[row] -= scores[row, at, token - EOS]
    torch.testing.assert_close(model.nll(source, target), expected)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6))
def test_pads_change_nothing(more_source: int, more_target: int):
    model, source, target = tiny(), rows([5, 6, EOS]), rows([4, 7, 8, EOS])
    wider = torch.nn.functional.pad(source, (0, more_source)), torch.nn.functional.pad(target, (0, more_target))
    torch.testing.assert_close(model.nll(*wider), model.nll(source, target))


def test_plain_products_give_what_the_fused_attention_gives(source):
    """float64 takes the plain products, float32 torch's kernel."""
    model, target = tiny(), rows([4, 5, EOS], [6, EOS], [7, 8, 9, EOS])
    fused = model.nll(source, target)
    torch.testing.assert_close(model.double().nll(source, target).float(), fused)


def test_the_log_probability_of_a_sample_is_its_teacher_forced_score():
    """Counts of 20,000 samples of at most 2 tokens against exp(-nll) of every row: within 5 standard errors."""
    model, source, draws = tiny(vocabulary=6), rows([5, EOS]), 20_000
    sampled = model.sample(source, draws, draws=Draws(max_length=2, generator=torch.Generator().manual_seed(1)))
    possible = [[EOS, PAD]] + [[first, second] for first in range(3, 6) for second in range(EOS, 6)]
    probabilities = (-model.nll(source, torch.tensor(possible))).exp()
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-5)
    for row, probability in zip(possible, probabilities.tolist(), strict=True):
        share = (sampled == torch.tensor(row)).all(1).double().mean().item()
        assert abs(share - probability) < 5 * (probability * (1 - probability) / draws) ** 0.5


def test_several_targets_per_source_share_its_encoding(source):
    model = tiny()
    target = rows([4, EOS], [5, 6, EOS], [7, EOS], [8, EOS], [9, 9, EOS], [10, EOS])
    torch.testing.assert_close(model.nll(source, target), model.nll(source.repeat_interleave(2, 0), target))


def test_label_smoothing_mixes_in_the_uniform_distribution():
    model, source, target = tiny(), rows([5, EOS]), rows([4, EOS])
    scores = model.logits(source, target)[0].log_softmax(-1)
    plain = -(scores[0, 4 - EOS] + scores[1, 0])
    uniform = -scores.mean(-1).sum()
    torch.testing.assert_close(model.nll(source, target, label_smoothing=0.2)[0], 0.8 * plain + 0.2 * uniform)


def test_rows_longer_than_the_position_table_work():
    model = tiny()
    long = torch.randint(3, 11, (1, 700), generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(model.nll(long, long)).all()


def test_dropout_is_off_in_eval_mode_and_on_in_training(source):
    model = tiny(dropout=0.5)
    target = rows([4, EOS], [5, EOS], [6, EOS])
    assert torch.equal(model.nll(source, target), model.nll(source, target))
    model.train()
    assert not torch.equal(model.nll(source, target), model.nll(source, target))


def test_dropout_keeps_the_mean_and_drops_the_share_it_should():
    torch.manual_seed(0)
    dropped = Dropout(0.3)(torch.ones(200_000))
    torch.testing.assert_close(dropped.unique(), torch.tensor([0.0, 1 / 0.7]), rtol=2**-14, atol=0.0)
    assert (dropped == 0).double().mean().item() == pytest.approx(0.3, abs=5 * (0.3 * 0.7 / 200_000) ** 0.5)
    assert torch.equal(Dropout(0.3).eval()(torch.ones(9)), torch.ones(9))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_dropout_drops_the_same_elements_of_the_gradient(dtype):
    states = torch.full((7, 11), 2.0, dtype=dtype, requires_grad=True)
    dropped = Dropout(0.5)(states)
    dropped.sum().backward()
    assert dropped.dtype == states.grad.dtype == dtype
    assert torch.equal(states.grad * 2, dropped)
    assert 0 < (dropped == 0).sum() < dropped.numel()


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_checkpointing_changes_no_gradient_and_keeps_less(source, precision):
    """Dropout draws the same elements again when a layer is run again."""
    model, target = tiny(dropout=0.3, layers=4).train(), rows([4, 5, 6, EOS], [7, 8, 9, EOS], [10, 4, 4, EOS])
    gradients, kept = [], []
    for model.checkpointing in (False, True):
        torch.manual_seed(0)
        model.zero_grad()
        saved: list[int] = []
        with (
            torch.autograd.graph.saved_tensors_hooks(lambda t, saved=saved: saved.append(t.numel()) or t, lambda t: t),
            torch.autocast("cpu", precision, enabled=precision == torch.bfloat16),
        ):
            loss = model.nll(source, target).sum()
        loss.backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
        kept.append(sum(saved))
    assert all(map(torch.equal, *gradients))
    assert kept[1] < 0.5 * kept[0]


def test_checkpointing_runs_a_layer_again_in_the_mode_of_its_first_run(source):
    """Estimators score samples without dropout; when the gradient is asked for, f is in training mode again."""
    model, target = tiny(dropout=0.3).train(), rows([4, 5, 6, EOS], [7, 8, 9, EOS], [10, 4, 4, EOS])
    gradients = []
    for model.checkpointing in (False, True):
        model.zero_grad()
        with training_mode(model, False):
            loss = model.nll(source, target).sum()
        loss.backward()
        assert all(module.training for module in model.modules())
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    assert all(map(torch.equal, *gradients))
