"""A Hugging Face model answers as transformers itself would, and as a model of ours has to."""

from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

import huggingface_hub
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForSeq2SeqLM, BertConfig, EncoderDecoderConfig

from composed.datamodules.tokenizers_huggingface import HuggingFaceTokenizer
from composed.errors import ConfigError, DataError
from composed.models.adaptation import add_low_rank, merge_low_rank, merged_state
from composed.models.composition import fingerprint, freeze
from composed.models.estimators import rloo
from composed.models.huggingface import HuggingFace, digest, read_config
from composed.models.sequence import Draws, Specials
from composed.models.weights import load_weights, save_weights
from tests import hf_models

KINDS = ("bart", "t5")


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory) -> Path:
    return hf_models.save(tmp_path_factory.mktemp(request.param), request.param)


def load(folder: Path, **settings) -> HuggingFace:
    words = HuggingFaceTokenizer(str(folder))
    specials = Specials(words.pad, words.bos, words.eos, words.unk)
    return HuggingFace(words.size, name=str(folder), specials=specials, **{"dropout": 0.0, **settings}).eval()


def rows(folder: Path, *texts: str) -> torch.Tensor:
    words = HuggingFaceTokenizer(str(folder))
    encoded = [torch.tensor([*words.encode(text), words.eos]) for text in texts]
    return torch.nn.utils.rnn.pad_sequence(encoded, batch_first=True, padding_value=words.pad)


@pytest.fixture
def source(folder) -> torch.Tensor:
    return rows(folder, "int var = 1 ;", "cout << var")


@pytest.fixture
def target(folder) -> torch.Tensor:
    return rows(folder, "{ 1 + 2 }", "int main")


def test_nll_is_the_loss_of_transformers_without_the_ids_that_are_no_outputs(folder, source, target):
    """Its loss counts pad and unnamed ids among the outputs; renormalised without them, it is ours."""
    model, theirs = load(folder), AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    pad = model.specials.pad
    labels = target.masked_fill(target == pad, -100)
    given = theirs(input_ids=source, attention_mask=(source != pad).long(), labels=labels)
    scores = given.logits.clone()
    scores[..., model.no_output] = -torch.inf
    expected = torch.nn.functional.cross_entropy(scores.transpose(1, 2), labels, reduction="none").sum(1)
    torch.testing.assert_close(model.nll(source, target), expected)
    plain = torch.nn.functional.cross_entropy(given.logits.transpose(1, 2), labels)
    torch.testing.assert_close(plain, given.loss)  # rows were read and shifted as theirs
    assert model.no_output == [pad, len(scores[0, 0]) - 2, len(scores[0, 0]) - 1]


def test_pads_change_nothing(folder, source, target):
    model, pad = load(folder), load(folder).specials.pad
    wider = (torch.nn.functional.pad(each, (0, 3), value=pad) for each in (source, target))
    torch.testing.assert_close(model.nll(*wider), model.nll(source, target))


def test_several_targets_per_source_share_its_encoding(folder, source, target):
    model = load(folder)
    expected = model.nll(source.repeat_interleave(2, 0), target.repeat_interleave(2, 0))
    torch.testing.assert_close(model.nll(model.encode(source), target.repeat_interleave(2, 0)), expected)


def test_the_log_probability_of_a_sample_is_its_teacher_forced_score(folder):
    """Counts of 20,000 samples of at most 2 tokens against exp(-nll) of every row: within 5 standard errors."""
    model, draws = load(folder), 20_000
    special, source = model.specials, rows(folder, "cout")
    sampled = model.sample(source, draws, draws=Draws(max_length=2, generator=torch.Generator().manual_seed(1)))
    ids = [i for i in range(model.bare.config.vocab_size) if i not in model.no_output]
    possible = [[special.eos, special.pad], *([a, b] for a in ids if a != special.eos for b in ids)]
    probabilities = (-model.nll(source, torch.tensor(possible))).exp()
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-5)
    for row, probability in zip(possible, probabilities.tolist(), strict=True):
        share = (sampled == torch.tensor(row)).all(1).double().mean().item()
        assert abs(share - probability) < 5 * (probability * (1 - probability) / draws) ** 0.5 + 1e-9


def test_greedy_rows_are_the_likeliest_token_by_token_whatever_the_generation_config_says(folder, source):
    """Decoding keeps keys and values; here every prefix is read anew."""
    model = load(folder)
    predicted = model.predict(source, max_length=6)
    for row, one in zip(predicted, source, strict=True):
        for at, token in enumerate(row.tolist()):
            if token == model.specials.pad:
                break
            grown = [torch.cat([row[:at], torch.tensor([token])])[None] for token in range(len(hf_models.WORDS) + 3)]
            scores = torch.tensor([model.token_nll(one[None], each)[0, -1].item() for each in grown])
            scores[model.specials.pad] = torch.inf
            assert scores[token] == scores.min()


