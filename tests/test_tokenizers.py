import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.datamodules.noise import RandomDeletion, TemplateNoise, corrupt
from composed.datamodules.sanstype.grammar import generate
from composed.datamodules.tokenizers import (
    MARK,
    BpeTokenizer,
    ByteBpeTokenizer,
    Tokenizer,
    WordTokenizer,
    most_pieces,
    train,
)
from composed.errors import ConfigError, DataError

EXAMPLES = generate(1000, seed=0, split="train")
TEXTS = [text for example in EXAMPLES for text in (example.source, example.target)]
TOKENIZERS = [train("word", TEXTS), train("bpe", TEXTS, 600)]
UNSEEN = [example.target for example in generate(300, seed=1, split="test")]
both = pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=lambda tokenizer: tokenizer.kind)


@both
def test_code_comes_back_with_single_blanks(tokenizer):
    lines = [*UNSEEN, *corrupt(UNSEEN, TemplateNoise(), seed=0), *corrupt(UNSEEN, RandomDeletion(), seed=0)]
    for line in lines:
        assert tokenizer.decode(tokenizer.encode(line)) == " ".join(line.split())
        assert tokenizer.decode(tokenizer.encode(line.replace(" ", " \t "))) == " ".join(line.split())


@both
@pytest.mark.parametrize("ood", [False, True])
def test_pseudocode_comes_back_but_for_blanks(tokenizer, ood):
    for example in generate(300, seed=1, split="test", ood=ood):
        decoded = tokenizer.decode(tokenizer.encode(example.source))
        assert decoded.replace(" ", "") == example.source.replace(" ", "")


@both
@given(text=st.text())
def test_any_text_becomes_ids_of_the_vocabulary(tokenizer, text):
    ids = tokenizer.encode(text)
    assert all(tokenizer.unk <= i < tokenizer.size for i in ids)
    tokenizer.decode(ids)


@both
def test_special_ids_are_the_first_four_and_only_unk_is_spelled(tokenizer):
    assert (tokenizer.pad, tokenizer.bos, tokenizer.eos, tokenizer.unk) == (0, 1, 2, 3)
    assert tuple(tokenizer.pieces[:4]) == ("<pad>", "<s>", "</s>", "<unk>")
    ids = tokenizer.encode("cout << var_1 ;")
    padded = [tokenizer.bos, *ids, tokenizer.eos, tokenizer.pad]
    assert tokenizer.decode(padded) == "cout << var_1 ;"
    assert tokenizer.decode([*ids, tokenizer.eos, *ids]) == "cout << var_1 ; cout << var_1 ;"
    assert "<unk>" in tokenizer.decode([*ids, tokenizer.unk])


def test_words_are_whole_numbers_names_strings_and_operators():
    text = 'int main () { $ x1 += 30.5 ; $ if(a_b<=c&&!d) s = "two words\\"" ; v[i]->f(\'\\n\',0x1F) ; $ return 0; }'
    tokenizer = WordTokenizer.train([text])
    assert [tokenizer.pieces[i] for i in tokenizer.encode(text)] == [
        *("int main () {", "$", "x1", "+=", "30.5", ";", "$", "if", "(", "a_b", "<=", "c", "&&", "!", "d", ")"),
        *("s", "=", '"two words\\""', ";", "v", "[", "i", "]", "->", "f", "(", "'\\n'", ",", "0x1F", ")", ";"),
        *("$", "return 0; }"),
    ]


def test_the_pairs_decide_no_id_of_a_word_that_unlabeled_outputs_have():
    outputs = ["c b b", "a d d"]
    few, many = (train("word", pairs, outputs=outputs) for pairs in (["z y a"], ["y z c c c c", "a a a z"]))
    assert few.pieces[4:] == many.pieces[4:] == ("b", "d", "a", "c", "y", "z")
    assert few.hash == many.hash
    assert train("word", ["y z c c"]).pieces[4:] == ("c", "y", "z")  # where nothing is unlabeled


def test_word_ids_go_by_frequency_then_alphabet():
    assert WordTokenizer.train(["c b b", "a d d <unk>"]).pieces[4:] == ("b", "d", "a", "c")


def test_an_unknown_word_is_unk_and_stays_so_when_read_again():
    tokenizer = WordTokenizer.train(["set x to 1;"])
    ids = tokenizer.encode("set y to 1;")
    assert ids.count(tokenizer.unk) == 1
    assert tokenizer.decode(ids) == "set <unk> to 1 ;"
    assert tokenizer.encode(tokenizer.decode(ids)) == ids


