"""A denoiser of another vocabulary judges the text of what it reads, however it is spelled."""

import pytest
import torch

from composed.models.composition import Composition, fingerprint, freeze
from composed.models.estimators import rloo, vimco
from composed.models.sequence import Draws, Specials
from composed.models.translation import Translated
from tests.toy_models import EOS, rows, sources, tiny

SHIFT = 20  # outside, an id is this much more; the eos stays


def there(row):
    return [token if token == EOS else token - SHIFT for token in row]


def back(row):
    return [token if token == EOS else token + SHIFT for token in row]


def outside(inside: torch.Tensor) -> torch.Tensor:
    return torch.where(inside > EOS, inside + SHIFT, inside)


@pytest.fixture
def pi():
    return freeze(tiny(seed=1))


@pytest.fixture
def translated(pi) -> Translated:
    return Translated(pi, there, back, Specials(), 12)


def test_it_answers_what_the_model_does_of_the_same_text(pi, translated):
    source, target = sources(), rows([4, 5, EOS], [6, EOS], [7, 8, 9, EOS])
    assert torch.equal(translated.nll(outside(source), outside(target)), pi.nll(source, target))
    assert torch.equal(translated.nll(translated.encode(outside(source)), outside(target)), pi.nll(source, target))
    assert torch.equal(translated.predict(outside(source), max_length=12), outside(pi.predict(source, max_length=12)))
    generators = (torch.Generator().manual_seed(3) for _ in range(2))
    sampled, expected = (
        model.sample(given, 2, draws=Draws(max_length=12, generator=generator))
        for model, given, generator in zip((translated, pi), (outside(source), source), generators, strict=True)
    )
    assert torch.equal(sampled, outside(expected))
    assert translated.predict(outside(source), max_length=2).shape[1] <= 2


def test_two_spellings_of_a_text_are_one_text():
    """Outside, 7 7 and 8 are the same text; the model knows the shorter spelling alone."""
    pi = freeze(tiny(seed=1))
    join = Translated(pi, lambda row: [8, EOS] if tuple(row) in ((7, 7, EOS), (8, EOS)) else row, list, Specials(), 9)
    long, short, target = rows([7, 7, EOS]), rows([8, EOS]), rows([5, EOS])
    assert torch.equal(join.nll(long, target), join.nll(short, target))
    assert torch.equal(join.nll(target, long), join.nll(target, short))


@pytest.mark.parametrize("estimator", [rloo(3), vimco(3)])
def test_f_learns_through_it_as_through_a_model_of_its_own_vocabulary(pi, estimator):
    """Pi's words are f's in another order; the model with its embeddings in f's order is the same denoiser."""
    order = [0, 1, 2, 7, 5, 3, 10, 9, 4, 8, 6]
    same = tiny(seed=1)
    with torch.no_grad():
        same.embedding.weight.copy_(pi.embedding.weight[order])
    gradients = []
    for denoiser in (freeze(same), Translated(pi, lambda row: [order[token] for token in row], list, Specials(), 9)):
        f, before = tiny(seed=2), fingerprint(denoiser.parameters())
        target = rows([4, 5, EOS], [6, EOS], [7, 8, 9, EOS])
        generator = torch.Generator().manual_seed(5)
        loss = estimator.surrogate(f, denoiser, sources(), target, draws=Draws(max_length=8, generator=generator))
        loss.sum().backward()
        gradients.append([loss.detach(), *(parameter.grad for parameter in f.parameters())])
        assert all(parameter.grad is None for parameter in denoiser.parameters())
        assert fingerprint(denoiser.parameters()) == before
    torch.testing.assert_close(*gradients)


def test_the_composition_speaks_the_ids_outside(pi, translated):
    f = tiny(seed=2, vocabulary=11 + SHIFT)
    said = outside(rows([4, 5, EOS], [6, EOS]))
    denoised = Composition(f, translated).denoise(said, max_length=9)
    assert torch.equal(denoised, outside(pi.predict(rows([4, 5, EOS], [6, EOS]), max_length=9)))
