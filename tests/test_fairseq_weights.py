"""A checkpoint that fairseq wrote: our transformer scores as fairseq did, and weights come back bit for bit."""

import os
import pickle
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from composed.datamodules.fairseq import read_dictionary, read_text
from composed.datamodules.tokenizers import DictionaryTokenizer
from composed.errors import DataError
from composed.models import fairseq_weights
from composed.models.fairseq_weights import ImportedWeights, read, write
from composed.models.transformer import Transformer, with_fairseq_positions

HERE = Path(__file__).parent / "fairseq"
CHECKPOINT = HERE / "checkpoint.pt"
DICTIONARY = HERE / "data" / "dict.src.txt"
TOKENIZER = DictionaryTokenizer({"symbols": read_dictionary(DICTIONARY), "sentencepiece": None})


def ids(lines: list[str]) -> torch.Tensor:
    rows = [torch.tensor([*TOKENIZER.encode(line), TOKENIZER.eos]) for line in lines]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def model_of(found: ImportedWeights):
    build = {"transformer": Transformer, "transformer_fairseq_positions": with_fairseq_positions}[found.model]
    model = build(TOKENIZER.size, **found.settings)
    model.load_state_dict(found.state)
    return model.eval()


@pytest.fixture
def changed(tmp_path):
    """The checkpoint with something done to what it holds, as a new file."""

    def change(do, name="changed.pt") -> Path:
        with torch.serialization.safe_globals([Namespace]):
            content = torch.load(CHECKPOINT, weights_only=True)
        do(content)
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return change


def test_scores_equal_those_of_fairseq():
    source, target = (ids(read_text(HERE / "data" / f"test.src-tgt.{side}", DICTIONARY)) for side in ("src", "tgt"))
    theirs = load_file(HERE / "scores.safetensors")["scores"]  # (B, T, V)
    scores = model_of(read(CHECKPOINT, TOKENIZER.size, trust=True)).logits(source, target)
    real = target != TOKENIZER.pad
    assert theirs.shape[:2] == target.shape
    assert theirs[..., 2:].abs().max() > 1  # else everything is equal
    torch.testing.assert_close(scores[real], theirs[..., 2:][real], rtol=1e-5, atol=1e-5)


def test_probabilities_are_fairseqs_without_its_start_and_pad():
    source, target = (ids(read_text(HERE / "data" / f"test.src-tgt.{side}", DICTIONARY)) for side in ("src", "tgt"))
    theirs = load_file(HERE / "scores.safetensors")["scores"][..., 2:].log_softmax(-1)
    chosen = theirs.gather(2, (target - 2).clamp(min=0)[..., None])[..., 0]
    expected = -(chosen * (target != TOKENIZER.pad)).sum(1)
    torch.testing.assert_close(
        model_of(read(CHECKPOINT, TOKENIZER.size, trust=True)).nll(source, target), expected, rtol=1e-5, atol=1e-4
    )


@pytest.mark.parametrize("model", ["transformer", "transformer_fairseq_positions"])
@pytest.mark.parametrize("learned_start", [False, True])
def test_import_export_import_is_bit_identical(tmp_path, model, learned_start):
    found = read(CHECKPOINT, TOKENIZER.size, trust=True)
    if learned_start:
        found.state["embedding.weight"][TOKENIZER.bos] += 0.25
    first = ImportedWeights(model, found.settings, found.state)
    write(tmp_path / "exported.pt", first)
    second = read(tmp_path / "exported.pt", TOKENIZER.size, trust=True)
    assert (second.model, second.settings) == (model, first.settings)
    assert second.state.keys() == first.state.keys()
    assert all(torch.equal(second.state[name], value) for name, value in first.state.items())


def test_export_keeps_every_tensor_that_fairseq_computes_with(tmp_path):
    write(tmp_path / "exported.pt", read(CHECKPOINT, TOKENIZER.size, trust=True))
    with torch.serialization.safe_globals([Namespace]):
        ours, theirs = (torch.load(path, weights_only=True)["model"] for path in (tmp_path / "exported.pt", CHECKPOINT))
    for name, value in theirs.items():
        if "embed_tokens" in name or "output_projection" in name:
            assert torch.equal(ours[name][2:], value[2:])  # <s> is no output of ours, and a pad's row is zero
        elif not fairseq_weights._IGNORED.fullmatch(name):
            assert torch.equal(ours[name], value), name


def test_half_precision_becomes_single(changed):
    path = changed(lambda content: content.update(model={k: v.half() for k, v in content["model"].items()}))
    assert {value.dtype for value in read(path, TOKENIZER.size, trust=True).state.values()} == {torch.float32}


def test_an_old_checkpoint_with_args_and_without_an_output_layer_is_read(changed):
    def old(content):
        content["args"] = content.pop("cfg")["model"]
        del content["model"]["decoder.output_projection.weight"]

    new, again = (read(path, TOKENIZER.size, trust=True) for path in (CHECKPOINT, changed(old)))
    assert all(torch.equal(again.state[name], value) for name, value in new.state.items())