def test_samples_follow_the_generator_alone(folder, source):
    model = load(folder)
    state = torch.random.get_rng_state()
    first, again, other = (
        model.sample(source, 8, draws=Draws(max_length=5, generator=torch.Generator().manual_seed(seed)))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_label_smoothing_mixes_in_the_uniform_distribution_over_outputs(folder, source, target):
    model = load(folder)
    outputs = [i for i in range(model.bare.config.vocab_size) if i not in model.no_output]
    each = []
    for i in outputs:
        swapped = torch.where(target == model.specials.pad, target, i)
        given = torch.cat([target[:, :-1], target[:, -1:]], 1)
        column = []
        for at in range(target.shape[1]):  # only one position is another, so that what comes before is the target's
            one = given.clone()
            one[:, at] = swapped[:, at]
            column.append(model.token_nll(source, one)[:, at])
        each.append(torch.stack(column, 1))
    expected = 0.8 * model.token_nll(source, target) + 0.2 * torch.stack(each).mean(0)
    torch.testing.assert_close(model.token_nll(source, target, label_smoothing=0.2), expected)


def test_dropout_is_that_of_the_settings_and_off_in_eval_mode(folder, source, target):
    model = load(folder, dropout=0.5)
    assert torch.equal(model.nll(source, target), model.nll(source, target))
    model.train()
    assert not torch.equal(model.nll(source, target), model.nll(source, target))
    assert HuggingFace(5, name="t5", pretrained=False, dropout=0.1, specials=Specials()).training


def test_a_frozen_denoiser_stays_as_it_is_while_f_learns_through_it(folder, source, target):
    base, denoiser = load(folder), freeze(load(folder, dropout=0.5))
    before = fingerprint(denoiser.parameters())
    denoiser.train(True)
    assert torch.equal(denoiser.nll(source, target), denoiser.nll(source, target))
    loss = rloo(3).surrogate(base, denoiser, source, target, draws=Draws(max_length=6))
    assert loss.shape == (2,)
    loss.sum().backward()
    assert sum(parameter.grad.abs().sum() for parameter in base.parameters() if parameter.grad is not None) > 0
    assert all(parameter.grad is None for parameter in denoiser.parameters())
    torch.optim.SGD(base.parameters(), 0.1).step()
    assert fingerprint(denoiser.parameters()) == before


def test_weights_come_back_from_a_file_that_has_tied_ones_once(folder, source, target, tmp_path):
    model, other = load(folder), load(folder, pretrained=False)
    save_weights(tmp_path / "f.safetensors", model, {"vocabulary": "v"})
    saved = load_file(tmp_path / "f.safetensors")
    assert "embedding.weight" in saved
    assert not any("shared" in name or "embed_tokens" in name or "lm_head" in name for name in saved)
    assert not torch.equal(other.nll(source, target), model.nll(source, target))
    load_weights(tmp_path / "f.safetensors", other, vocabulary="v")
    assert torch.equal(other.nll(source, target), model.nll(source, target))
    assert other.bare.get_output_embeddings().weight is other.embedding.weight


def test_low_rank_updates_start_as_nothing_and_merge_into_the_bare_model(folder, source, target, tmp_path):
    model = load(folder)
    before, bare = model.nll(source, target), {name for name, _ in model.named_parameters()}
    add_low_rank(model, 2)
    assert torch.equal(model.nll(source, target), before)
    low_rank = [parameter for name, parameter in model.named_parameters() if "lora" in name]
    assert low_rank
    assert all(parameter.requires_grad for parameter in low_rank)
    with torch.no_grad():
        for parameter in low_rank:
            parameter.add_(0.3)
    adapted = model.nll(source, target)
    assert not torch.allclose(adapted, before)
    merged = merged_state(model)
    save_weights(tmp_path / "f.safetensors", model, {})
    merge_low_rank(model)
    torch.testing.assert_close(model.nll(source, target), adapted)
    assert {name for name, _ in model.named_parameters()} == bare
    torch.testing.assert_close(dict(model.state_dict()), merged)
    plain = load(folder)
    load_weights(tmp_path / "f.safetensors", plain)
    torch.testing.assert_close(plain.nll(source, target), adapted)


def test_checkpointing_changes_no_gradient_and_keeps_less(folder, source, target):
    model, gradients, kept = load(folder, dropout=0.3).train(), [], []
    for model.checkpointing in (False, True):
        torch.manual_seed(0)
        model.zero_grad()
        saved: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, saved=saved: saved.append(t.numel()) or t, lambda t: t):
            loss = model.nll(source, target).sum()
        loss.backward()
        kept.append(sum(saved))
        gradients.append([parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None])
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, checkpointed)
    assert kept[1] < kept[0]


