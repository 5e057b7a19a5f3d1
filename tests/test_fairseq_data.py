"""Folders of fairseq-preprocess: the lines come back as they were, and what does not belong together is named."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composed.datamodules.fairseq import find, read_dictionary, read_text, write_dictionary
from composed.datamodules.sanstype import load
from composed.datamodules.sanstype.files import read_any
from composed.datamodules.sanstype.grammar import Grammar, generate
from composed.datamodules.tokenizers import SPECIALS, DictionaryTokenizer, Tokenizer, WordTokenizer
from composed.errors import DataError

DATA = Path(__file__).parent / "fairseq" / "data"
WORDS = st.text("abc▁<>012", min_size=1, max_size=4)


def print_seven(codes, inputs):
    """A judge that runs nothing."""
    return [SimpleNamespace(verdict="correct", printed=(b"7",), diagnostics="") for _ in codes]


@pytest.fixture
def folder(tmp_path) -> Path:
    return Path(shutil.copytree(DATA, tmp_path / "data"))


# -- what fairseq wrote ---------------------------------------------------------------------------------------------


def test_the_lines_are_those_that_were_binarised():
    examples = generate(600, seed=0, split="train", grammar=Grammar(1, 1))[:24]
    split = read_any(DATA, "train", print_seven)
    assert split.sources == [" ".join(example.source.split()) for example in examples]
    assert split.targets == [" ".join(example.target.split()) for example in examples]


def test_a_binarised_folder_is_data_of_a_task():
    settings = {"grammar": {"max_variables": 1, "max_rounds": 1}, "folder": str(DATA)}
    data = load(settings, print_seven)
    assert [len(split) for split in (data.train, data.val, *data.tests.values())] == [24, 3, 2, 2]
    assert [*data.tests] == ["id", "ood"]  # the second of --testpref is the second test set
    assert all(pair[1] == "7" for split in data.tests.values() for (pair,) in split.tests)
    inputs = [pair[0] for split in data.tests.values() for (pair,) in split.tests]
    assert any(line.endswith("\n") for line in inputs)  # from test.inp and ood.inp
    assert data.unlabeled == []


def test_outputs_that_lie_beside_a_split_are_taken(folder):
    (((given, _),), ((other, _),)) = read_any(folder, "test", print_seven).tests
    (folder / "test.out").write_text("1\n2\n")
    assert read_any(folder, "test", print_seven).tests == [[(given, "1")], [(other, "2")]]
    (folder / "test.out").write_text("1\n")
    with pytest.raises(DataError, match=r"test has 2 targets, but 1 lines of test\.out"):
        read_any(folder, "test", print_seven)


def test_text_comes_before_what_is_binarised(folder):
    for suffix, line in (("src", "s"), ("tgt", "t"), ("inp", ""), ("out", "o")):
        (folder / f"test.{suffix}").write_text(f"{line}\n")
    assert read_any(folder, "test", print_seven).targets == ["t"]


def test_outputs_alone_are_the_denoisers(folder):
    for suffix in ("idx", "bin"):
        shutil.copy(folder / f"train.src-tgt.tgt.{suffix}", folder / f"unlabeled.tgt-None.tgt.{suffix}")
    assert read_any(folder, "unlabeled", print_seven).targets == read_any(folder, "train", print_seven).targets


def test_a_program_that_fails_is_named(folder):
    fails = [SimpleNamespace(verdict="compile_error", printed=(), diagnostics="why")] * 2
    with pytest.raises(DataError, match=r"test, line 1: .*compile_error"):
        read_any(folder, "test", lambda codes, inputs: fails)


def test_there_is_nothing_where_there_is_nothing(tmp_path):
    assert read_any(tmp_path, "train", print_seven) is None
    with pytest.raises(DataError, match=r"train\.tgt is missing"):
        load({"grammar": {}, "folder": str(tmp_path)}, print_seven)


def test_two_pairs_of_languages_are_named(folder):
    shutil.copy(folder / "train.src-tgt.tgt.idx", folder / "train.a-b.b.idx")
    with pytest.raises(DataError, match="a-b, src-tgt"):
        find(folder, "train")


# -- what is damaged or does not match ------------------------------------------------------------------------------


def corrupt(path: Path, do) -> None:
    path.write_bytes(do(path.read_bytes()))


@pytest.mark.parametrize(
    ("suffix", "do", "said"),
    [
        ("idx", lambda b: b[:20], "memory-mapped"),
        ("idx", lambda b: b"TNTIDX\0\0" + b[8:], "memory-mapped"),
        ("idx", lambda b: b[:-4], "damaged"),
        ("idx", lambda b: b + b"\0", "damaged"),
        ("idx", lambda b: b[:9] + b"\2" + b[10:], "another version"),
        ("idx", lambda b: b[:17] + b"\x63" + b[18:], "damaged"),
        ("bin", lambda b: b[:-2], "shorter than"),
        ("bin", lambda b: b"\xff\x7f" + b[2:], "id 32767, but"),
    ],
)
def test_damage_is_named(folder, suffix, do, said):
    corrupt(folder / f"train.src-tgt.tgt.{suffix}", do)
    with pytest.raises(DataError, match=said):
        read_any(folder, "train", print_seven)


def test_a_missing_half_is_named(folder):
    (folder / "train.src-tgt.tgt.bin").unlink()
    with pytest.raises(DataError, match=r"train\.src-tgt\.tgt\.bin.*belong together"):
        read_any(folder, "train", print_seven)


def test_a_dictionary_of_other_data_is_named(folder):
    lines = (folder / "dict.tgt.txt").read_text().splitlines()
    (folder / "dict.tgt.txt").write_text("".join(f"{line}\n" for line in lines[:20]))
    with pytest.raises(DataError, match=r"dict\.tgt\.txt ends at 23: it belongs to other data"):
        read_any(folder, "train", print_seven)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a 1\nb\n", ":2: 'b' is not a symbol"),
        (b"a 1\nb x\n", ":2: 'b x' is not a symbol"),
        (b"", ":1: '' is not a symbol"),
        (b"a 1\nb 2\na 3\n", ":3: the symbol 'a' is in line 1"),
        (b"\xff 1\n", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_dictionary_is_named(tmp_path, content, said):
    (tmp_path / "dict.txt").write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_dictionary(tmp_path / "dict.txt")
    with pytest.raises(DataError, match="fairseq-preprocess"):
        read_dictionary(tmp_path / "none.txt")


# -- the dictionary as a tokenizer ----------------------------------------------------------------------------------


def dictionary(*symbols: str, sentencepiece: str | None = None) -> DictionaryTokenizer:
    return DictionaryTokenizer({"symbols": symbols, "sentencepiece": sentencepiece})


@pytest.mark.parametrize("count", ["-1", "+2", "0", "1_000", "\u0663"])
def test_counts_are_what_fairseq_takes_for_numbers(tmp_path, count):
    (tmp_path / "dict.txt").write_text(f"a {count}\nb {count} #fairseq:overwrite\n", encoding="utf-8")
    assert read_dictionary(tmp_path / "dict.txt") == ["a", "b"]
    (tmp_path / "dict.txt").write_text("a \u00b2\n", encoding="utf-8")  # a digit that is no number
    with pytest.raises(DataError, match="is not a symbol, a blank and a count"):
        read_dictionary(tmp_path / "dict.txt")


@pytest.mark.parametrize(
    ("source", "target"),
    [("en.tok", "de.tok"), ("zh-cn", "en"), ("en", "zh-cn"), ("zh-cn.v1", "pt-br.v1.2"), ("src", "tgt"), ("a-b", "b")],
)
def test_names_of_languages_may_have_dots_and_hyphens(tmp_path, source, target):
    for language in (source, target):
        (tmp_path / f"train.{source}-{target}.{language}.idx").touch()
    (pair,) = [find(tmp_path, "train")]
    names = [(prefix.name, dictionary.name) for prefix, dictionary in pair]
    assert names == [(f"train.{source}-{target}.{language}", f"dict.{language}.txt") for language in (source, target)]


def test_a_dictionary_of_windows_is_the_same(tmp_path):
    (tmp_path / "dict.txt").write_bytes(b"\xef\xbb\xbfa 2\r\nb 1\r\n")
    assert read_dictionary(tmp_path / "dict.txt") == ["a", "b"]


def test_ids_are_fairseqs_but_for_pad_and_bos():
    tokenizer = DictionaryTokenizer({"symbols": read_dictionary(DATA / "dict.tgt.txt"), "sentencepiece": None})
    name = DATA / "train.src-tgt.tgt"
    first = np.frombuffer(name.with_suffix(".tgt.bin").read_bytes(), "<u2")
    line = read_text(name, DATA / "dict.tgt.txt")[0]
    ids = [*tokenizer.encode(line), tokenizer.eos]
    assert ids == first[: len(ids)].tolist()


@given(st.lists(WORDS, unique=True).filter(lambda words: not any(word.startswith("▁") for word in words)), st.data())
def test_known_symbols_come_back(symbols, data):
    tokenizer = dictionary(*symbols)
    line = " ".join(data.draw(st.lists(st.sampled_from(symbols)))) if symbols else ""
    assert tokenizer.decode(tokenizer.encode(line)) == line
    assert tokenizer.size == len(symbols) + len(SPECIALS)


def test_unknown_symbols_and_the_specials_own_names_are_unknown():
    tokenizer = dictionary("a")
    assert tokenizer.encode("a b <unk> <s> </s>") == [4, 3, 3, 3, 3]
    assert tokenizer.decode([1, 4, 3, 2, 0]) == "a <unk>"


def test_pieces_are_joined_by_their_mark():
    assert dictionary("▁in", "t", "▁x").decode([4, 5, 6]) == "int x"


def test_sentencepiece_cuts_what_its_dictionary_names():
    from composed.datamodules.tokenizers import BpeTokenizer

    text = "set var_1 to var_2 plus 10;"
    bpe = BpeTokenizer.train([text], size=40)
    tokenizer = dictionary(*bpe.pieces[4:], sentencepiece=bpe.model)
    assert tokenizer.encode(text) == bpe.encode(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_saved_dictionary_is_the_same(tmp_path):
    dictionary("a", "▁b").save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert (loaded.pieces, loaded.hash) == (dictionary("a", "▁b").pieces, dictionary("a", "▁b").hash)


def test_a_vocabulary_of_ours_becomes_a_dictionary(tmp_path):
    words = WordTokenizer.train(['int main () { cout << "a b" ; return 0; }'])
    write_dictionary(tmp_path / "dict.txt", words.pieces)
    symbols = read_dictionary(tmp_path / "dict.txt")
    assert len(symbols) == words.size - len(SPECIALS)
    assert '"a▁b"' in symbols
