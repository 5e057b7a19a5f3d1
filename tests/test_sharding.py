"""Weights in parts: each process has its share of them, and a training is the one of whole weights."""

import os
import shutil
import signal
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from composed.config.trainer import Trainer
from composed.errors import Interrupted
from composed.models.adaptation import add_adapters
from composed.models.composition import fingerprint, freeze
from composed.models.estimators import Estimator, rloo, self_critical
from composed.models.muon import hidden_matrices
from composed.models.relaxations import straight_through
from composed.models.sequence import DEFAULT_SPECIALS, Draws, SequenceModel
from composed.models.sharding import gathered, layers, load_optimizer, shard
from composed.models.transformer import Transformer
from composed.models.translation import Translated
from tests import toys
from tests.processes import together
from tests.test_training import composed_term, fit, last, same

CPU = torch.device("cpu")
ROWS, LENGTH = 24, 8
DDP = replace(toys.CPU, devices=2, strategy="ddp")
FSDP = replace(DDP, strategy="fsdp")


def transformer(seed: int = 0) -> SequenceModel:
    torch.manual_seed(seed)
    return Transformer(toys.VOCABULARY, width=16, layers=2, heads=2, feedforward=32)


def with_adapters() -> SequenceModel:
    model = transformer()
    add_adapters(model, 4)  # type: ignore[arg-type]
    for name, value in model.named_parameters():
        value.requires_grad_("adapter" in name)
    return model


def translated() -> SequenceModel:
    return Translated(transformer(), list, list, DEFAULT_SPECIALS, LENGTH)


def hugging_face(kind: str) -> SequenceModel:
    pytest.importorskip("transformers")
    from composed.models.huggingface import HuggingFace

    sizes = {"bart": {"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 24,
                      "decoder_ffn_dim": 24, "encoder_attention_heads": 2, "decoder_attention_heads": 2},
             "t5": {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_decoder_layers": 2,
                    "num_heads": 2}}[kind]  # fmt: skip
    torch.manual_seed(0)
    how: dict[str, Any] = {"pretrained": False, "own_tokenizer": False, "settings": sizes, "dropout": 0.0}
    return HuggingFace(toys.VOCABULARY, name=kind, specials=DEFAULT_SPECIALS, **how)


def fairseq() -> SequenceModel:
    if find_spec("fairseq") is None:
        pytest.skip("fairseq is not installed: make fairseq")
    from composed.models.fairseq_transformer import FairseqTransformer

    torch.manual_seed(0)
    return FairseqTransformer(toys.VOCABULARY, width=16, layers=2, heads=2, feedforward=32)


MODELS: dict[str, Callable[[], SequenceModel]] = {
    "transformer": transformer,
    "adapters": with_adapters,
    "translated": translated,
    "bart": lambda: hugging_face("bart"),
    "t5": lambda: hugging_face("t5"),
    "fairseq": fairseq,
}


def updates(f: Any, pi: Any, estimator: Estimator, rank: int, processes: int) -> list[float]:
    """Two updates, each of two parts, on every so-manieth row; the norms of the gradients before they are clipped."""
    optimizer = torch.optim.SGD([value for value in f.parameters() if value.requires_grad], 0.1)
    batch = toys.reversals(ROWS, 0).batch(list(range(rank, ROWS, processes)))
    numbers = torch.rand(ROWS, estimator.samples, LENGTH, dtype=torch.float64, generator=torch.manual_seed(1))
    norms = []
    for _ in range(2):
        optimizer.zero_grad()
        for _ in range(2):
            own = numbers[rank::processes].flatten(0, 1)
            source, target = batch.source, batch.target
            cost = estimator.surrogate(f, pi, source, target, draws=Draws(max_length=LENGTH, uniforms=own))
            loss = f.nll(source, target).sum() + 0.3 * cost.sum() + f.nll(target, target).sum()
            (processes * loss / ROWS).backward()
        norm = nn.utils.clip_grad_norm_(f.parameters(), 1.0)
        norms.append(float(gathered(norm)))
        optimizer.step()
    return norms


