"""The judge as a group: what of it tells runs apart, what it asks of the rest of a config, and how it is opened."""

import sys
from types import ModuleType

import pytest

from composed.config import Config
from composed.config.identity import beginning, denoiser_key, run_name, shaping
from composed.config.judge import SCHEMAS, opened
from composed.config.options import options, read_option
from composed.errors import ConfigError
from composed.judges.interface import TextJudge, class_of
from tests.test_configs import node


def config(*words: str) -> Config:
    return Config.of(node("profile=smoke", *words))


PLAIN = config()


@pytest.mark.parametrize("word", ["workers=3", "unsafe=true", "shared=false", "reuse=false"])
def test_how_it_runs_tells_no_runs_apart(word):
    assert shaping(config(f"judge.{word}")) == shaping(PLAIN)


@pytest.mark.parametrize("word", ["judge.seconds=3", "judge.memory=99", "judge=programs_tokens", "judge=match"])
def test_what_shapes_verdicts_tells_runs_apart_but_neither_denoisers_nor_beginnings(word):
    other = config(word)
    assert run_name(other) != run_name(PLAIN)
    assert denoiser_key(other) == denoiser_key(PLAIN)
    assert beginning(other) == beginning(PLAIN)


def test_where_the_judge_says_what_the_denoiser_learns_from_it_tells_denoisers_apart():
    words = ("pretraining.broken=true", "pretraining.fresh=false")
    one, other, running = config(*words), config(*words, "judge.seconds=3"), config(*words, "judge.workers=3")
    assert denoiser_key(one) == denoiser_key(running) != denoiser_key(other)
    assert beginning(one) == beginning(running) != beginning(other)


def test_a_file_of_labels_counts_by_its_content(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels").write_text("a\n")
    (tmp_path / "same").mkdir()
    (tmp_path / "same" / "labels").write_text("a\n")
    first = run_name(config("judge=match", "judge.labels=labels"))
    assert run_name(config("judge=match", "judge.labels=same/labels")) == first
    (tmp_path / "labels").write_text("b\n")
    assert run_name(config("judge=match", "judge.labels=labels")) != first


def test_a_program_counts_by_the_content_of_the_files_that_its_words_name(tmp_path):
    file = tmp_path / "check.py"
    words = ("judge=command", f"judge.program='python3 {file}'")
    file.write_text("1")
    first = shaping(config(*words))
    file.write_text("2")
    assert shaping(config(*words)) != first
    assert shaping(config(*words, "judge.reads=[/opt]")) == shaping(config(*words))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["judge=match", "decoding=resample"], "decoding=resample draws invalid outputs again: judge=match tells no"),
        (["judge=match", "pretraining.broken=true", "pretraining.fresh=false"], r"pretraining\.broken=true keeps"),
        (["judge=match", "judge.labels=nowhere"], r"judge\.labels=nowhere: no such file"),
        (["judge=command"], r"judge\.program=null: judge=command runs a program of yours"),
        (["judge=images"], "this option of judge is not for task=sanstype.*valid is judge=command or labels or"),
        (["task=fonts", "judge=programs"], "not for task=fonts.*valid is judge=images"),
        (["judge.name=rust"], r"judge\.name=rust: valid values are programs, python"),
        (["judge.name=engine"], r"judge\.name=engine: valid values are"),
        (["judge.seconds=0"], r"judge\.seconds=0: must be above 0"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(words, said):
    with pytest.raises(ConfigError, match=said):
        config(*words)


@pytest.mark.parametrize("words", [["judge=labels"], ["judge=match", "judge.pattern=a+"], ["judge=sql"]])
def test_what_can_tell_valid_outputs_may_be_asked(words):
    config(*words, "decoding=resample")
    config(*words, "pretraining.broken=true", "pretraining.fresh=false")


def test_every_option_opens_its_judge(tmp_path):
    for option in options("judge"):
        keys = read_option("judge", option)
        assert keys["name"] in SCHEMAS
        words = ["judge.program=cat"] if option == "command" else []
        words += {"images": ["task=fonts"], "numbers": ["task=staircase"]}.get(option, [])
        judge = opened(config(f"judge={option}", *words).judge, ["a"], workers=2)
        assert hasattr(judge, "score")
        assert getattr(judge, "workers", 2) == 2


def test_labels_of_the_training_are_those_that_it_is_given():
    judge = opened(config("judge=labels").judge, ["a", "b"])
    assert judge.faults([{"text": "a"}, {"text": "c"}]) == ["", "'c' is no label"]


def test_a_judge_of_ones_own_takes_its_keys(monkeypatch):
    module = ModuleType("composed.judges.odd")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    text = (
        "from composed.judges.interface import TextJudge\n"
        "class Judge(TextJudge):\n"
        "    def __init__(self, length, workers=None): self.length, self.workers = length, workers\n"
        "    def fault(self, row): return 'too long' if len(row['text']) > self.length else ''\n"
        "    def verdict(self, row): return 'correct' if len(row['text']) % 2 else 'wrong'\n"
    )
    exec(text, vars(module))
    own = Config.of({**node("profile=smoke"), "judge": {"name": "odd", "length": 3, "workers": None}})
    judge = opened(own.judge, workers=4)
    assert isinstance(judge, TextJudge)
    assert judge.workers == 4
    rows = [{"id": str(n), "text": "a" * n} for n in (1, 2, 5)]
    assert [each.verdict for each in judge.judge(rows)] == ["correct", "wrong", "invalid"]
    assert shaping(own)["judge"] == {"name": "odd", "length": 3, "workers": None}
    assert class_of("engine") is None  # a module that is none
