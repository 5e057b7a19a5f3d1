"""Font runs from config to result, in this process, at the smoke sizes."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from composed.cli import predict
from composed.cli.evaluate import main as evaluate_again
from composed.config.command_line import check_command_line
from composed.datamodules.fonts.glyphs import Glyphs
from composed.errors import ComposedError, ConfigError, Interrupted
from composed.experiment import evaluate, fine_tuning, train
from composed.experiment.run import run as train_run
from composed.judges.images import NORM
from composed.models.composition import fingerprint
from composed.runs.folder import RunFolder
from composed.runs.result import Result
from composed.system.files import read_json, read_lines, write_lines
from composed.tasks.image import ImageTask
from composed.tasks.module import Training
from composed.tasks.task import Request
from tests.test_configs import config


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def run(shared, tmp_path):
    def of(runs: str, *words: str) -> RunFolder:
        kept = [f"task.data={shared / 'data'}", f"store={shared / 'store'}", "trainer.precision=32-true"]
        settings = ["task=fonts", "profile=smoke", "logger=csv", f"runs={tmp_path / runs}", *kept, *words]
        return train_run(config(*settings), settings)

    return of


def weights(folder: RunFolder) -> bytes:
    return (folder.checkpoints / "best.safetensors").read_bytes()


def test_a_run_leaves_measures_predictions_and_pictures(run):
    folder = run("runs")
    result = read_json(folder.result)
    assert result["examples"] == {"test": 8}
    for output in ("base", "composition"):
        assert result["values"][output]["test"].keys() == {measure["name"] for measure in result["measures"]}
    with np.load(folder.path / "predictions-test.npz") as saved:
        assert {name: saved[name].shape for name in saved.files} == {
            "target": (8, 32, 32), "labels": (8, 2), "base": (8, 32, 32), "composition": (8, 32, 32),
        }  # fmt: skip
        error = np.square(saved["base"].astype(float) - (saved["target"] / 127.5 - 1)).mean()
    assert result["values"]["base"]["test"]["MSE"] == pytest.approx(error)
    noised, repaired, rewritten = result["quality"].values()
    assert noised > 0
    assert repaired != noised
    assert rewritten > 0
    for name in ("test", "denoising", "curves"):
        with Image.open(folder.path / "pictures" / f"{name}.png") as picture:
            assert min(picture.size) > 30
    assert "Pi(f(x))  test  MSE" in evaluate.summary(Result.read(folder.result), folder.path)


def test_the_same_seed_gives_the_same_bits_and_predictions_can_be_made_again(run):
    first, second, other = run("a"), run("b"), run("c", "seed=1")
    assert weights(first) == weights(second) != weights(other)
    values = read_json(first.result)["values"]
    assert values == read_json(second.result)["values"]
    (first.path / "predictions-test.npz").unlink()
    assert evaluate_again(["--predict", str(first.path)]) == 0
    assert read_json(first.result)["values"] == values


def test_text_is_written_in_a_face_as_the_run_predicts_it(run, tmp_path, capsys):
    folder = run("runs")
    with np.load(folder.path / "predictions-test.npz") as saved:
        (character, face), base, own = saved["labels"][0], saved["base"][0], saved["composition"][0]
    letter = folder.trained().task.characters[character]
    task, f, _, composition = evaluate.load_run(folder, folder.trained())
    images = task.answer(f, composition, Request(text=f"{letter} ", face=int(face)))
    assert np.allclose(images["base"][0], base, atol=2e-3)
    assert np.allclose(images["composition"][0], own, atol=2e-3)
    assert (images["composition"][1] == -1).all()
    words = [str(folder.path), "--font", str(face), "--text", f"{letter} {letter}", "-o", str(tmp_path / "t.png")]
    assert predict.main(words) == 0
    with Image.open(tmp_path / "t.png") as picture:
        assert picture.size[0] >= 3 * 32
    assert capsys.readouterr().out == ""


class Blank(torch.nn.Module):
    """Draws nothing, whatever is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, labels: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(labels), 1, 32, 32)


def test_a_picture_shows_the_faces_that_are_tested_however_few(tmp_path):
    images = np.zeros((9, 3, 32, 32), np.uint8)
    test = Glyphs(images, np.array([[7, 1]]), np.array([[1, 7]]))
    task = ImageTask({}, SimpleNamespace(test=test), "")  # type: ignore[arg-type]
    task.predict(RunFolder(tmp_path), Blank(), None)
    write_lines(tmp_path / "metrics.jsonl", [{"split": "training", "stage": "m", "update": 1, "loss": 1.0}])
    task.show(RunFolder(tmp_path), Blank(), None)
    with Image.open(tmp_path / "pictures" / "test.png") as picture:
        assert picture.size[1] == 2 * (32 + 2)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--font", "99", "--text", "A", "-o", "x"], "--font 99: f knows the faces 0 to"),
        (["--font", "0", "--text", "A?", "-o", "x"], "f does not know ?, only"),
        (["--font", "0"], "a picture needs all of --font, --text and -o"),
        (["--font", "0", "--text", "", "-o", "x"], "--text: is empty"),
        (["--font", "0", "--text", "  ", "-o", "x"], "--text: is empty, or blanks alone"),
        (["--font", "0", "--text", "A", "-o", "x.jpg"], "-o x.jpg: the picture is a PNG; name it x.png"),
    ],
)
def test_what_cannot_be_written_is_named(run, capsys, words, answer):
    assert predict.main([str(run("runs").path), *words]) > 0
    assert answer in capsys.readouterr().err