def test_a_program_is_about_seventy_words_and_ninety_pieces():
    for tokenizer, source, target in zip(TOKENIZERS, (70.5, 80), (68, 92), strict=True):
        for mean, texts in ((source, TEXTS[::2]), (target, TEXTS[1::2])):
            assert sum(len(tokenizer.encode(text)) for text in texts) / len(texts) == pytest.approx(mean, rel=0.05)


def test_training_gives_the_same_vocabulary_in_every_process():
    code = (
        "from composed.datamodules.sanstype.grammar import generate\n"
        "from composed.datamodules.tokenizers import train\n"
        "texts = [t for e in generate(1000, seed=0, split='train') for t in (e.source, e.target)]\n"
        "print(train('word', texts).hash, train('bpe', texts, 600).hash)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == [tokenizer.hash for tokenizer in TOKENIZERS]
    assert run.stderr == ""


def test_permuted_ids_have_another_hash():
    pieces = TOKENIZERS[0].pieces
    permuted = WordTokenizer([*pieces[:4], pieces[5], pieces[4], *pieces[6:]])
    assert permuted.size == TOKENIZERS[0].size
    assert permuted.hash != TOKENIZERS[0].hash


@both
def test_a_saved_tokenizer_loads_as_the_same(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert type(loaded) is type(tokenizer)
    assert loaded.hash == tokenizer.hash
    assert [loaded.encode(text) for text in UNSEEN] == [tokenizer.encode(text) for text in UNSEEN]


@both
@pytest.mark.parametrize(
    ("old", "new"), [("var", "vra"), ('"hash": "', '"hash": "0'), ('"model"', '"mode"'), ("{", "")]
)
def test_an_edited_file_is_refused_by_name(tokenizer, old, new, tmp_path):
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    text = path.read_text()
    path.write_text(text.replace(old, new, 1) if old in text else text.replace("A", "B"))
    with pytest.raises(DataError, match=str(path)):
        Tokenizer.load(path)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=str(tmp_path / "none.json")):
        Tokenizer.load(tmp_path / "none.json")


def test_few_texts_give_fewer_pieces():
    assert 4 < BpeTokenizer.train(TEXTS[:2], size=600).size < 600


def test_a_vocabulary_too_small_for_the_characters_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"tokenizer.size=10: every character .* set tokenizer.size=\d+ or more"):
        BpeTokenizer.train(TEXTS, size=10)


def test_long_lines_are_not_dropped():
    tokenizer = BpeTokenizer.train(["abc " * 5000 + "z", "abc"], size=600)
    assert tokenizer.unk not in tokenizer.encode("z")


def test_nothing_is_printed(capfd):
    train("bpe", TEXTS[:100], 600)
    assert capfd.readouterr() == ("", "")


def test_an_unknown_kind_is_refused_with_the_valid_ones():
    with pytest.raises(ConfigError, match=r"'char'.*bpe, bpe_bytes, word"):
        train("char", TEXTS)


@pytest.mark.shared
def test_pieces_of_the_published_data_are_as_many_as_measured_before():
    folder = Path(__file__).parents[2] / "shared" / "data" / "sanstype_reference"
    if not folder.is_dir():
        pytest.skip(f"no reference data in {folder}")
    sources, targets = ((folder / f"train.{suffix}").read_text().splitlines() for suffix in ("src", "tgt"))
    tokenizer = train("bpe", [*sources, *targets], 600)
    for texts, mean, longest in ((sources, 79.5, 165), (targets, 90.9, 210)):
        lengths = [len(tokenizer.encode(text)) for text in texts]
        assert sum(lengths) / len(lengths) == pytest.approx(mean, abs=0.05)
        assert max(lengths) == longest


def test_characters_that_training_lacks_come_back_from_bytes():
    tokenizer = train("bpe_bytes", TEXTS[:50], 600)
    text = 'cout << "\u2423\u732b" ; ~~ \uff5e @ `'
    assert tokenizer.unk not in tokenizer.encode(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode("a <unk> b").count(tokenizer.unk) == 1


def test_few_texts_get_few_pieces_and_are_not_learned_by_heart():
    """Or each would be a piece, and no other text would be spelled as these are."""
    dates = [f"{1900 + n}-{n % 12 + 1:02}-{n % 28 + 1:02}" for n in range(300)]
    size = most_pieces("bpe_bytes", dates, 4000, 100)
    assert size == 4 + 256 + len({*"0123456789-", MARK}) + 300 * len(dates[0]) // 100
    seen, other = (ByteBpeTokenizer.train(dates, most) for most in (4000, size))
    assert max(len(seen.encode(date)) for date in dates[:150]) < min(len(other.encode(date)) for date in dates)
    lengths = [len(other.encode(date)) for date in [*dates, "2377-01-31"]]
    assert max(lengths) <= 2 * min(lengths)
    assert most_pieces("bpe", ["a" * 100_000], 300, 100) == 300
