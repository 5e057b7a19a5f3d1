"""What a run does on an accelerator, each part on the pretended one and on the CPU: the answers have to be the same.

`python -m tests.device.parts PART LIBRARY`, in a process of its own: a device is for a whole process.
"""

import copy
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.accelerators import Accelerator
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor, nn

from composed.config.trainer import Trainer
from composed.errors import Interrupted
from composed.models import estimators, relaxations
from composed.models.adaptation import add_adapters, add_low_rank, merged_state
from composed.models.anchor import Anchor, fisher
from composed.models.classifier import Classifier
from composed.models.composition import Composition, freeze
from composed.models.mlp import GlyphPredictor
from composed.models.pathwise import Pathwise
from composed.models.sequence import Draws
from composed.models.translation import Translated
from composed.models.unet import UNet
from composed.tasks.loss import ComposedTerm
from composed.tasks.module import Stage, Training
from composed.training.fit import train
from tests import device, toy_models, toys

LONGEST = 7
SOURCE, TARGET = toy_models.sources(), toy_models.rows([5, 6, 2], [7, 2], [4, 9, 10, 2])
THERE: torch.device


class Pretended(Accelerator):
    """To Lightning."""

    setup_device = teardown = get_device_stats = lambda *_: None
    parse_devices = get_parallel_devices = staticmethod(lambda _devices: [THERE])
    auto_device_count = is_available = staticmethod(lambda: 1)
    name = staticmethod(lambda: device.NAME)


def trainer(half: bool = False) -> Trainer:
    precision = MixedPrecision("bf16-mixed", device.NAME) if half else Precision()
    strategy = SingleDeviceStrategy(THERE, Pretended(), precision_plugin=precision)
    return replace(toys.CPU, accelerator="auto", precision=None, lightning={"strategy": strategy})


def half() -> torch.autocast:
    return torch.autocast(device.NAME, torch.bfloat16)


def both(model: nn.Module) -> tuple[Any, Any]:
    return model, copy.deepcopy(model).to(THERE)


def equal(here: Any, there: Any) -> None:
    assert there.device == THERE
    torch.testing.assert_close(there.detach().cpu(), here.detach(), rtol=1e-3, atol=1e-5)


def same(here: nn.Module, there: nn.Module, ask: Callable[[nn.Module, Callable[[Any], Any]], Tensor]) -> None:
    """What `ask` finds out about a model, and its gradients; in half precision too, where it has to be finite."""
    losses = ask(here, lambda value: value), ask(there, lambda value: value.to(THERE))
    equal(*losses)
    for model, loss in zip((here, there), losses, strict=True):
        model.zero_grad()
        loss.sum().backward()
    for (name, value), other in zip(here.named_parameters(), there.parameters(), strict=True):
        assert (value.grad is None) == (other.grad is None), name
        if value.grad is not None:
            equal(value.grad, other.grad)
    with half():
        loss = ask(there, lambda value: value.to(THERE))
    loss.sum().backward()
    assert loss.isfinite().all()


def same_rows(here: Any, there: Any) -> None:
    """Of any model of text: likelihoods, samples by the same numbers, greedy rows and beams."""
    same(here, there, lambda model, on: model.nll(on(SOURCE), on(TARGET), label_smoothing=0.1))
    numbers = torch.rand(6, 40, dtype=torch.float64)
    drawn = here.sample(SOURCE, 2, draws=Draws(max_length=40, uniforms=numbers))
    equal(drawn, there.sample(SOURCE.to(THERE), 2, draws=Draws(max_length=40, uniforms=numbers.to(THERE))))
    there.sample(SOURCE.to(THERE), draws=Draws(max_length=40, generator=torch.Generator(THERE).manual_seed(1)))
    for beams in (1, 3):
        row = here.predict(SOURCE, max_length=9, beams=beams)
        equal(row, there.predict(SOURCE.to(THERE), max_length=9, beams=beams))
        with half():
            there.predict(SOURCE.to(THERE), max_length=9, beams=beams)