def test_a_stopped_training_goes_on_to_the_same_bits(run, monkeypatch):
    whole = run("whole")
    step = Training.training_step

    def stopping(self, batch, index):
        if batch.update == 7 and self.term is not None:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, batch, index)

    with monkeypatch.context() as patches:
        patches.setattr(Training, "training_step", stopping)
        with pytest.raises(Interrupted):
            run("parts")
    parts = run("parts")
    assert weights(whole) == weights(parts)
    assert whole.metrics.read_text() == parts.metrics.read_text()
    assert read_json(parts.training)["resumed"]


def test_composed_training_moves_f_through_a_denoiser_that_stays_bit_identical(run, monkeypatch):
    seen = []
    original = fine_tuning.fine_tuning

    def spy(task, pi, command):
        tuning = original(task, pi, command)
        model = tuning.training.model
        seen.append((pi, fingerprint(pi.state_dict().values()), tuning.training, fingerprint(model.parameters())))
        return tuning

    monkeypatch.setattr(train, "fine_tuning", spy)
    folder = run("runs")
    ((pi, before, task, start),) = seen
    assert fingerprint(pi.state_dict().values()) == before
    assert not any(module.training for module in pi.modules())
    assert fingerprint(task.model.parameters()) != start
    assert all(parameter.grad is None for parameter in pi.parameters())
    rows = [row for row in read_lines(folder.metrics) if row["split"] == "validation"]
    assert all(row["selection"] == row["composed_loss"] for row in rows)


def test_the_penalty_is_the_published_one_for_every_mode(run):
    """The plain sum of squares of all parameters but biases, scales of the normalisations included."""
    settings = config("task=fonts", "profile=smoke")
    for mode in ("baseline", "composed_pathwise"):
        of_mode = replace(settings, finetuning=config("task=fonts", f"finetuning={mode}").finetuning)
        task = ImageTask(of_mode, SimpleNamespace(train=None, val=None), "")  # type: ignore[arg-type]
        training = fine_tuning.fine_tuning(task, torch.nn.Identity(), "").training
        state = dict(training.model.named_parameters())
        kept = [value for name, value in state.items() if not name.endswith("bias")]
        (penalty,) = training.penalties
        expected = sum(value.square().sum().item() for value in kept)
        assert penalty.value(training.model).item() == pytest.approx(expected, rel=1e-5)
        assert any(value.dim() == 1 for value in kept)
        assert penalty.weight == settings.optim.l2 > 0


def test_more_penalty_gives_a_smaller_norm(run):
    norms = [
        read_json(run(name, f"optim.l2={l2}", "finetuning=baseline", "optim.lr=3e-3").result)["values"]["base"]["test"]
        for name, l2 in (("none", 0.0), ("much", 0.1))
    ]
    assert norms[1][NORM] < norms[0][NORM]


def test_without_a_denoiser_there_is_one_output(run):
    assert read_json(run("runs", "finetuning=baseline", "pretraining=none").result)["values"].keys() == {"base"}


def test_weights_of_other_characters_are_refused(run, shared, tmp_path):
    folder = run("first")
    with pytest.raises(ComposedError, match="another vocabulary"):
        run("second", "task.characters=ABCDEF", f"finetuning.start_from={folder.path}")


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("finetuning=standard", "f cannot start from the denoiser in task=fonts"),
        ("finetuning=lora", "f cannot start from the denoiser in task=fonts"),
        ("estimator=rloo", "not for task=fonts, whose outputs are of kind image; valid is estimator=pathwise"),
        ("noise=template", "valid is noise=blur or chain or contrast or emboss"),
        ("model=transformer", "valid is model=glyphs"),
        ("optim=full_batch", "valid is optim=adam_images"),
        ("pretraining=denoise", "valid is pretraining=denoise_images or none"),
        ("finetuning.depth=2", "finetuning.depth=2: not for task=fonts, where it has to be 1"),
        ("task.size=20", "must be a multiple of 8"),
        ("task.characters=AAB", "none of them twice"),
        ("noise.radius=-1.0", "at least 0"),
        ("finetuning.start_from=baseline", "valid values are scratch and the folder of a finished run"),
    ],
)
def test_what_does_not_fit_fonts_is_refused_before_any_data_is_read(word, answer):
    with pytest.raises(ConfigError, match=answer):
        check_command_line(["task=fonts", word])
