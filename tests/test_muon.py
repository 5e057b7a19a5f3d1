"""Muon is torch's, matrix by matrix, though it takes those of one shape together; and AdamW's part is AdamW's."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from composed.errors import ConfigError, Interrupted
from composed.models.adaptation import add_adapters, add_low_rank
from composed.models.muon import COEFFICIENTS, STEPS, Muon, hidden_matrices, orthogonalised
from composed.tasks.module import OTHERS, Stage, Training
from tests import toys
from tests.test_training import fit, last, same

SHAPES = [(8, 12), (12, 8), (8, 8), (12, 8), (8, 8), (1, 5), (6, 6)]
SETTINGS: dict[str, Any] = {"lr": 0.03, "momentum": 0.9, "weight_decay": 0.1, "betas": (0.8, 0.95)}


def torchs(parameters: list[Tensor]) -> torch.optim.Muon:
    of_muon = {name: SETTINGS[name] for name in ("lr", "momentum", "weight_decay")}
    return torch.optim.Muon([*parameters], adjust_lr_fn="match_rms_adamw", **of_muon)


def set_gradients(parameters: list[Tensor], update: int) -> None:
    generator = torch.Generator().manual_seed(update)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def weights(shapes: list[tuple[int, int]]) -> list[Tensor]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(shape)) for shape in shapes]


@pytest.fixture(params=[(torch.bfloat16, 1e-2), (torch.float32, 1e-5)], ids=["bf16", "fp32"])
def precision(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Ours, and what may differ, as a share of the longest way that a weight has gone; torch's own is always bf16."""
    dtype, tolerance = request.param
    if dtype == torch.float32:
        monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    return {"dtype": dtype, "tolerance": tolerance}


def check_same_ways(ours: list[Tensor], theirs: list[Tensor], starts: list[Tensor], tolerance: float) -> None:
    for one, other, start in zip(ours, theirs, starts, strict=True):
        longest = float((other - start).detach().abs().max())
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * longest)


def test_several_updates_are_those_of_torchs_muon(precision):
    ours, theirs, rest, theirs_of_rest = (weights(SHAPES) for _ in range(4))
    groups = [{"params": ours, "blocks": 1}, {"params": rest, "blocks": 0}]
    muon = Muon(groups, precision=precision["dtype"], **SETTINGS)
    peers = [torchs(theirs), torch.optim.AdamW(theirs_of_rest, 0.03, (0.8, 0.95), weight_decay=0.1, fused=True)]
    for update in range(6):
        for parameters in (ours, theirs, rest, theirs_of_rest):
            set_gradients(parameters, update)
        for optimizer in (muon, *peers):
            for group in optimizer.param_groups:
                group["lr"] = 0.03 / (1 + update)
            optimizer.step()
    check_same_ways(ours, theirs, weights(SHAPES), precision["tolerance"])
    assert same(rest, theirs_of_rest)


def test_a_weight_of_two_matrices_is_updated_as_the_two(precision):
    theirs = weights([(8, 12), (8, 12)])
    both = nn.Parameter(torch.cat([value.detach() for value in theirs]))
    starts = both.detach().clone()
    muon = Muon([{"params": [both], "blocks": 2}], precision=precision["dtype"], **SETTINGS)
    peer = torchs(theirs)
    for update in range(3):
        set_gradients(theirs, update)
        both.grad = torch.cat([value.grad for value in theirs])  # type: ignore[misc]
        muon.step()
        peer.step()
    check_same_ways([both], [torch.cat(theirs)], [starts], precision["tolerance"])


def test_singular_values_become_alike():
    values = torch.linspace(0.002, 1.0, 1000, dtype=torch.float64)
    values = torch.cat([(1 - values**2).sqrt()[:, None], values[:, None]], 1)  # of norm 1
    made = orthogonalised(torch.diag_embed(values)).diagonal(dim1=1, dim2=2)[values >= 0.002]
    assert made.min() > 0.68
    assert made.max() < 1.21


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 5), st.integers(0, 2**31))
def test_singular_vectors_stay_and_singular_values_go_through_the_polynomial(rows, more, seed):
    torch.manual_seed(seed)
    matrices = torch.randn(3, rows, rows + more, dtype=torch.float64)
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    values = values / values.norm(dim=1, keepdim=True)
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        values = a * values + b * values**3 + c * values**5
    torch.testing.assert_close(orthogonalised(matrices), left @ torch.diag_embed(values) @ right)


