"""What a model of texts knows of denoising: how good Pi is, and what f has kept of what Pi knows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from composed.datamodules.batching import Pairs, encode, plan
from composed.datamodules.repairs import quality
from composed.datamodules.tokenizers import Tokenizer
from composed.models.adaptation import merged_state
from composed.models.encoder_decoder import EncoderDecoder
from composed.system import processes
from composed.tasks.writing import ROWS, decode_all


@dataclass(frozen=True)
class Examination:
    """What models are asked; the ranks share it, and all of them have to call.

    Args:
        clean, noised: outputs, and what noise made of them, in the same order.
        gold: right outputs, which a denoiser should leave alone.
        tokenizer: of what the models read and write, at most `max_length` tokens.
        normal_form: the same for texts that differ in style alone.
    """

    clean: Sequence[str]
    noised: Sequence[str]
    gold: Sequence[str]
    tokenizer: Tokenizer
    max_length: int
    normal_form: Callable[[str], str]

    def knowledge(self, model: Any) -> dict[str, float]:
        """What greedy decoding makes of noised and gold outputs, and the mean loss of the clean ones, per token."""
        rows = encode(self.tokenizer, [*self.noised, *self.gold])
        (ids,) = decode_all(
            Pairs(rows, rows, self.tokenizer.pad),
            lambda _rows, source: [model.predict(source, max_length=self.max_length)],
            _device(model),
        )
        written = [self.tokenizer.decode(row) for row in ids]
        repaired, rewritten = written[: len(self.clean)], written[len(self.clean) :]
        shares = quality(self.clean, self.noised, repaired, self.gold, rewritten, self.normal_form).shares()
        return {**shares, "loss in nats": self._mean(model, model.nll)} if self.clean else shares

    def kept(self, f: Any, pi: Any) -> dict[str, float]:
        """What f, given an output in the place of an input, knows of it, and the mean divergence of its next token from
        Pi's, where both say one for every id.
        """
        known = self.knowledge(f)
        if self.clean and isinstance(f, EncoderDecoder) and isinstance(pi, EncoderDecoder):
            known["divergence in nats"] = self._mean(f, lambda *batch: divergence(f, pi, *batch))
        return known

    @cached_property
    def _pairs(self) -> Pairs:
        return Pairs(encode(self.tokenizer, self.noised), encode(self.tokenizer, self.clean), self.tokenizer.pad)

    def _mean(self, model: nn.Module, of: Callable[[Tensor, Tensor], Tensor]) -> float:
        """What `of` says of batches of sources and targets, per token of the targets."""
        costs, device = self._pairs.cost(), _device(model)

        @torch.inference_mode()
        def work(mine: Sequence[list[int]]) -> list[float]:
            read = (self._pairs.batch(rows) for rows in mine)
            return [float(of(batch.source.to(device), batch.target.to(device)).double().sum()) for batch in read]

        sums = processes.share(plan(costs, ROWS * int(costs.mean()), None), work)
        return sum(sums) / sum(map(len, self._pairs.targets))


def distance(f: nn.Module, pi: nn.Module) -> float | None:
    """|f - Pi| / |Pi| over the weights of Pi; None where f has not all of them."""
    ours, theirs = merged_state(f), pi.state_dict()
    if any(name not in ours or ours[name].shape != value.shape for name, value in theirs.items()):
        return None
    gap = sum(float((ours[name].cpu() - value.cpu()).double().square().sum()) for name, value in theirs.items())
    return (gap / sum(float(value.double().square().sum()) for value in theirs.values())) ** 0.5


def divergence(f: EncoderDecoder, pi: EncoderDecoder, source: Tensor, target: Tensor) -> Tensor:
    """Kullback-Leibler, of the next token of f from that of Pi, given source (B, S) and what stands before it in target
    (B, T): (B, T) in nats, zeros where the target is a pad.
    """
    ours, theirs = (model.logits(source, target).log_softmax(-1) for model in (f, pi))
    gaps = (theirs.exp() * (theirs - ours)).sum(-1)
    return gaps.masked_fill(target == f.specials.pad, 0.0)


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters(), torch.empty(0)).device