# -- what is refused ------------------------------------------------------------------------------------------------


class Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def _zip(content, path):
    torch.save(content, path)


def _old(content, path):
    torch.save(content, path, _use_new_zipfile_serialization=False)


def _bare(content, path):
    path.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("save", [_zip, _old, _bare])
@pytest.mark.parametrize("where", ["args", "model", "inside"])
def test_nothing_of_a_malicious_pickle_runs(tmp_path, trust, save, where):
    marker, path = tmp_path / "marker", tmp_path / "checkpoint.pt"
    evil = Malicious(marker)
    save({"model": {}, "args": None, **({where: evil} if where != "inside" else {"args": Namespace(a=[evil])})}, path)
    with pytest.raises(DataError, match="refused" if trust else "--trust"):
        read(path, TOKENIZER.size, trust=trust)
    assert not marker.exists()
    pickle.loads(pickle.dumps(evil))
    assert marker.exists()  # it would have run


def test_a_checkpoint_is_not_read_without_trust():
    with pytest.raises(DataError, match=r"pickle.*--trust"):
        read(CHECKPOINT, TOKENIZER.size, trust=False)


@pytest.mark.parametrize("part", [0, 100, 60_000, 124_000])
def test_a_truncated_checkpoint_is_named(tmp_path, part):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(CHECKPOINT.read_bytes()[:part])
    with pytest.raises(DataError, match=r"checkpoint\.pt is .*(copy it again|refused)"):
        read(path, TOKENIZER.size, trust=True)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("encoder_normalize_before", False),
        ("activation_fn", "gelu"),
        ("layernorm_embedding", True),
        ("decoder_layers", 3),
        ("adaptive_softmax_cutoff", "10,20"),
        ("no_scale_embedding", True),
    ],
)
def test_a_setting_that_our_transformer_does_not_have_is_named(changed, key, value):
    path = changed(lambda content: setattr(content["cfg"]["model"], key, value))
    with pytest.raises(DataError, match=f"cannot hold this one: .*{key}={value}"):
        read(path, TOKENIZER.size, trust=True)


def test_a_setting_that_is_not_told_has_fairseqs_default(changed):
    path = changed(lambda content: delattr(content["cfg"]["model"], "encoder_normalize_before"))
    with pytest.raises(DataError, match="encoder_normalize_before=False"):
        read(path, TOKENIZER.size, trust=True)


def test_a_decoder_alone_is_named(changed):
    def decoder_only(content):
        settings = content["cfg"]["model"]
        content["args"] = Namespace(
            **{key: value for key, value in vars(settings).items() if not key.startswith("encoder")}
        )

    with pytest.raises(DataError, match="without encoder_embed_dim"):
        read(changed(decoder_only), TOKENIZER.size, trust=True)


def test_unknown_and_missing_layers_are_named(changed):
    path = changed(lambda content: content["model"].update({"encoder.conv.weight": torch.ones(1)}))
    with pytest.raises(DataError, match=r"unknown layers: encoder\.conv\.weight"):
        read(path, TOKENIZER.size, trust=True)
    path = changed(lambda content: content["model"].pop("decoder.layers.1.fc1.bias"))
    with pytest.raises(DataError, match=r"layers missing: decoder\.layers\.1\.fc1\.bias"):
        read(path, TOKENIZER.size, trust=True)


def test_embeddings_that_are_not_shared_are_named(changed):
    def part(content):
        apart = content["model"]["encoder.embed_tokens.weight"].clone()
        apart[7] += 1
        content["model"]["encoder.embed_tokens.weight"] = apart

    path = changed(part)
    with pytest.raises(DataError, match="share an embedding"):
        read(path, TOKENIZER.size, trust=True)


def test_learned_positions_are_named(changed, tmp_path):
    found = read(CHECKPOINT, TOKENIZER.size, trust=True)
    write(tmp_path / "exported.pt", ImportedWeights("transformer", found.settings, found.state))
    with torch.serialization.safe_globals([Namespace]):
        content = torch.load(tmp_path / "exported.pt", weights_only=True)
    content["model"]["decoder.embed_positions.weight"][5] += 0.1
    torch.save(content, tmp_path / "learned.pt")
    with pytest.raises(DataError, match="positions are learned"):
        read(tmp_path / "learned.pt", TOKENIZER.size, trust=True)


@pytest.mark.parametrize("size", [TOKENIZER.size - 1, TOKENIZER.size + 8])
def test_a_dictionary_of_another_size_is_named(size):
    with pytest.raises(DataError, match=f"{TOKENIZER.size} symbols in its sources .* the dictionary {size}"):
        read(CHECKPOINT, size, trust=True)


@pytest.mark.parametrize("content", [[1, 2], {"model": {}}, {"args": Namespace(a=1)}])
def test_what_is_no_checkpoint_of_fairseq_is_named(tmp_path, content):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(DataError, match="no checkpoint of fairseq"):
        read(tmp_path / "other.pt", TOKENIZER.size, trust=True)