def transformer() -> None:
    here, there = both(toy_models.tiny())
    same_rows(here, there)
    soft = torch.rand(3, 6, 9).softmax(2) * (SOURCE != 0)[..., None]
    same(here, there, lambda model, on: model.nll(on(soft), on(TARGET)))
    here.checkpointing = there.checkpointing = True
    same(here, there, lambda model, on: model.logits(on(SOURCE), on(TARGET)))
    long = torch.full((2, 600), 5)
    equal(here.encode(long).states, there.encode(long.to(THERE)).states)  # positions grow on the device
    dropping = toy_models.tiny(dropout=0.3, attention_dropout=0.2, activation_dropout=0.2).to(THERE).train()
    with half():
        dropping.nll(SOURCE.to(THERE), TARGET.to(THERE)).sum().backward()


def term(estimator: Any, here: Any, there: Any, judges: dict[Any, Any]) -> None:
    numbers = torch.rand(len(SOURCE) * estimator.samples, LONGEST, dtype=torch.float64)

    def ask(model: Any, on: Callable[[Any], Any]) -> Tensor:
        torch.manual_seed(4)  # of the device too: it draws what the CPU draws
        return estimator.surrogate(
            model, judges[model], on(SOURCE), on(TARGET), draws=Draws(max_length=LONGEST, uniforms=on(numbers))
        )

    same(here, there, ask)


def composed_loss() -> None:
    knobs = {"cap": 2.0, "reach": 2.0, "entropy": 0.1, "normalize": True, "dropout": True}
    tried = [
        *(estimators.reinforce(2), estimators.reinforce(2, True), estimators.rloo(3), estimators.rloo(3, **knobs)),
        *(estimators.self_critical(2, reach=1.0), estimators.vimco(3), estimators.posterior(3)),
        *(relaxations.straight_through(2), relaxations.straight_through(1, True, dropout=True)),
        *(relaxations.gumbel(2), relaxations.gumbel(2, hard=True), relaxations.expected_embedding(2)),
    ]
    here, there = both(toy_models.tiny(0))
    judges = dict(zip((here, there), map(freeze, both(toy_models.tiny(1))), strict=True))
    for training in (False, True):
        for estimator in tried:
            term(estimator, here.train(training), there.train(training), judges)

    def spell(ids: Any) -> list[int]:
        return [*(token for token in ids if token != toys.EOS), toys.EOS]

    by_text = {f: freeze(Translated(pi, spell, spell, pi.specials, LONGEST)) for f, pi in judges.items()}
    term(estimators.rloo(2), here, there, by_text)


def composition() -> None:
    f, pi = both(toy_models.tiny(0)), [*map(freeze, both(toy_models.tiny(1)))]
    judge = both(Classifier(toy_models.tiny(2)))
    same(*judge, lambda model, on: model.nll(on(SOURCE), on(TARGET)))
    for above in (0.3, 0.5, 0.7):
        here, there = (Composition(*each, above) for each in zip(f, pi, judge, strict=True))
        for beams in (1, 2):
            row = here.predict(SOURCE, max_length=LONGEST, beams=beams)
            equal(row, there.predict(SOURCE.to(THERE), max_length=LONGEST, beams=beams))


def rows_of(folder: Path, how: Trainer, adapt: Callable[[Any], Anchor | None], **changes: Any) -> list[Any]:
    """The metrics of a training with everything in it."""
    model = toys.model(dropout=0.0)
    anchor = adapt(model)
    term = ComposedTerm(freeze(toys.model(5)), estimators.rloo(2), 0.1, 4, max_length=8)
    stages = [Stage(0.67, {"decoder": 0.5}), Stage(0.33)]
    more = {"term": term, "denoising_weight": 0.5, "penalties": [anchor] if anchor else [], "stages": stages}
    task = Training(model, toys.optim(**changes), seed=0, **more)
    train(
        task,
        [toys.reversals(40, 0), toys.reversals(20, 3)],
        toys.reversals(8, 1),
        denoising=toys.reversals(30, 2),
        stage="test",
        checkpoints=folder,
        metrics=folder / "metrics.jsonl",
        metadata={"vocabulary": "toy"},
        trainer=how,
        loggers=[],
    )
    assert next(task.model.parameters()).device == (torch.device("cpu") if how is toys.CPU else THERE)
    return [json.loads(row) for row in (folder / "metrics.jsonl").read_text().splitlines()]


