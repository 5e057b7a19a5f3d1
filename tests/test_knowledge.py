"""What models know of denoising, and how far f has moved from Pi: where it is known exactly."""

import copy
import math

import pytest
import torch
from torch import nn

from composed.datamodules.text import up_to_blanks
from composed.datamodules.tokenizers import train
from composed.models.adaptation import add_low_rank
from composed.models.transformer import Transformer
from composed.tasks.knowledge import Examination, distance, divergence

CLEAN = ["a b c d", "b c d", "c d e a b"]
NOISED = ["a c d", "b c d", "c e d a b"]
TOKENIZER = train("word", CLEAN, 50)


def transformer(seed: int) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(TOKENIZER.size, width=16, layers=2, heads=2, feedforward=32, dropout=0.0).eval()


@pytest.fixture
def asked() -> Examination:
    return Examination(CLEAN, NOISED, ["a b", "e"], TOKENIZER, 8, up_to_blanks)


def test_a_copy_of_the_denoiser_knows_what_it_knows_and_has_not_moved(asked):
    pi = transformer(0)
    f = copy.deepcopy(pi)
    assert asked.kept(f, pi) == {**asked.knowledge(pi), "divergence in nats": 0.0}
    assert distance(f, pi) == 0


def test_a_model_that_finds_all_tokens_alike_loses_the_logarithm_of_their_number(asked):
    """Of all but the pad, which is no output."""

    def token_nll(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return torch.full(target.shape, math.log(TOKENIZER.size - 1)).masked_fill(target == TOKENIZER.pad, 0.0)

    uniform = nn.Module()
    uniform.nll = lambda source, target: token_nll(source, target).sum(1)
    uniform.predict = lambda source, *, max_length: source
    found = asked.knowledge(uniform)
    assert found["loss in nats"] == pytest.approx(math.log(TOKENIZER.size - 1))
    assert found["repaired %"] == found["gold changed %"] == 0  # it returns what it is given


def test_the_loss_is_a_mean_over_the_tokens_of_the_clean_outputs_and_their_ends(asked):
    model, tokens, total = transformer(1), 0, 0.0
    for noised, clean in zip(NOISED, CLEAN, strict=True):
        source, target = (torch.tensor([[*TOKENIZER.encode(text), TOKENIZER.eos]]) for text in (noised, clean))
        total, tokens = total + model.nll(source, target).item(), tokens + target.numel()
    assert asked.knowledge(model)["loss in nats"] == pytest.approx(total / tokens, rel=1e-5)


def test_the_divergence_is_what_enumeration_says_and_zero_on_pads():
    f, pi = transformer(2), transformer(3)
    source = torch.tensor([[*TOKENIZER.encode("a c d"), TOKENIZER.eos]])
    target = torch.tensor([[*TOKENIZER.encode("a b c"), TOKENIZER.eos, TOKENIZER.pad]])
    found = divergence(f, pi, source, target)[0]
    for place in range(4):
        theirs, ours = (
            [-model.token_nll(source, torch.cat([target[:, :place], torch.tensor([[token]])], 1))[0, place].item()
             for token in range(TOKENIZER.size) if token not in (TOKENIZER.pad, TOKENIZER.bos)]
            for model in (pi, f)
        )  # fmt: skip
        expected = sum(math.exp(p) * (p - q) for p, q in zip(theirs, ours, strict=True))
        assert found[place].item() == pytest.approx(expected, rel=1e-4)
    assert found[4] == 0


def test_the_distance_is_a_share_of_the_length_of_the_denoisers_weights():
    pi = transformer(4)
    f = copy.deepcopy(pi)
    f.load_state_dict({name: 1.25 * value for name, value in pi.state_dict().items()})
    assert distance(f, pi) == pytest.approx(0.25, rel=1e-6)


def test_a_low_rank_update_counts_and_a_model_of_other_weights_has_no_distance():
    pi = transformer(5)
    f = copy.deepcopy(pi)
    add_low_rank(f, 2)
    assert distance(f, pi) == pytest.approx(0, abs=1e-7)
    up = next(value for name, value in f.named_parameters() if name.endswith("lora_up"))
    down = next(value for name, value in f.named_parameters() if name.endswith("lora_down"))
    with torch.no_grad():
        up.fill_(1.0)
        moved = (up @ down).double().square().sum().item()
    length = sum(float(value.double().square().sum()) for value in pi.state_dict().values())
    assert distance(f, pi) == pytest.approx((moved / length) ** 0.5, rel=1e-5)
    assert distance(nn.Linear(2, 3), pi) is None
    assert (
        distance(Transformer(TOKENIZER.size + 1, width=16, layers=2, heads=2, feedforward=32, dropout=0.0), pi) is None
    )


def test_where_there_are_no_outputs_to_corrupt_gold_ones_alone_are_asked_for():
    nothing = Examination([], [], ["a b"], TOKENIZER, 8, up_to_blanks)
    f = transformer(6)
    assert nothing.kept(f, transformer(7)).keys() == {"corrupted", "gold", "gold changed %"}


def test_the_answer_is_the_same_for_any_share_of_the_work(asked, monkeypatch):
    model = transformer(8)
    alone = asked.knowledge(model)

    def share(pieces, work):
        return [result for piece in pieces for result in work([piece])]

    monkeypatch.setattr("composed.system.processes.share", share)
    assert asked.knowledge(model) == alone
