"""What a task of text makes: pairs to denoise, corrupted once or anew, and only what no longer compiles if asked."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from composed.config.instantiate import instantiate
from composed.datamodules.batching import Redrawn
from composed.datamodules.noise import corrupt
from composed.datamodules.text import Split, TextData
from composed.datamodules.tokenizers import train
from composed.errors import ConfigError, DataError
from composed.models.identity import Identity
from composed.tasks import reading
from composed.tasks.reading import prediction_rows
from composed.tasks.text import TextTask
from composed.tasks.tokenizer import longest_output, make_tokenizer
from tests.test_configs import config

PROGRAMS = [f"int main ( ) {{ $ ~ int a , b = {n} ; $ ~ cin >> a ; $ ~ cout << a + b ; $ }}" for n in range(60)]


@pytest.fixture
def settings():
    return config("task=spoc", "profile=smoke")


@pytest.fixture
def task(settings) -> TextTask:
    from composed.datamodules.spoc.code import to_cpp

    split = Split(PROGRAMS, PROGRAMS, [()] * len(PROGRAMS))
    data = TextData(split, split, {"id": split}, PROGRAMS, PROGRAMS, as_output=to_cpp, as_source=str)
    return TextTask(settings, data, train("bpe_bytes", PROGRAMS, 400), max_length=60)


def texts(task: TextTask, rows) -> list[str]:
    return [task.tokenizer.decode(row) for row in rows]


def test_programs_corrupted_anew_differ_from_update_to_update_and_repeat(task):
    pairs = task.denoising_pairs(PROGRAMS, 3, fresh=True)
    assert isinstance(pairs, Redrawn)
    first, second, again = (pairs.batch(range(20), update=update).source.tolist() for update in (0, 1, 0))
    assert first == again != second
    assert texts(task, pairs.batch(range(20)).target.tolist()) == PROGRAMS[:20]


def test_programs_corrupted_once_stay(task):
    pairs = task.denoising_pairs(PROGRAMS, 3)
    assert texts(task, pairs.targets) == PROGRAMS
    changed = sum(source != target for source, target in zip(texts(task, pairs.sources), PROGRAMS, strict=True))
    assert len(PROGRAMS) / 2 < changed < len(PROGRAMS)
    assert pairs.batch([0], update=0).source.tolist() == pairs.batch([0], update=9).source.tolist()


def test_only_what_no_longer_compiles_is_kept_and_what_was_left_as_it_was(task):
    clean = PROGRAMS[:4]
    wrong = [("int a", "a"), ("a + b", "b + a"), (">> a", ">> c")]
    noised = [clean[0], *(text.replace(*change) for text, change in zip(clean[1:], wrong, strict=True))]
    assert task.broken(clean, noised) == [0, 1, 3]


def test_how_long_outputs_may_be_is_what_training_says_and_what_is_longer_is_told(task, capsys):
    longer = Split(PROGRAMS, [*PROGRAMS[1:], PROGRAMS[0] * 3], [()] * len(PROGRAMS))
    tokens = len(task.tokenizer.encode(PROGRAMS[0] * 3))
    tested = TextData(task.data.train, task.data.val, {"id": longer}, [], [], as_output=str, as_source=str)
    most = max(len(task.tokenizer.encode(line)) for line in PROGRAMS)
    assert longest_output(task.tokenizer, tested) == longest_output(task.tokenizer, task.data) == round(1.25 * most) + 1
    TextTask({}, tested, task.tokenizer, tokens + 1).tell_too_long()
    assert capsys.readouterr().err == ""
    TextTask({}, tested, task.tokenizer, tokens).tell_too_long()
    assert f"1 of {len(PROGRAMS)} gold outputs of id are longer" in (said := capsys.readouterr().err)
    assert f"task.max_length={tokens + 1} has room" in said


@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_labels_do_not_decide_which_denoiser_there_is(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(
        reading.judges,
        "execute",
        lambda codes, inputs, **how: [SimpleNamespace(verdict="correct", printed=[b""] * len(each)) for each in inputs],
    )
    shapes = []
    for labels in (5, 1200):  # so few have not all words of the pseudocode
        words = [f"task.data={tmp_path}", f"task.sizes.train={labels}", "task.sizes.unlabeled=300"]
        small = ("task.sizes.unlabeled_val=10", "task.sizes.test=10", "task.sizes.ood=10")
        settings = config(*words, *small, f"tokenizer.kind={kind}")
        task = TextTask.open(settings)
        shapes.append(task.identity_of_denoiser())
        known = [*task.data.train.sources, *task.data.train.targets, *task.data.unlabeled, *task.data.val.sources]
        assert not any(task.tokenizer.unk in task.tokenizer.encode(text) for text in known)
    assert shapes[0] == shapes[1]


def test_what_is_no_model_is_told_before_what_its_tokenizer_lacks(task, tmp_path, monkeypatch):
    transformers, hub = pytest.importorskip("transformers"), pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    transformers.GPT2Config().save_pretrained(tmp_path)
    for name, error, says in (
        (str(tmp_path), ConfigError, "gpt2, which is no encoder-decoder"),
        ("nobody/nothing", DataError, "no folder with a config.json, and no model of that id can be reached"),
    ):
        with pytest.raises(error, match=says):
            make_tokenizer(config("model=huggingface", f"model.name={name}"), task.data)


@pytest.fixture
def with_tokenizer(tmp_path):
    """Saves a BART whose tokenizer drops what is none of its pieces; returns the config of a task with that model."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    def save(pieces: str, *, lower: bool = False) -> dict:
        ids = {piece: place for place, piece in enumerate(["<pad>", "</s>", *pieces])}
        inner = Tokenizer(models.BPE(ids, []))  # of single characters, without bytes and without unk
        inner.normalizer = normalizers.Sequence([normalizers.Lowercase()] if lower else [])
        inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
        inner.decoder = decoders.Metaspace(prepend_scheme="never", split=False)
        inner.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
        named = {"pad_token": "<pad>", "eos_token": "</s>"}
        transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **named).save_pretrained(tmp_path)
        transformers.BartConfig(vocab_size=len(ids)).save_pretrained(tmp_path)
        return config("model=huggingface", f"model.name={tmp_path}")

    return save


