"""fairseq's own transformer answers as ours does: with the same weights, the same numbers. Skipped without fairseq."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from composed.cli import export
from composed.config.command_line import check_command_line
from composed.errors import ConfigError
from composed.models.composition import fingerprint, freeze
from composed.models.estimators import rloo
from composed.models.fairseq_weights import ImportedWeights, read, write
from composed.models.relaxations import straight_through
from composed.models.sequence import Draws
from composed.models.transformer import with_fairseq_positions

CHECKPOINT = Path(__file__).parent / "fairseq" / "checkpoint.pt"
SIZES = {"width": 16, "layers": 2, "heads": 2, "feedforward": 32}
DROPOUTS = ("dropout", "attention_dropout", "activation_dropout")
VOCABULARY = 40
needs_fairseq = pytest.mark.skipif(find_spec("fairseq") is None, reason="fairseq is not installed: make fairseq")


def make(**settings):
    from composed.models.fairseq_transformer import FairseqTransformer

    torch.manual_seed(0)
    return FairseqTransformer(VOCABULARY, **SIZES, **settings)


def rows(count: int, length: int, seed: int) -> torch.Tensor:
    """Random rows of different lengths that end in `eos`."""
    random = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, VOCABULARY, (count, length), generator=random)
    for row, end in enumerate(torch.randint(1, length, (count,), generator=random).tolist()):
        ids[row, end], ids[row, end + 1 :] = 2, 0
    ids[0], ids[0, -1] = ids[0].clamp(min=3), 2
    return ids


@pytest.fixture
def twins():
    """fairseq's model, and ours with its weights."""
    theirs = make().eval()
    ours = with_fairseq_positions(VOCABULARY, **SIZES).eval()
    ours.load_state_dict(theirs.as_ours())
    return theirs, ours


@needs_fairseq
def test_scores_are_those_of_its_export_to_transformers(twins):
    pytest.importorskip("transformers")
    from composed.models.huggingface_weights import pegasus

    found = ImportedWeights(
        "transformer_fairseq_positions", {**SIZES, **dict.fromkeys(DROPOUTS, 0.0)}, twins[0].as_ours()
    )
    exported = pegasus(found, twins[0].specials, positions=20, max_length=5)
    source, target = rows(4, 9, 1), rows(4, 7, 2)
    scores = exported(input_ids=source, attention_mask=(source != 0).long(), labels=target).logits[..., 2:]
    torch.testing.assert_close(scores[target != 0], twins[0].logits(source, target)[target != 0])


@needs_fairseq
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_are_those_of_our_transformer_with_its_weights(twins, smoothing):
    source, target = rows(4, 9, 1), rows(8, 7, 2)  # two targets of a source
    mine, its = (model.token_nll(source, target, label_smoothing=smoothing) for model in twins)
    torch.testing.assert_close(mine, its)
    assert mine[target == 0].eq(0).all()


@needs_fairseq
def test_scores_and_soft_sources_too(twins):
    source, target = rows(4, 9, 1), rows(4, 7, 2)
    torch.testing.assert_close(*(model.logits(source, target) for model in twins))
    soft = torch.rand(4, 9, VOCABULARY - 2) * (source != 0)[..., None]
    torch.testing.assert_close(*(model.nll(soft, target) for model in twins))


@needs_fairseq
def test_samples_greedy_rows_and_beams_too(twins):
    source, numbers = rows(4, 9, 1), torch.rand(12, 20, dtype=torch.float64)
    for ask in (
        lambda model: model.sample(source, 3, draws=Draws(max_length=20, uniforms=numbers)),
        lambda model: model.predict(source, max_length=20),
        lambda model: model.predict(source, max_length=20, beams=3),
    ):
        assert torch.equal(*map(ask, twins))


@needs_fairseq
def test_the_log_probability_of_a_sample_is_its_nll(twins):
    """The incremental state answers as teacher forcing does, also after rows have left the batch."""
    model, source, pad = twins[0], rows(4, 9, 1), 0
    drawn = model.sample(source, 5, draws=Draws(max_length=30, uniforms=torch.rand(20, 30, dtype=torch.float64)))
    state, token, total = model.begin(model.encode(source), 5), torch.full((20,), 1), torch.zeros(20)
    with torch.no_grad():
        for at in range(drawn.shape[1]):
            chosen = drawn[:, at]
            logs = state.step(token, at).log_softmax(-1).gather(1, (chosen - 2).clamp(min=0)[:, None])[:, 0]
            total, token = total + logs * (chosen != pad), chosen
        torch.testing.assert_close(-total, model.nll(source, drawn), rtol=1e-5, atol=1e-4)


@needs_fairseq
def test_a_source_is_encoded_once(twins):
    model, calls = twins[0], []
    model.encoder.register_forward_hook(lambda *_: calls.append(1))
    encoded = model.encode(rows(4, 9, 1))
    model.sample(encoded, 2, draws=Draws(max_length=5))
    model.nll(encoded, rows(8, 7, 2))
    model.predict(model.encode(encoded), max_length=5)
    assert len(calls) == 1


