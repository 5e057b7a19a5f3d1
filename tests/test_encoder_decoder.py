"""What an `EncoderDecoder` tells once, by a model that answers as little as it has to: the one of docs/adding.md."""

from types import ModuleType

import pytest
import torch
from torch import Tensor

from composed.models.encoder_decoder import EncoderDecoder
from composed.models.sequence import Draws
from tests.enumerable import LONGEST, OUTPUTS, PAD, SOURCE, VOCABULARY
from tests.test_docs import ROOT, blocks

[SHOWN] = [text for _, title, text in blocks(ROOT / "docs" / "adding.md") if title == "src/models/gru.py"]


@pytest.fixture(scope="module")
def model() -> EncoderDecoder:
    module = ModuleType("gru")
    exec(compile(SHOWN, "src/models/gru.py", "exec"), vars(module))
    torch.manual_seed(0)
    return module.Gru(VOCABULARY, width=8).eval()


@torch.no_grad()
def log_probabilities(model: EncoderDecoder, row: int) -> Tensor:
    """Of every output, of one source."""
    source = SOURCE[row][SOURCE[row] != PAD][None]
    return -model.nll(source, OUTPUTS)


def test_the_probabilities_of_all_outputs_add_up_to_1(model):
    for row in range(len(SOURCE)):
        assert log_probabilities(model, row).exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_samples_are_drawn_by_these_probabilities(model):
    count = 4000
    uniforms = torch.rand(len(SOURCE) * count, LONGEST, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rows = model.sample(SOURCE, count, draws=Draws(LONGEST, uniforms))
    for row, drawn in enumerate(rows.unflatten(0, (len(SOURCE), count))):
        shares = (drawn[:, None] == OUTPUTS).all(2).float().mean(0)
        chances = log_probabilities(model, row).exp()
        assert shares.sum().item() == pytest.approx(1)
        assert ((shares - chances).abs() < 5 * (chances * (1 - chances) / count).sqrt()).all()


def test_beams_that_hold_every_output_end_in_the_one_that_is_likeliest_per_token(model):
    best = model.predict(SOURCE, max_length=LONGEST, beams=len(OUTPUTS))
    for row, predicted in enumerate(best):
        per_token = log_probabilities(model, row) / (OUTPUTS != PAD).sum(1)
        expected = OUTPUTS[per_token.argmax()]
        assert predicted.tolist() == expected[: len(predicted)].tolist()
        assert (expected[len(predicted) :] == PAD).all()


@pytest.mark.parametrize("beams", [1, 3])
def test_nothing_is_decoded_of_no_source_and_of_no_token(model, beams):
    assert model.predict(SOURCE, max_length=0, beams=beams).shape == (len(SOURCE), 0)
    assert len(model.predict(SOURCE[:0], max_length=3, beams=beams)) == 0
