"""Content, not a path, says which files a run and a denoiser are of; where a file lies says nothing."""

import shutil
from pathlib import Path

import matplotlib
import pytest

from composed.datamodules.tokenizers import BpeTokenizer, DictionaryTokenizer, Tokenizer, train
from composed.runs.folder import RunFolder
from composed.tasks.image import ImageTask
from tests.test_configs import config
from tests.test_test_sets import write_data

FACES = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def name(*words: str) -> str:
    return RunFolder.of(config("profile=smoke", *words)).path.name


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("mine/train.tgt", ["task.folder={}/mine"]),
        ("mine/train-train.src-tgt.tgt.bin", ["task.folder={}/mine"]),
        ("mine/train/split/spoc-train-train.tsv", ["task=spoc", "task.folder={}/mine"]),
        ("mine/testcases/1A/1A_testcases.txt", ["task=spoc", "task.folder={}/mine"]),
        ("own/deep/a.cpp", ["task=spoc", "task.unlabeled={}/own"]),
        ("faces/deep/a.ttf", ["task=fonts", "task.faces={}/faces"]),
        ("fonts.hdf5", ["task=fonts", "task.faces={}/fonts.hdf5"]),
        ("tokenizer.json", ["tokenizer.file={}/tokenizer.json"]),
        ("pi/best.safetensors", ["denoiser={}/pi"]),
        ("pi/checkpoints/best.safetensors", ["denoiser={}/pi"]),
        ("pi.safetensors", ["denoiser={}/pi.safetensors"]),
        ("f/checkpoints/best.safetensors", ["finetuning=standard", "finetuning.start_from={}/f"]),
        *(
            (f"bart/{file}", ["model=huggingface", "model.name={}/bart"])
            for file in ("model.safetensors", "merges.txt")
        ),
        *((f"t5/{file}", ["model=huggingface", "model.name={}/t5"]) for file in ("spiece.model", "vocab.txt")),
        ("t5/config.json", ["pretraining=denoise_huggingface", "pretraining.model.name={}/t5"]),
    ],
)
def test_a_run_is_named_by_the_content_of_the_files_that_it_names(file, words, tmp_path):
    def of(folder: Path) -> str:
        return name(*(word.format(folder) for word in words))

    path = write(tmp_path / "one" / file, "first")
    first = of(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert of(tmp_path / "two") == first
    path.write_text("later")
    assert of(tmp_path / "one") != first == of(tmp_path / "two")
    path.write_text("first")
    assert of(tmp_path / "one") == first
    path.rename(path.with_stem("renamed"))
    assert of(tmp_path / "one") != first


def test_what_lies_beside_the_data_is_none_of_them(tmp_path):
    folder = write_data(tmp_path / "mine", "train", "val", "test")
    first = name(f"task.folder={folder}")
    for path in ("runs/a/config.yaml", "make_mine.py", "report/table.csv", ".cache"):
        write(folder / path, "anything")
    assert name(f"task.folder={folder}") == first


def test_a_task_that_does_not_say_what_it_reads_reads_the_files_of_its_folder_itself(tmp_path):
    words = ["task.name=nothing", f"task.folder={tmp_path}"]
    write(tmp_path / "data.csv", "1")
    first = name(*words)
    write(tmp_path / "deep" / "more.csv", "1")
    assert name(*words) == first
    write(tmp_path / "data.csv", "2")
    assert name(*words) != first


def test_the_key_of_a_run_is_that_of_its_data_when_it_began(tmp_path):
    folder = write_data(tmp_path / "mine", "train", "val", "test")
    settings = config("profile=smoke", f"task.folder={folder}", f"runs={tmp_path}")
    run = RunFolder.of(settings)
    run.describe(settings, [])
    began = run.shape()
    (folder / "train.src").write_text("changed\n" * 4)
    assert run.shape() == began
    assert RunFolder.of(settings).path != run.path


def test_faces_of_the_same_number_in_the_same_folder_are_no_same_faces(tmp_path):
    """The denoiser's key in the store, too, is that of what the files hold."""
    words = ["task=fonts", "profile=smoke", f"task.data={tmp_path / 'data'}", "task.sizes.faces=2"]
    words += ["task.sizes.unlabeled=1", "task.sizes.train=4", "task.sizes.val=2", "task.sizes.test=2"]
    keys = []
    for folder, fonts in (
        ("a", ["DejaVuSans", "DejaVuSerif", "cmr10", "STIXGeneral"]),
        ("b", ["DejaVuSans", "DejaVuSerif", "cmr10", "STIXGeneral"]),
        ("a", ["DejaVuSans", "DejaVuSerif", "cmr10", "STIXGeneralItalic"]),
    ):
        shutil.rmtree(tmp_path / folder, ignore_errors=True)
        (tmp_path / folder).mkdir()
        for place, font in enumerate(fonts):
            shutil.copy(FACES / f"{font}.ttf", tmp_path / folder / f"{place}.ttf")
        keys.append(ImageTask.open(config(*words, f"task.faces={tmp_path / folder}")).key)
    assert keys[0] == keys[1] != keys[2]


def test_the_hash_of_a_vocabulary_is_of_all_that_cuts_a_text(tmp_path):
    texts = ["set a to 1", "set b to a"]
    bpe = train("bpe", texts, 20)
    assert isinstance(bpe, BpeTokenizer)
    bpe.save(tmp_path / "bpe.json")
    assert Tokenizer.load(tmp_path / "bpe.json").hash == bpe.hash == train("bpe", texts, 20).hash
    symbols = [*bpe.pieces[4:]]
    read = [DictionaryTokenizer({"symbols": symbols, "sentencepiece": model}).hash for model in (None, bpe.model)]
    assert len({*read}) == 2


def test_merges_of_a_hugging_face_tokenizer_are_part_of_its_hash(tmp_path):
    transformers, tokenizers = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")
    from composed.datamodules.tokenizers_huggingface import HuggingFaceTokenizer

    pieces = ["<pad>", "</s>", "<unk>", "a", "b", "c", "ab", "bc", "abc"]
    hashes = []
    for place, merges in enumerate(([("a", "b"), ("ab", "c")], [("b", "c"), ("a", "bc")])):
        inner = tokenizers.Tokenizer(
            tokenizers.models.BPE({piece: at for at, piece in enumerate(pieces)}, merges, unk_token="<unk>")
        )
        inner.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
        own = transformers.PreTrainedTokenizerFast(
            tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
        )
        own.save_pretrained(tmp_path / str(place))
        found = HuggingFaceTokenizer(str(tmp_path / str(place)))
        assert found.pieces == tuple(pieces)
        hashes.append(found.hash)
        assert HuggingFaceTokenizer(str(tmp_path / str(place))).hash == found.hash
    assert hashes[0] != hashes[1]


def test_a_mode_that_others_start_from_shapes_them(tmp_path):
    first = name("finetuning=composed_from_standard")
    assert name("finetuning=composed_from_standard", "schedules.pretrained.lr=1e-5") != first
    assert name("finetuning=standard", "schedules.scratch.lr=1e-5") == name("finetuning=standard")
