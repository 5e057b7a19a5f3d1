"""Our transformer, and fairseq's, as transformers' Pegasus: the same scores, losses and rows, from its file too."""

from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from transformers import AutoModelForSeq2SeqLM

from composed.models.fairseq_weights import FAIRSEQ_POSITIONS, OUR_POSITIONS, ImportedWeights
from composed.models.huggingface import HuggingFace
from composed.models.huggingface_weights import pegasus
from composed.models.sequence import Specials
from composed.models.transformer import Transformer, with_fairseq_positions

VOCABULARY = 23
SETTINGS = {
    **{"width": 16, "layers": 2, "heads": 4, "feedforward": 20},
    **{"dropout": 0.3, "attention_dropout": 0.2, "activation_dropout": 0.1},
}
SOURCE = torch.tensor([[5, 9, 4, 2], [7, 2, 0, 0], [3, 3, 2, 0]])
TARGET = torch.tensor([[8, 2, 0, 0, 0], [6, 11, 4, 9, 2], [22, 5, 3, 2, 0]])


@pytest.fixture(params=[OUR_POSITIONS, FAIRSEQ_POSITIONS])
def ours(request) -> tuple[Transformer, ImportedWeights]:
    torch.manual_seed(3)
    model = {OUR_POSITIONS: Transformer, FAIRSEQ_POSITIONS: with_fairseq_positions}[request.param](
        VOCABULARY, **SETTINGS
    ).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # norms and biases count, too
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model, ImportedWeights(request.param, SETTINGS, model.state_dict())


@pytest.fixture
def folder(ours, tmp_path) -> Path:
    model, found = ours
    pegasus(found, model.specials, positions=30, max_length=12).save_pretrained(tmp_path)
    return tmp_path


def test_scores_and_losses_are_ours(ours, folder):
    model, theirs = ours[0], AutoModelForSeq2SeqLM.from_pretrained(folder)
    assert not theirs.training
    real = TARGET != 0
    given = theirs(input_ids=SOURCE, attention_mask=(SOURCE != 0).long(), labels=TARGET.masked_fill(~real, -100))
    torch.testing.assert_close(given.logits[real][:, 2:], model.logits(SOURCE, TARGET)[real])
    assert given.logits[..., :2].eq(-torch.inf).all()
    torch.testing.assert_close(given.loss, model.nll(SOURCE, TARGET).sum() / real.sum())


def test_generate_writes_the_rows_that_predict_writes(ours, folder):
    model, theirs = ours[0], AutoModelForSeq2SeqLM.from_pretrained(folder)
    rows = theirs.generate(input_ids=SOURCE, attention_mask=(SOURCE != 0).long())
    assert rows[:, 0].eq(model.specials.bos).all()
    assert torch.equal(rows[:, 1:], model.predict(SOURCE, max_length=12))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_a_model_to_go_on_with(ours, folder, smoothing):
    """As `model=huggingface` it has our loss, smoothed or not, and its gradients for all but the positions."""
    model = ours[0]
    theirs = HuggingFace(VOCABULARY, name=str(folder), specials=Specials(), dropout=0.0).eval()
    mine, its = (each.nll(SOURCE, TARGET, label_smoothing=smoothing) for each in (model, theirs))
    torch.testing.assert_close(its, mine)
    mine.sum().backward()
    its.sum().backward()
    mine, its = model.embedding.weight.grad, theirs.embedding.weight.grad
    torch.testing.assert_close(its[1:], mine[1:], atol=1e-4, rtol=1e-4)
    constant = {name for name, parameter in theirs.named_parameters() if not parameter.requires_grad}
    assert {name.rpartition("model.")[2] for name in constant} == {
        "encoder.embed_positions.weight",
        "decoder.embed_positions.weight",
    }
    for name, parameter in theirs.named_parameters():
        assert parameter.grad is None if name in constant else torch.isfinite(parameter.grad).all()


def test_its_dropouts_are_those_of_the_settings(folder):
    config = AutoModelForSeq2SeqLM.from_pretrained(folder).config
    assert [config.dropout, config.attention_dropout, config.activation_dropout] == [0.3, 0.2, 0.1]