def test_nothing_comes_of_a_gradient_of_zeros_or_of_none():
    still, moved = weights([(4, 4), (4, 4)])
    muon = Muon([{"params": [still, moved], "blocks": 1}], **{**SETTINGS, "weight_decay": 0.0})
    still.grad, moved.grad = None, torch.zeros(4, 4)
    before = [value.detach().clone() for value in (still, moved)]
    muon.step()
    assert same(before, [still.detach(), moved.detach()])


def test_hidden_matrices_are_those_of_attention_and_feed_forward():
    model = toys.model()
    parts = ["encoder.0.attention", "decoder.0.attention", "decoder.0.cross"]
    expected = {f"{part}.{name}.weight": 1 for part in parts for name in ("query", "out")}
    expected |= {f"{part}.key_value.weight": 2 for part in parts}
    expected |= {f"{s}.0.feed_forward.{n}.weight": 1 for s in ("encoder", "decoder") for n in ("inner", "outer")}
    assert hidden_matrices(model) == expected
    add_adapters(model, 4)
    named = {name.replace("feed_forward.0", "feed_forward") for name in hidden_matrices(model)}
    assert named == expected.keys()
    add_low_rank(model, 2)
    assert not {name for name, _ in model.named_parameters()} & hidden_matrices(model).keys()


def test_where_no_hidden_matrix_learns_it_is_refused():
    stages = [Stage(1.0, {"embedding": 1.0, "norm": 1.0, OTHERS: 0.0})]
    with pytest.raises(ConfigError, match=r"optim=muon: of the weights of linear layers .* use optim=adam"):
        Training(toys.model(), toys.optim(momentum=0.95), seed=0, stages=stages)


@pytest.mark.parametrize("update", [1, 4, 9])
def test_a_stopped_training_ends_bit_identical_to_an_uninterrupted_one(tmp_path, stop_at, monkeypatch, update):
    stages = [Stage(0.67, {"decoder": 0.0, "encoder": 0.5}), Stage(0.33, {"feed_forward": 2.0})]
    changes: dict[str, Any] = {"momentum": 0.95, "accumulate": 2, "clip": 0.5, "weight_decay": 0.1}
    changes |= {"objective": {"stages": stages}, "train": [toys.reversals(40, 0)] * 2}
    fit(tmp_path / "whole", **changes)
    with monkeypatch.context() as patches:
        patches.setattr("composed.training.recorder.say", lambda _line: None)
        stop_at(update)
        with pytest.raises(Interrupted):
            fit(tmp_path / "parts", **changes)
    monkeypatch.undo()
    assert last(tmp_path / "parts")["updates"] == update + 1
    fit(tmp_path / "parts", **changes)
    assert same(last(tmp_path / "whole"), last(tmp_path / "parts"))


def test_factors_of_the_rate_scale_what_an_update_adds(tmp_path):
    once: dict[str, Any] = {"updates": 1, "validate_every": 1, "warmup": 0, "momentum": 0.95, "weight_decay": 0.0}
    rates = {"encoder.0.feed_forward": 0.0, "decoder.0.feed_forward": 0.5}
    start = toys.model().state_dict()
    ends = [
        fit(tmp_path / str(number), objective={"stages": [Stage(1.0, factors)]}, **once)[0].model.state_dict()
        for number, factors in enumerate(({}, rates))
    ]
    for name, value in start.items():
        plain, scaled = (end[name] - value for end in ends)
        factor = next((rates[part] for part in rates if part in name), 1.0)
        torch.testing.assert_close(scaled, factor * plain, rtol=1e-3, atol=1e-6)
        assert plain.any()