@pytest.mark.filterwarnings("ignore:FSDP2-wrapped module .* returned a view")  # of T5, and of BART's losses
@pytest.mark.parametrize(
    ("name", "denoiser", "estimator", "checkpointing"),
    [
        ("transformer", "transformer", rloo(3), True),
        ("transformer", "adapters", self_critical(2), False),
        ("transformer", "transformer", straight_through(2), False),
        ("adapters", "translated", rloo(3), False),
        ("bart", "t5", rloo(3), True),
        ("t5", "bart", rloo(3), False),
        ("fairseq", "fairseq", straight_through(2), False),
    ],
)
def test_updates_of_weights_in_parts_are_those_of_whole_ones(name, denoiser, estimator, checkpointing, tmp_path):
    f, pi = MODELS[name](), freeze(MODELS[denoiser]())
    f.checkpointing = checkpointing

    def work(rank: int) -> tuple[list[float], dict[str, Tensor]]:
        own = shard(f, CPU)
        norms = updates(own, shard(pi, CPU), estimator, rank, 2)
        return norms, gathered(own.state_dict())

    found = together(2, work, tmp_path)
    expected = updates(f, pi, estimator, 0, 1)
    for norms, weights in found:
        assert norms == pytest.approx(expected, rel=1e-4)
        assert weights.keys() == f.state_dict().keys()
        for parameter, value in f.state_dict().items():
            torch.testing.assert_close(weights[parameter], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("processes", [2, 3])
def test_each_process_has_its_part_of_every_parameter_and_no_more_after_an_update(processes, tmp_path):
    f, pi = transformer(), freeze(transformer(5))

    def work(rank: int) -> list[int]:
        own, frozen = shard(f, CPU), shard(pi, CPU)
        before = [value.to_local().numel() for value in [*own.parameters(), *frozen.parameters()]]
        updates(own, frozen, rloo(2), rank, processes)
        assert [value.to_local().numel() for value in [*own.parameters(), *frozen.parameters()]] == before
        return before

    parts = together(processes, work, tmp_path)
    whole = [*f.parameters(), *pi.parameters()]
    for rank, part in enumerate(parts):
        assert part == [value.chunk(processes)[rank].numel() for value in whole]
    if processes == 2:
        assert sum(parts[0]) == sum(parts[1]) == sum(value.numel() for value in whole) // 2


@pytest.mark.filterwarnings("ignore:FSDP2-wrapped module .* returned a view")
@pytest.mark.parametrize("name", ["transformer", "bart", "fairseq"])
def test_processes_may_decode_different_numbers_of_tokens(name, tmp_path):
    f = MODELS[name]().eval()
    source = toys.reversals(4, 0).batch(range(4)).source

    def work(rank: int) -> list[list[int]]:
        own = shard(f, CPU)
        own.nll(source, source).sum().backward()
        predicted = own.predict(source, max_length=1 + 9 * rank)
        sampled = own.sample(source, 2, draws=Draws(max_length=9 - 8 * rank, generator=torch.manual_seed(3)))
        own.nll(source, source).sum().backward()
        assert torch.equal(predicted, f.predict(source, max_length=1 + 9 * rank))
        assert torch.equal(
            sampled, f.sample(source, 2, draws=Draws(max_length=9 - 8 * rank, generator=torch.manual_seed(3)))
        )
        return predicted.tolist()

    assert len(together(2, work, tmp_path)) == 2


@pytest.mark.parametrize("name", MODELS)
def test_layers_are_the_encoders_and_the_decoders_and_have_all_but_embeddings_and_norms(name):
    model = MODELS[name]()
    found = layers(model)
    assert len(found) == 4 == len({id(layer) for layer in found})
    inside = {id(value) for layer in found for value in layer.parameters()}
    outside = [name for name, value in model.named_parameters() if id(value) not in inside]
    assert outside
    assert all("embed" in name or "norm" in name for name in outside)


@pytest.mark.parametrize("name", MODELS)
def test_hidden_matrices_are_matrices_of_layers_and_no_embeddings_norms_or_adapters(name):
    model = MODELS[name]()
    named = dict(model.named_parameters())
    hidden = hidden_matrices(model)
    assert len(hidden) >= 4 * 5  # of each layer, attention and feed-forward
    assert all(named[key].dim() == 2 for key in hidden)
    inside = {id(value) for layer in layers(model) for value in layer.parameters() if value.dim() == 2}
    left = [key for key, value in named.items() if id(value) in inside and key not in hidden]
    assert all("adapter" in key or "relative_attention_bias" in key for key in left)


def test_an_optimisers_state_is_gathered_by_all_for_one_and_goes_back_into_parts(tmp_path):
    f = transformer()
    source = toys.reversals(8, 0).batch(range(8)).source

    def update(model: SequenceModel, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        model.nll(source, source).sum().backward()
        optimizer.step()

    def adam(model: SequenceModel) -> torch.optim.Optimizer:
        return torch.optim.AdamW(model.parameters(), 1e-3, fused=True)

    def work(rank: int) -> tuple[Any, bool]:
        own = shard(f, CPU)
        first, second = adam(own), adam(own)
        update(own, first)
        whole = gathered(first.state_dict(), keep=rank == 0)
        load_optimizer(second, gathered(first.state_dict()))
        return whole, all(
            torch.equal(a.to_local(), b.to_local())
            for one, other in zip(first.state.values(), second.state.values(), strict=True)
            for name in ("exp_avg", "exp_avg_sq")
            for a, b in [(one[name], other[name])]
        )

    (kept, back), (dropped, also_back) = together(2, work, tmp_path)
    assert back
    assert also_back
    assert all(of_one["exp_avg"] is None for of_one in dropped["state"].values())
    optimizer = adam(f)
    update(f, optimizer)
    expected = optimizer.state_dict()
    assert kept["param_groups"] == expected["param_groups"]
    for number, of_one in expected["state"].items():
        for name, value in of_one.items():
            torch.testing.assert_close(kept["state"][number][name], value, rtol=1e-4, atol=1e-6)
    load_optimizer(optimizer, kept)
    assert same(optimizer.state_dict(), kept)


# -- whole trainings --------------------------------------------------------------------------------------------------


def trained(folder: Path, trainer: Trainer, **changes: Any) -> Any:
    """A training through a denoiser in two parts an update; the fingerprint of Pi after it and the best weights."""
    term = composed_term()
    task, best = fit(
        folder,
        trainer=trainer,
        model=toys.model(dropout=0.0),
        accumulate=2,
        clip=1.0,
        objective={"term": term, "denoising_weight": 0.5},
        denoising=toys.reversals(30, 2),
        **changes,
    )
    assert type(task.model) is Transformer
    return fingerprint(term.denoiser.parameters()), best, {k: v.clone() for k, v in task.model.state_dict().items()}


def in_two(work: Callable[[int], Any], folder: Path) -> list[Any]:
    """`work` in two processes that Lightning takes for torchrun's."""
    folder.mkdir(parents=True, exist_ok=True)

    def joined(rank: int) -> Any:
        numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "GROUP_RANK": 0}
        named = {"TORCHELASTIC_RUN_ID": "test", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
        os.environ.update({name: str(number) for name, number in numbers.items()} | named)
        return work(rank)

    return together(2, joined, folder)


@pytest.mark.parametrize(("trainer", "momentum"), [(FSDP, None), (FSDP, 0.95), (DDP, 0.95)])
def test_a_training_of_two_processes_is_that_of_one(trainer, momentum, tmp_path):
    """With weights in parts; with Muon, which needs whole matrices, also with whole ones in both."""
    whole = trained(tmp_path / "one", toys.CPU, momentum=momentum)
    work = partial(trained, tmp_path / "two", trainer, momentum=momentum)
    for denoiser, best, weights in in_two(lambda _: work(), tmp_path / "joined"):
        assert denoiser == whole[0] == fingerprint(toys.model(5).parameters())
        assert best["update"] == whole[1]["update"]
        assert best["selection"] == pytest.approx(whole[1]["selection"], rel=1e-5)
        for name, value in weights.items():
            # A key's bias changes no attention: its gradient is rounding, of which Adam makes as much as of any other.
            learned = slice(16, None) if name.endswith("key_value.bias") else slice(None)
            torch.testing.assert_close(value[learned], whole[2][name][learned], rtol=1e-3, atol=1e-4)


KILLED = pytest.param([0, 1], signal.SIGKILL, 6, marks=pytest.mark.slow("six trainings of two processes"))


@pytest.mark.parametrize(("of_ranks", "number", "kept"), [([1], signal.SIGTERM, 8), KILLED])
def test_stopped_or_killed_it_goes_on_to_the_same_bits_or_in_one_process(of_ranks, number, kept, tmp_path, stop_at):
    in_two(lambda _: trained(tmp_path / "whole", FSDP), tmp_path / "joined-0")

    def work(rank: int) -> None:
        if rank in of_ranks:
            stop_at(7, number)
        with pytest.raises(Interrupted):
            trained(tmp_path / "parts", FSDP)

    with pytest.raises(AssertionError) if number == signal.SIGKILL else nullcontext():
        in_two(work, tmp_path / "joined-1")
    assert last(tmp_path / "parts")["updates"] == kept
    shutil.copytree(tmp_path / "parts", tmp_path / "alone")
    in_two(lambda _: trained(tmp_path / "parts", FSDP), tmp_path / "joined-2")
    assert same(last(tmp_path / "whole"), last(tmp_path / "parts"))
    name = "best.safetensors"
    assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()

    _, best, _ = trained(tmp_path / "alone", toys.CPU)  # from the same checkpoint
    assert best["selection"] == pytest.approx(last(tmp_path / "whole")["best"]["selection"], rel=1e-4)


def test_a_checkpoint_of_one_process_goes_on_in_parts(tmp_path):
    trained(tmp_path / "one", toys.CPU)
    trained(tmp_path / "two", toys.CPU, updates=8)
    in_two(lambda _: trained(tmp_path / "two", FSDP), tmp_path / "joined")
    assert last(tmp_path / "two")["updates"] == 12
    one, two = (last(tmp_path / name)["best"]["selection"] for name in ("one", "two"))
    assert one == pytest.approx(two, rel=1e-3)