LETTERS = "\u2581abcimnottu{}();<>+=~$,0123456789"


@pytest.mark.parametrize(
    ("pieces", "lower", "changed"),
    [(LETTERS, False, ""), (LETTERS, True, ""), (LETTERS.replace("+", ""), False, "60 of 60"),
     (LETTERS.replace("7", ""), False, "6 of 60")],
)  # fmt: skip
def test_how_much_a_tokenizer_drops_is_told(task, with_tokenizer, capsys, pieces, lower, changed):
    make_tokenizer(with_tokenizer(pieces, lower=lower), task.data)
    said = capsys.readouterr().err
    assert f"gives back {changed} training targets otherwise, such as 'int main ( ) {{" in said if changed else not said


def test_a_tokenizer_that_writes_programs_in_small_letters_is_told(task, with_tokenizer, capsys):
    capitals = [text.replace("a", "A") for text in PROGRAMS]
    split = Split(PROGRAMS, capitals, [()] * len(PROGRAMS))
    data = TextData(split, split, {"id": split}, [], [], as_output=str, as_source=str)
    make_tokenizer(with_tokenizer(LETTERS, lower=True), data)
    assert "60 of 60 training targets otherwise" in (said := capsys.readouterr().err)
    assert "sources" not in said


@pytest.mark.parametrize("pieces", ["", "xyz", "("])
def test_a_tokenizer_that_leaves_nothing_to_learn_is_refused(task, with_tokenizer, pieces):
    with pytest.raises(DataError, match=r"60 of 60 training targets otherwise.*nothing of them is left to learn"):
        make_tokenizer(with_tokenizer(pieces), task.data)


def test_weights_alone_are_refused_for_want_of_a_tokenizer(task, tmp_path):
    transformers = pytest.importorskip("transformers")
    transformers.BartConfig().save_pretrained(tmp_path)
    with pytest.raises(DataError, match="tokenizer"):
        make_tokenizer(config("model=huggingface", f"model.name={tmp_path}"), task.data)


def test_the_sample_is_of_median_length(task):
    lines = ["int a ;", f"int {'a + ' * 50} a ;", "int a = 1 + 2 ;"]
    pairs = task.pairs(Split(lines, lines, [()] * 3))

    class Echo:
        training = False

        def predict(self, source, *, max_length):
            return source

        def parameters(self):
            return iter([torch.zeros(1)])

        def eval(self):
            pass

        def train(self, on):
            pass

    told = task.teller(pairs, None, ("x", "f(x)"))(SimpleNamespace(model=Echo(), term=None))  # type: ignore[arg-type]
    assert told.splitlines() == ["    x         int a = 1 + 2 ;", "    f(x)      int a = 1 + 2 ;"]


def test_a_prediction_says_whether_it_is_the_gold_program_up_to_what_the_data_call_style(task):
    split = Split(PROGRAMS[:3], PROGRAMS[:3], [()] * 3)
    written = [PROGRAMS[0].upper(), PROGRAMS[1].replace(" $ ", " $  "), PROGRAMS[1]]
    for normal_form, strict in ((None, [False, True, False]), (str.upper, [True, False, False])):
        data = task.data if normal_form is None else replace(task.data, normal_form=normal_form)
        rows = prediction_rows(data, split, {"base": written})
        assert [row["strict"] for row in rows] == strict


def test_a_prediction_says_whether_its_gold_program_is_a_target_of_the_training(task):
    split = Split(PROGRAMS[:2], ["other", f"{PROGRAMS[7]} "], [()] * 2)
    assert [row["known"] for row in prediction_rows(task.data, split, {"base": ["", ""]})] == [False, True]


def test_a_denoiser_that_repairs_nothing_has_that_quality(task):
    """And one that says the same of everything changes every gold program but one."""
    noised = corrupt(PROGRAMS, instantiate(task.config.noise), task.config.replicate)
    corrupted = sum(new != old for new, old in zip(noised, PROGRAMS, strict=True))
    shares = {"repaired %": 0, "exactly %": 0, "gold changed %": 0}
    copies = Identity(task.tokenizer.size, task.specials)
    found = task.quality(copies)
    assert found.pop("loss in nats") > 0
    assert found == {"corrupted": corrupted, "gold": 60, **shares}
    row = torch.tensor([[*task.tokenizer.encode(PROGRAMS[0]), task.specials.eos]])
    copies.predict = lambda source, **_: row.repeat(len(source), 1)
    repaired = sum(new != old == PROGRAMS[0] for new, old in zip(noised, PROGRAMS, strict=True))
    found = task.quality(copies)
    assert found["gold changed %"] == pytest.approx(100 * 59 / 60)
    assert found["repaired %"] == found["exactly %"] == pytest.approx(100 * repaired / corrupted)