def ewc(model: Any) -> Anchor:
    examples = [toys.reversals(3, 7).batch([row]) for row in range(3)]
    return Anchor(model, 0.1, fisher(model, [(each.source, each.target) for each in examples]))


def training() -> None:
    ways: list[tuple[Callable[[Any], Any], dict[str, Any]]] = [
        (ewc, {}),
        (lambda model: add_low_rank(model, 2), {"accumulate": 2, "clip": 1.0}),
        (lambda model: add_adapters(model, 4), {}),
    ]
    for adapt, changes in ways:
        with tempfile.TemporaryDirectory() as folder:
            here = rows_of(Path(folder) / "here", toys.CPU, adapt, **changes)
            there = rows_of(Path(folder) / "there", trainer(), adapt, **changes)
            rows_of(Path(folder) / "half", trainer(half=True), adapt, **changes)
        for row, other in zip(here, there, strict=True):
            for key in {*row} - {"stage", "split"}:
                assert abs(row[key] - other[key]) <= 2e-2 * max(1, abs(row[key])), (row, other)


class Stop(pl.Callback):
    def on_before_optimizer_step(self, _trainer: Any, task: Any, _optimizer: Any) -> None:
        if task.updates == 5:
            os.kill(os.getpid(), signal.SIGTERM)


def resuming() -> None:
    """A stopped training goes on to the same metrics."""
    with tempfile.TemporaryDirectory() as folder:
        whole = rows_of(Path(folder) / "whole", trainer(), lambda _model: None)
        original = pl.Trainer.__init__
        pl.Trainer.__init__ = lambda *a, callbacks, **k: original(*a, callbacks=[*callbacks, Stop()], **k)  # type: ignore
        try:
            rows_of(Path(folder) / "parts", trainer(), lambda _model: None)
            raise AssertionError("not stopped")
        except Interrupted:
            pl.Trainer.__init__ = original  # type: ignore[method-assign]
        assert rows_of(Path(folder) / "parts", trainer(), lambda _model: None) == whole


def images() -> None:
    torch.manual_seed(0)
    here, there = both(GlyphPredictor(5, 6, 16, widths=[8, 8, 8], dropout=0.0, batch_norm_eps=0.8))
    judges = dict(zip((here, there), map(freeze, both(UNet(width=4, dropout=0.0))), strict=True))
    labels, glyphs = torch.randint(5, (7, 2)), torch.rand(7, 1, 16, 16)
    same(here, there, lambda model, on: Pathwise().surrogate(model, judges[model], on(labels), on(glyphs)))


def huggingface() -> None:
    from composed.models.huggingface import HuggingFace
    from composed.models.sequence import Specials

    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_decoder_layers": 1, "num_heads": 2}
    torch.manual_seed(0)
    here: Any = HuggingFace(
        11, name="t5", specials=Specials(), pretrained=False, own_tokenizer=False, settings=sizes, dropout=0.0
    )
    same_rows(*both(here.eval()))
    here.add_low_rank(2)
    here, there = both(here)
    here.checkpointing = there.checkpointing = True
    same(here, there, lambda model, on: model.nll(on(SOURCE), on(TARGET)))
    assert {value.device for value in merged_state(there).values()} == {THERE}


PARTS = {part.__name__: part for part in (
    transformer, composed_loss, composition, training, resuming, images, huggingface
)}  # fmt: skip

if __name__ == "__main__":
    os.environ["COMPOSED_NATIVE"] = "0"  # rows are decoded on the device, and here, by the same code
    torch.set_num_threads(1)
    THERE = device.start(Path(sys.argv[2]))
    PARTS[sys.argv[1]]()
