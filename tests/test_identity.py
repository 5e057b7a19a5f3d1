"""The denoiser that repairs nothing: a distribution, and a loss that counts the tokens of samples that differ."""

import math

import pytest
import torch

from composed.config.command_line import check_command_line
from composed.errors import ConfigError
from composed.experiment.run import run as train_run
from composed.models.composition import Composition
from composed.models.estimators import rloo
from composed.models.identity import Identity
from composed.models.sequence import Draws, Specials
from composed.system.files import read_json, read_lines
from tests.enumerable import EOS, PAD, SOURCE, TARGET, VOCABULARY, model
from tests.test_configs import config

SPECIALS = Specials(PAD, 1, EOS, 3)
WRONG = 0.1


@pytest.fixture
def identity() -> Identity:
    return Identity(VOCABULARY, SPECIALS, wrong=WRONG)


def cost(sample: list[int], target: list[int]) -> float:
    """By hand."""
    total = 0.0
    for place, token in enumerate(target):
        if token == PAD:
            continue
        if place >= len(sample) or sample[place] == PAD:
            total += math.log(VOCABULARY - 1)
        else:
            total -= math.log(1 - WRONG if sample[place] == token else WRONG / (VOCABULARY - 2))
    return total


def test_what_it_says_of_a_token_adds_up_to_one(identity):
    source = torch.tensor([[EOS, PAD]])
    outputs = [token for token in range(VOCABULARY) if token != PAD]
    for place in (0, 1):  # within the source, and beyond it
        rows = torch.tensor([[token if at == place else EOS for at in (0, 1)] for token in outputs])
        probabilities = (-identity.token_nll(source, rows)[:, place]).exp()
        assert probabilities.sum().item() == pytest.approx(1.0)


def test_the_composed_loss_is_the_mean_cost_of_the_tokens_of_f_s_samples(identity):
    f, k, length = model(0), 5, 6
    draws = Draws(length, torch.rand((len(SOURCE) * k, length), dtype=torch.float64, generator=torch.manual_seed(3)))
    value = rloo(samples=k, cap=None, entropy=0.0).surrogate(f, identity, SOURCE, TARGET, draws=draws)
    samples = f.sample(SOURCE, k, draws=draws).view(len(SOURCE), k, -1)
    for got, rows, target in zip(value.tolist(), samples.tolist(), TARGET.tolist(), strict=True):
        ended = [row if EOS in row else [*row, EOS] for row in rows]  # as Pi reads what was cut off
        assert got == pytest.approx(sum(cost(row, target) for row in ended) / k, rel=1e-5)


def test_it_writes_what_it_reads_so_that_pi_of_f_is_f(identity):
    f = model(0)
    rows = f.predict(SOURCE, max_length=6)
    assert torch.equal(Composition(f, identity).denoise(rows, max_length=7)[:, : rows.shape[1]], rows)
    assert not list(identity.parameters())


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["estimator=gumbel"], "reads the tokens of f's samples; valid is estimator=rloo or"),
        (["task=fonts", "estimator=pathwise"], "f cannot start from the denoiser|not for task=fonts"),
    ],
)
def test_where_there_is_no_text_or_no_sample_it_is_refused(words, answer):
    with pytest.raises(ConfigError, match=answer):
        check_command_line(["finetuning=composed_identity", *words])


def test_a_run_goes_through_it_and_predicts_with_the_denoiser(tmp_path):
    """Its validation loss is that of what f writes, though it has no parameters that say where it is."""
    words = ["profile=smoke", "logger=csv", "finetuning=composed_identity", f"runs={tmp_path}/runs"]
    words += [f"task.data={tmp_path}/data", f"store={tmp_path}/store"]
    folder = train_run(config(*words), words)
    rows = [row for row in read_lines(folder.metrics) if row["split"] == "validation"]
    assert rows[-1]["selection"] == rows[-1]["composed_loss"] != rows[-1]["loss"]
    assert read_json(folder.result)["values"].keys() == {"base", "composition"}