@needs_fairseq
@pytest.mark.parametrize("estimator", [rloo(2), straight_through()])
def test_f_learns_through_a_frozen_one_that_stays(estimator):
    base, pi = make(dropout=0.2).train(), freeze(make(dropout=0.2))
    before = fingerprint(pi.parameters())
    pi.train()
    assert not any(module.training for module in pi.modules())
    loss = estimator.surrogate(base, pi, rows(4, 9, 1), rows(4, 7, 2), draws=Draws(max_length=12)).sum()
    loss.backward()
    assert base.embedding.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in pi.parameters())
    assert fingerprint(pi.parameters()) == before


@needs_fairseq
def test_no_parameter_is_a_copy_or_left_out():
    model = make()
    model.nll(rows(4, 9, 1), rows(4, 7, 2)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    ours = with_fairseq_positions(VOCABULARY, **SIZES)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in ours.parameters())


@needs_fairseq
def test_weights_survive_a_file(tmp_path):
    from composed.models.weights import load_weights, save_weights

    torch.manual_seed(1)
    first, second = make(), make()
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(torch.rand_like(parameter))
    save_weights(tmp_path / "w.safetensors", first, {})
    load_weights(tmp_path / "w.safetensors", second)
    assert fingerprint(first.parameters()) == fingerprint(second.parameters())
    assert second.encoder.embed_tokens.weight is second.decoder.embed_tokens.weight is second.embedding.weight
    save_weights(tmp_path / "again.safetensors", second, {})
    assert (tmp_path / "w.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()


@needs_fairseq
@pytest.mark.parametrize("model", ["transformer", "transformer_fairseq_positions"])
def test_fairseq_loads_what_was_exported_and_scores_alike(tmp_path, model):
    """With positions of ours as learned ones, and with a `<s>` that has learned."""
    found = read(CHECKPOINT, 136, trust=True)
    found.state["embedding.weight"][1] += 0.25
    write(tmp_path / "checkpoint.pt", ImportedWeights(model, found.settings, found.state))
    for side in ("src", "tgt"):
        dictionary = CHECKPOINT.parent / "data" / f"dict.{side}.txt"
        (tmp_path / dictionary.name).write_bytes(dictionary.read_bytes())
    code = f"""
import warnings; warnings.simplefilter("ignore")
from pathlib import Path
import torch
from composed.models import fairseq_compat
fairseq_compat.mend()
from fairseq.checkpoint_utils import load_model_ensemble_and_task
from composed.models.fairseq_weights import read
from composed.models.transformer import Transformer, with_fairseq_positions
path = Path({str(tmp_path / "checkpoint.pt")!r})
(theirs,), _, task = load_model_ensemble_and_task([str(path)])
found = read(path, len(task.source_dictionary), trust=True)
build = {{"transformer": Transformer, "transformer_fairseq_positions": with_fairseq_positions}}[{model!r}]
ours = build(len(task.source_dictionary), **found.settings).eval()
ours.load_state_dict(found.state)
source, target = torch.randint(4, 136, (2, 3, 8)).unbind()
target[:, -1] = source[:, -1] = 2
given = torch.cat([target[:, -1:], target[:, :-1]], 1)
with torch.no_grad():
    scores, _ = theirs.eval()(source, torch.full((3,), 8), given)
    torch.testing.assert_close(ours.logits(source, target), scores[..., 2:], rtol=1e-5, atol=1e-5)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@needs_fairseq
def test_hydra_and_logging_are_as_they_were():
    """fairseq leaves a config of its own in Hydra's store, under the name of ours, and speaks whenever anybody logs."""
    code = """
import logging
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

def composed():
    with initialize_config_module("composed.conf", version_base="1.3"):
        return OmegaConf.to_container(compose("config", ["profile=smoke", "model=fairseq_transformer"]))

before = composed(), logging.root.level, list(logging.root.handlers)
from composed.models.fairseq_transformer import FairseqTransformer
FairseqTransformer(40, width=16, layers=1, heads=2, feedforward=32)
assert (composed(), logging.root.level, logging.root.handlers) == before
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@needs_fairseq
def test_gradient_checkpointing_is_refused():
    with pytest.raises(ConfigError, match="gradient_checkpointing"):
        make().checkpointing = True


@needs_fairseq
@pytest.mark.slow("three trainings with fairseq's own transformer")
@pytest.mark.parametrize("mode", ["baseline", "standard", "composed"])
def test_the_smoke_table_runs(tmp_path_factory, monkeypatch, mode):
    place = tmp_path_factory.getbasetemp() / "fairseq-table"
    place.mkdir(exist_ok=True)
    words = ["task=sanstype", "profile=smoke", "model=fairseq_transformer", f"finetuning={mode}", "logger=csv"]
    command = [sys.executable, "-m", "composed.cli.train", *words]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "% correct" in done.stdout
    monkeypatch.chdir(place)  # the store is relative to it
    (run,) = (place / "runs").glob(f"sanstype-smoke-{mode}-*")
    assert export.main(["fairseq", str(run), str(place / mode)]) == 0
    tokens = len((place / mode / "dict.src.txt").read_text().splitlines())
    assert read(place / mode / "checkpoint_best.pt", tokens + 4, trust=True).settings["width"] == 32


def test_without_fairseq_the_command_to_install_it_is_named(monkeypatch):
    monkeypatch.setattr("composed.config.model.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="make fairseq"):
        check_command_line(["model=fairseq_transformer"], write=False)
