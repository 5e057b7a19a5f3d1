"""The tokenizer of a Hugging Face model, as one of ours."""

import pytest

pytest.importorskip("transformers")

from composed.datamodules.tokenizers_huggingface import HuggingFaceTokenizer
from composed.errors import DataError
from tests import hf_models


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
