"""Trains one model on pairs, alone or through a frozen denoiser; pretraining the denoiser is the case without one.

    loss = (base_weight * f.nll(x, y) + composed_weight * estimator.surrogate(f, Pi, x, y)) / target tokens

Everything random in an update is a function of (seed, update), so that only weights and optimiser state need saving.
Left out: what to keep and where to write it (`progress.py`).
"""

import math
from dataclasses import dataclass, field

import pytorch_lightning as pl
import torch
import torch.distributed
from torch import Tensor

from composed.datamodules.batching import Batch
from composed.errors import TrainingError
from composed.models.composition import as_source
from composed.models.estimators import ScoreFunction
from composed.models.transformer import Transformer


@dataclass(frozen=True)
class Optim:
    """The optimiser's settings; names, units and meaning as in conf/optim/adam.yaml."""

    updates: int
    batch_tokens: int
    accumulate: int
    lr: float
    warmup: int
    initial_lr: float
    decay: str
    weight_decay: float
    betas: tuple[float, float]
    clip: float | None
    label_smoothing: float
    validate_every: int
    checkpoint_every: int

    def rate(self, update: int) -> float:
        """The learning rate of an update, counted from 0."""
        if update < self.warmup:
            return self.initial_lr + (self.lr - self.initial_lr) * (update + 1) / self.warmup
        if self.decay == "inverse_sqrt":
            return self.lr * math.sqrt(max(1, self.warmup) / (update + 1))
        if self.decay == "linear":
            return self.lr * (self.updates - update) / max(1, self.updates - self.warmup)
        return self.lr


@dataclass(frozen=True)
class Through:
    """How f is trained through the denoiser."""

    denoiser: Transformer
    estimator: ScoreFunction
    weight: float
    after: int = 0  # updates before the term joins
    max_length: int = field(kw_only=True)


class SequenceTask(pl.LightningModule):
    """One model, one loss, one optimiser.

    Args:
        model: what is trained.
        optim: its optimiser, schedule and budget.
        seed: of everything random in the updates.
        base_weight: lambda, the weight of the model's own negative log-likelihood.
        through: the composed term, if there is one; the denoiser is frozen already and no parameter of this module.
    """

    def __init__(
        self,
        model: Transformer,
        optim: Optim,
        *,
        seed: int,
        base_weight: float = 1.0,
        through: Through | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.optim = optim
        self.seed = seed
        self.base_weight = base_weight
        self._through = (through,)  # in a tuple, so that the denoiser is no submodule: not saved, not optimised
        self.updates = 0  # done
        self.validation: dict[str, float] = {}

    @property
    def through(self) -> Through | None:
        return self._through[0]

    @property
    def composing(self) -> bool:
        """Whether the update to come has the composed term."""
        return self.through is not None and self.updates >= self.through.after

    def configure_optimizers(self) -> torch.optim.Optimizer:
        self._optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=self.optim.rate(0),
            betas=self.optim.betas,
            weight_decay=self.optim.weight_decay,
            fused=True,
        )
        return self._optimizer

    def on_fit_start(self) -> None:
        if self.through is not None:
            self.through.denoiser.to(self.device)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        torch.manual_seed(_mix(self.seed, batch.update, batch.part, self.global_rank))
        for group in self._optimizer.param_groups:
            group["lr"] = self.optim.rate(batch.update)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        nll = self.model.nll(batch.source, batch.target, label_smoothing=self.optim.label_smoothing)
        total = self.base_weight * nll.sum()
        self.train_metrics = {"loss": nll.detach().sum() / (batch.target != self.model.specials.pad).sum()}
        if self.composing:
            assert self.through is not None
            cost = self.through.estimator.surrogate(
                self.model,
                self.through.denoiser,
                batch.source,
                batch.target,
                max_length=self.through.max_length,
            )
            total = total + self.through.weight * cost.sum()
            self.train_metrics["composed_loss"] = cost.detach().sum() / (batch.target != self.model.specials.pad).sum()
        # Lightning averages over the parts of an update and over processes; the loss is a mean over its tokens.
        loss = total * (batch.weight / batch.tokens * self.optim.accumulate * self.trainer.world_size)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss.item()} at update {batch.update} (rows {batch.rows.tolist()[:8]}... of the "
                "training data). Training stopped; the last good checkpoint stays. Try a smaller optim.lr, a longer "
                "optim.warmup or optim.clip=1."
            )
        return loss

    def on_train_batch_end(self, outputs, batch: Batch, batch_idx: int) -> None:
        if batch.part == self.optim.accumulate - 1:
            self.updates = batch.update + 1

    def on_validation_epoch_start(self) -> None:
        self._sums = torch.zeros(3, dtype=torch.float64)  # nll, nll through Pi, target tokens

    @torch.no_grad()
    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        nll = self.model.nll(batch.source, batch.target).double().sum()
        tokens = (batch.target != self.model.specials.pad).sum()
        through = torch.zeros(())
        if self.composing:
            assert self.through is not None
            greedy = self.model.predict(batch.source, max_length=self.through.max_length)
            special = self.model.specials
            through = (
                self.through.denoiser.nll(as_source(greedy, special.pad, special.eos), batch.target).double().sum()
            )
        self._sums += batch.weight * torch.stack([nll.cpu(), through.cpu().double(), tokens.cpu().double()])

    def on_validation_epoch_end(self) -> None:
        """`loss`: nats per target token of f; `composed_loss`: of Pi given f's greedy output.

        `selection` is the one that is trained.
        """
        sums = self._sums
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            sums = sums.to(self.device)
            torch.distributed.all_reduce(sums)
        base, through, tokens = sums.tolist()
        self.validation = {"loss": base / tokens}
        if self.composing:
            self.validation["composed_loss"] = through / tokens
        self.validation["selection"] = self.validation.get("composed_loss", self.validation["loss"])


def _mix(*parts: int) -> int:
    """One 63-bit seed of several numbers: distinct for distinct parts (splitmix64 finaliser over a running state)."""
    state = 0
    for part in parts:
        state = (state * 0x9E3779B97F4A7C15 + part + 0x632BE59BD9B4E019) & (2**64 - 1)
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        state ^= state >> 31
    return state >> 1