def test_random_weights_of_a_kind_take_settings_and_another_tokenizer(folder):
    settings = {"d_model": 8, "num_layers": 1, "num_decoder_layers": 1, "num_heads": 2, "d_kv": 4, "d_ff": 8}
    torch.manual_seed(3)
    model = HuggingFace(9, name="t5", pretrained=False, own_tokenizer=False, settings=settings, dropout=0.0,
                        specials=Specials()).eval()  # fmt: skip
    assert model.embedding.weight.shape == (9, 8)
    assert model.start == 1
    assert torch.isfinite(model.nll(torch.tensor([[4, 5, 2]]), torch.tensor([[6, 2]]))).all()
    with pytest.raises(ConfigError, match="num_lairs"):
        load(folder, settings={"num_lairs": 3})


def test_a_decoder_alone_is_no_model_of_pairs(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=8, n_layer=1, n_head=2)).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="gpt2, which is no encoder-decoder"):
        HuggingFace(20, name=str(tmp_path), specials=Specials(), dropout=0.0)


def test_what_cannot_be_found_or_does_not_fit_is_named(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"model.name=nobody/nothing: no folder with a config.json"):
        HuggingFace(5, name="nobody/nothing", specials=Specials(), dropout=0.0)
    with pytest.raises(DataError, match="its tokenizer has 99 ids, its model"):
        HuggingFace(99, name=str(folder), specials=Specials(), dropout=0.0)
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(DataError, match="its weights cannot be read"):
        load(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(DataError, match="its weights cannot be read"):
        load(tmp_path)


def test_weights_that_lack_a_layer_are_named(folder, tmp_path):
    from safetensors.torch import save_file

    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tensors = load_file(folder / "model.safetensors")
    lost = next(name for name in tensors if "decoder" in name and "norm" in name)
    save_file({name: value for name, value in tensors.items() if name != lost}, tmp_path / "model.safetensors",
              {"format": "pt"})  # fmt: skip
    with pytest.raises(DataError, match=f"its weights lack {lost}"):
        load(tmp_path)


def test_weights_with_an_unknown_layer_are_named(folder, tmp_path):
    from safetensors.torch import save_file

    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tensors = load_file(folder / "model.safetensors") | {"decoder.conv.weight": torch.ones(1)}
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError, match=r"its weights have decoder\.conv\.weight, for which .* has no place"):
        load(tmp_path)


def test_a_row_longer_than_the_positions_is_named(tmp_path):
    model = load(hf_models.save(tmp_path, "bart"))
    row = torch.full((1, 65), 5)
    for ask in (lambda: model.encode(row), lambda: model.nll(row[:, :3], row)):
        with pytest.raises(DataError, match="a row of 65 tokens, and this model has positions for 64"):
            ask()
    assert model.predict(row[:, :3], max_length=100).shape[1] <= 63


def test_the_digest_is_that_of_the_content(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert digest(str(tmp_path)) == digest(str(folder))
    (tmp_path / "config.json").write_text("{}")
    assert digest(str(tmp_path)) != digest(str(folder))
    assert digest("facebook/bart-base") is None


def test_a_model_made_of_several_is_refused(tmp_path):
    side = BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    EncoderDecoderConfig.from_encoder_decoder_configs(side, side).save_pretrained(tmp_path)
    for name, pretrained in ((str(tmp_path), True), ("qwen2_audio", False)):
        with pytest.raises(ConfigError, match="whose config is one of several models"):
            read_config(name, pretrained)


@pytest.mark.parametrize("kind", ["bart", "t5", "marian", "pegasus"])
def test_a_loaded_model_learns_what_a_new_one_learns(kind, tmp_path):
    sizes = {"d_model": 16, "vocab_size": 20, "pad_token_id": 0, "decoder_start_token_id": 0, "eos_token_id": 2}
    new = AutoModelForSeq2SeqLM.from_config(AutoConfig.for_model(kind, **sizes))
    new.save_pretrained(tmp_path)
    loaded = HuggingFace(20, name=str(tmp_path), specials=Specials(), dropout=0.0).bare
    learned = [{name for name, value in model.named_parameters() if value.requires_grad} for model in (new, loaded)]
    assert learned[0] == learned[1]
    if kind in ("marian", "pegasus"):
        assert not any("embed_positions" in name for name in learned[1])
