"""Decoding: each token as the whole rows would give it, whatever rows finish, grow or round."""

import pytest
import torch

from composed.models import native
from composed.models.adaptation import add_adapters, add_low_rank
from composed.models.decoding import ROOM, Decoding, beam_search, draw, trim
from composed.models.sequence import Draws
from tests.toy_models import BOS, EOS, PAD, rows, sources, tiny


@pytest.fixture
def source() -> torch.Tensor:
    return sources()


@pytest.fixture(params=["compiled", "torch"])
def engine(request, monkeypatch) -> None:
    if request.param == "torch":
        monkeypatch.setattr(native, "applies", lambda model: False)
    elif native.load() is None:
        pytest.skip("no compiled decoding: apt-get install g++")


@pytest.mark.parametrize(
    "adapt", [lambda _model: None, lambda model: add_low_rank(model, 2), lambda m: add_adapters(m, 3)]
)
def test_cached_steps_give_the_uncached_scores(source, adapt):
    model, target = tiny(), rows([4, 5, 6, EOS], [7, 8, 9, EOS], [10, 4, 4, EOS])
    adapt(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name or "adapter_" in name:
                parameter.normal_(std=0.3)
        state, expected = Decoding.start(model, model.encode(source), 1), model.logits(source, target)
        token = torch.full((3,), BOS)
        for at in range(target.shape[1]):
            torch.testing.assert_close(state.step(token, at), expected[:, at])
            token = target[:, at]


def test_bf16_steps_stay_within_its_rounding(source):
    """Scores of a few units: bf16 keeps 8 bits, and the residual stream, norms and output stay in float32."""
    model, target = tiny(width=64), rows([4, 5, 6, EOS], [7, 8, 9, EOS], [10, 4, 4, EOS])
    with torch.no_grad():
        expected = model.logits(source, target)
        with torch.autocast("cpu", torch.bfloat16):
            state, forced = Decoding.start(model, model.encode(source), 1), model.logits(source, target)
        token = torch.full((3,), BOS)
        for at in range(target.shape[1]):
            scores = state.step(token, at)
            assert scores.dtype == torch.float32
            torch.testing.assert_close(scores, expected[:, at], rtol=0.0, atol=0.05)
            token = target[:, at]
    torch.testing.assert_close(forced, expected, rtol=0.0, atol=0.05)
    assert expected.std() > 0.5


def test_decoding_goes_on_past_its_first_room():
    model, long = tiny(seed=6), torch.randint(3, 11, (2, 2 * ROOM + 5), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        state, expected = Decoding.start(model, model.encode(long), 1), model.logits(long, long)
        token = torch.full((2,), BOS)
        for at in range(long.shape[1]):
            torch.testing.assert_close(state.step(token, at), expected[:, at], rtol=1e-4, atol=1e-5)
            token = long[:, at]


def test_samples_of_a_source_do_not_depend_on_which_rows_finish_first(source, engine):
    """Finished rows leave the batch: greedy decoding of each source alone gives the same rows."""
    model = tiny(seed=3)
    together = model.predict(source, max_length=40)
    for row in range(len(source)):
        alone = model.predict(source[row : row + 1, : int((source[row] != PAD).sum())], max_length=40)
        mine = together[row][: alone.shape[1]]
        assert torch.equal(mine, alone[0])
        assert (together[row][alone.shape[1] :] == PAD).all()


def test_every_sampled_row_ends_once_or_is_full(source, engine):
    drawn = tiny(seed=2).sample(source, 20, draws=Draws(max_length=12, generator=torch.Generator().manual_seed(0)))
    assert len(drawn) == 60
    for row in drawn.tolist():
        length = len([token for token in row if token != PAD])
        assert row[length:] == [PAD] * (len(row) - length)
        assert row[:length].count(EOS) == (1 if length < drawn.shape[1] or row[length - 1] == EOS else 0)
        assert EOS not in row[: length - 1]
        assert BOS not in row


def test_the_same_generator_gives_the_same_samples(source, engine):
    model = tiny()
    first, second = (
        model.sample(source, 3, draws=Draws(max_length=9, generator=torch.Generator().manual_seed(7))) for _ in range(2)
    )
    assert torch.equal(first, second)


def test_a_beam_of_one_is_greedy(source):
    model = tiny(seed=4)
    searches = (beam_search, native.beam_search) if native.applies(model) else (beam_search,)
    with torch.no_grad():
        for search in searches:
            beam = trim(search(model, model.encode(source), 1, 6), PAD)
            assert torch.equal(beam, model.predict(source, max_length=6))


def test_a_full_beam_finds_the_best_row(engine):
    model, source = tiny(vocabulary=6, seed=4), rows([5, 4, EOS])
    possible = [[EOS, PAD]] + [[first, EOS] for first in range(3, 6)]
    scores = -model.nll(source, torch.tensor(possible)) / torch.tensor([1.0, 2, 2, 2])
    unfinished = [[first, second] for first in range(3, 6) for second in range(3, 6)]
    scores = torch.cat([scores, -model.nll(source, torch.tensor(unfinished)) / 2])
    best = [*possible, *unfinished][int(scores.argmax())]
    found = model.predict(source, max_length=2, beams=30)[0].tolist()
    assert found + [PAD] * (2 - len(found)) == best


def test_beam_search_scores_at_least_as_well_as_greedy(source, engine):
    model = tiny(seed=5)

    def score(rows: torch.Tensor) -> torch.Tensor:
        return model.nll(source, rows) / (rows != PAD).sum(1)

    greedy, beam = model.predict(source, max_length=8), model.predict(source, max_length=8, beams=5)
    assert (score(beam) <= score(greedy) + 1e-5).all()


def test_a_draw_never_takes_what_is_impossible():
    scores = torch.full((5000, 7), -torch.inf)
    scores[:, [1, 4]] = torch.tensor([0.0, 30.0])
    numbers = torch.rand(5000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert set(draw(scores, numbers).tolist()) <= {1, 4}
