"""The tokenizer of a Hugging Face model, as one of ours; and ours as theirs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("transformers")

from transformers import AutoTokenizer

from composed.datamodules.sanstype.grammar import generate
from composed.datamodules.tokenizers import DictionaryTokenizer, WordTokenizer, train
from composed.datamodules.tokenizers_huggingface import HuggingFaceTokenizer, as_huggingface
from composed.errors import ConfigError, DataError
from tests import hf_models

TEXTS = [text for one in generate(200, seed=0, split="train") for text in (one.source, one.target)]


@pytest.mark.parametrize("kind", ["bart", "t5"])
def test_a_text_comes_back_and_ends_where_the_model_learned_it(kind, tmp_path):
    theirs = hf_models.tokenizer(kind)
    theirs.save_pretrained(tmp_path)
    ours = HuggingFaceTokenizer(str(tmp_path))
    ids = [*ours.encode("int  main = 1 ;"), ours.eos]
    assert ids == theirs("int main = 1 ;").input_ids
    assert ours.decode([*ids, ours.pad, ours.pad]) == "int main = 1 ;"
    assert ours.decode(ours.encode("int strange ;")) == "int <unk> ;"
    assert ours.size == len(theirs)
    assert ours.pieces[ours.pad] == "<pad>"


def test_the_hash_is_that_of_the_vocabulary(tmp_path):
    for name, words in {"a": "x y", "b": "x y", "c": "y x"}.items():
        hf_models.tokenizer("t5", words.split()).save_pretrained(tmp_path / name)
    a, b, c = (HuggingFaceTokenizer(str(tmp_path / name)).hash for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pad_token": None}, "has no pad token"),
        ({"eos_token": None}, "has no eos token"),
        ({"pad_token": "</s>"}, "one token for pad and eos"),
        ({"eos_token": "int"}, "does not end a text with int"),
    ],
)
def test_a_tokenizer_that_cannot_end_or_fill_a_row_is_named(change, says, tmp_path):
    theirs = hf_models.tokenizer("t5")
    for name, value in change.items():
        setattr(theirs, name, value)
    theirs.save_pretrained(tmp_path)
    with pytest.raises(DataError, match=says):
        HuggingFaceTokenizer(str(tmp_path))


def test_a_folder_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no tokenizer can be read there.*own_tokenizer=false"):
        HuggingFaceTokenizer(str(tmp_path))


# -- ours as theirs -------------------------------------------------------------------------------------------------

TRAINED = {kind: train(kind, TEXTS, 500) for kind in ("word", "bpe", "bpe_bytes")}
PLAIN = DictionaryTokenizer({"symbols": ["int", "var", "=", "1", ";"], "sentencepiece": None})
MARKED = DictionaryTokenizer({"symbols": ["▁int", "▁v", "ar", "▁=", "▁1", ";"], "sentencepiece": None})
OURS = [*TRAINED.values(), PLAIN, MARKED]
NAMES = [*TRAINED, "plain dictionary", "marked dictionary"]
SPECIALS = ("<pad>", "<s>", "</s>")


@pytest.fixture(scope="module", params=OURS, ids=NAMES)
def twins(request, tmp_path_factory):
    """One of ours, and what transformers reads of it from a folder."""
    folder = tmp_path_factory.mktemp("tokenizer")
    as_huggingface(request.param, 50, []).save_pretrained(folder)
    return request.param, AutoTokenizer.from_pretrained(folder)


PARTS = sorted({piece.replace("▁", " ") for one in OURS for piece in one.pieces} - {*SPECIALS})
TEXT = st.one_of(
    st.text(st.characters(max_codepoint=0x2FF)),  # newer characters are words in one Unicode and none in the other
    st.lists(st.sampled_from([*PARTS, " ", "\t", "\x1c", '"', "²", "<", "é"])).map("".join),
)


@given(text=TEXT)
def test_ids_are_the_same_for_every_text(twins, text):
    ours, theirs = twins
    if not any(special in text for special in SPECIALS):
        assert theirs(text).input_ids == [*ours.encode(text), ours.eos]


@given(data=st.data())
def test_text_is_the_same_for_all_ids(twins, data):
    ours, theirs = twins
    ids = [i for i in range(ours.unk, ours.size) if not ours.pieces[i].startswith("<0x")]  # not all bytes are a text
    rows = data.draw(st.lists(st.sampled_from(ids)))
    assert theirs.decode(rows).split() == ours.decode(rows).split()


def test_bytes_are_spelled_and_read(tmp_path):
    ours = TRAINED["bpe_bytes"]
    theirs = as_huggingface(ours, 50, [])
    ids = theirs("größer ☃").input_ids
    assert ids == [*ours.encode("größer ☃"), ours.eos]
    assert ours.unk not in ids
    assert theirs.decode(ids, skip_special_tokens=True).strip() == "größer ☃"


def test_specials_and_length_are_told(twins):
    ours, theirs = twins
    assert (theirs.pad_token_id, theirs.bos_token_id, theirs.eos_token_id, theirs.unk_token_id) == (0, 1, 2, 3)
    assert theirs.model_max_length == 50
    again = theirs(["int var = 1 ;", ""], padding=True).input_ids
    assert again[1] == [ours.eos] + [ours.pad] * (len(again[0]) - 1)


def test_a_word_that_is_named_like_a_special_one_is_read_as_words():
    ours = WordTokenizer.train(["cout << < s > ;"])
    assert as_huggingface(ours, 50, ["cout << <s> ;"])("<s>").input_ids == [*ours.encode("<s>"), ours.eos]


def test_a_text_that_would_be_spelled_otherwise_is_named():
    with pytest.raises(DataError, match=r"kind=bpe: transformers spells this text otherwise: 'cout << <s>'"):
        as_huggingface(TRAINED["bpe"], 50, [TEXTS[0], "cout << <s>"])


def test_a_dictionary_with_a_sentencepiece_model_is_refused():
    read = TRAINED["bpe"].model
    with pytest.raises(ConfigError, match="other ids than the sentencepiece model"):
        as_huggingface(DictionaryTokenizer({"symbols": ["▁a"], "sentencepiece": read}), 50, [])


def test_that_of_a_model_stays_what_it_is(tmp_path):
    hf_models.tokenizer("t5").save_pretrained(tmp_path)
    own = HuggingFaceTokenizer(str(tmp_path))
    assert as_huggingface(own, 50, ["strange"]) is own.own
