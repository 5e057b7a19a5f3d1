"""The one LightningModule: a model, its loss, one optimiser, and the stages of its training.

    loss = (base_weight * base loss + composed_weight * composed loss) / amount
           + denoising_weight * f.nll(noised y', y') / tokens of y'  +  penalties(f)

of which all but the first term are optional; `loss.py` says what the losses are, of each kind of output. A training is
one or more stages, one after the other: each has its share of the updates, and says how fast which parameters learn.
Everything random in an update is a function of (seed, update), so that only weights and optimiser state need saving.
Left out: what to keep and where to write it (`training/`).
"""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed
from pytorch_lightning.strategies import ModelParallelStrategy
from torch import Tensor, nn

from composed.datamodules.batching import Batch
from composed.errors import ConfigError, TrainingError
from composed.models.muon import Muon, hidden_matrices
from composed.models.parts import full_name, having
from composed.models.sharding import gathered, shard
from composed.tasks.loss import TEXT, ComposedTerm, Loss, Penalty


@dataclass(frozen=True)
class Optim:
    """The optimiser's settings; names, units and meaning as in conf/optim/adam.yaml and muon.yaml."""

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
    label_smoothing: float | Sequence[tuple[float, float]]  # or (share of the updates, it), one after the other
    validate_every: int
    select: str  # last or lowest: which weights predict
    checkpoint_every: int
    momentum: float | None = None  # of Muon, for the hidden matrices; None: AdamW updates them, too

    def rate(self, update: int) -> float:
        """The learning rate of an update, counted from 0."""
        if update < self.warmup:
            return self.initial_lr + (self.lr - self.initial_lr) * (update + 1) / self.warmup
        if self.decay == "inverse_sqrt":
            return self.lr * math.sqrt(max(1, self.warmup) / (update + 1))
        if self.decay == "linear":
            return self.lr * (self.updates - update) / max(1, self.updates - self.warmup)
        return self.lr

    def smoothing(self, update: int) -> float:
        """The label smoothing of an update."""
        if isinstance(self.label_smoothing, int | float):
            return self.label_smoothing
        shares, values = zip(*self.label_smoothing, strict=True)
        ended = sum(update >= end * self.updates for end in itertools.accumulate(shares[:-1]))
        return values[ended]


OTHERS = "others"  # the key of all parameters that no other key names


@dataclass(frozen=True)
class Stage:
    """A share of the updates. `rates`: factors of the learning rate; the first part that a parameter's name contains
    counts, where none is in it that of OTHERS, else 1; 0 keeps the parameter where it is.
    """

    share: float = 1.0
    rates: Mapping[str, float] = field(default_factory=dict)

    def of(self, names: Collection[str]) -> "Stage":
        """With parts as the parameters of these names have them. Raises ConfigError for one that none of them has."""
        rates = {}
        for part, factor in self.rates.items():
            if part != OTHERS:
                having(part, names, "finetuning.stages")
            rates[full_name(part, names)] = factor
        return replace(self, rates=rates)

    def factor(self, parameter: str) -> float:
        named = (factor for part, factor in self.rates.items() if part != OTHERS and part in parameter)
        return next(named, self.rates.get(OTHERS, 1.0))


class Training(pl.LightningModule):
    """One model, one loss, one optimiser.

    Args:
        model: what is trained.
        loss: what its updates minimise.
        optim: its optimiser, schedule and budget.
        seed: of everything random in the updates.
        base_weight: lambda, the weight of the model's own loss.
        base_weight_end: lambda at the last update, reached linearly from the update at which the composed term joins.
        term: the composed loss, if there is one; the denoiser is frozen already and no parameter of this module.
        denoising_weight: of the denoising loss, for batches that carry a denoising batch.
        penalties: join the loss of every update, such as an anchor that holds the model near its start.
        stages: their shares add up to 1; each has at least one update.
    """

    def __init__(
        self,
        model: nn.Module,
        optim: Optim,
        loss: Loss = TEXT,
        *,
        seed: int,
        base_weight: float = 1.0,
        base_weight_end: float | None = None,
        term: ComposedTerm | None = None,
        denoising_weight: float = 0.0,
        penalties: Sequence[Penalty] = (),
        stages: Sequence[Stage] = (Stage(),),
    ) -> None:
        super().__init__()
        self.model: Any = model
        self.optim = optim
        self.loss = loss
        self.seed = seed
        self.base_weights = base_weight, base_weight if base_weight_end is None else base_weight_end
        self.denoising_weight = denoising_weight
        self.penalties = penalties
        names = [name for name, _ in model.named_parameters()]
        self.stages = [stage.of(names) for stage in stages]
        shares = [sum(stage.share for stage in stages[:i]) for i in range(len(stages))]
        self.starts = [round(share * optim.updates) for share in shares]
        for index, stage in enumerate(stages):
            if self.starts[index] >= self.end(index):
                raise ConfigError(
                    f"stage {index + 1} of {len(stages)} has a share of {stage.share:g} of {optim.updates} updates, "
                    "which is none; raise its share or the updates, or leave it out"
                )
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and any(self._factors(name)))
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise ConfigError("finetuning.stages: no parameter of the model learns in any stage; see the rates")
        learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        if optim.momentum is not None and not learning & hidden_matrices(model).keys():
            raise ConfigError(
                "optim=muon: of the weights of linear layers in the model's list of layers none learns, and it is for "
                "no others; use optim=adam"
            )
        self._term = (term,)  # in a tuple, so that the denoiser is no submodule: not saved, not optimised
        self.updates = 0  # done
        # Of the micro-batches of the last update on this rank: a sum, and the amount that it is over.
        self.train_metrics: dict[str, tuple[Tensor, Tensor | float]] = {}
        self.validation: dict[str, float] = {}

    @property
    def term(self) -> ComposedTerm | None:
        return self._term[0]

    @property
    def composing(self) -> bool:
        """Whether the update to come has the composed term."""
        return self.term is not None and self.updates >= self.term.after

    @property
    def changes(self) -> list[int]:
        """The updates from which on an update does other work."""
        return [*self.starts[1:], *([self.term.after] if self.term else [])]

    def stage(self, update: int) -> int:
        """The index of the stage that an update belongs to."""
        return max(i for i, start in enumerate(self.starts) if start <= update)

    def end(self, stage: int) -> int:
        """The update after the last one of a stage."""
        return [*self.starts[1:], self.optim.updates][stage]

    def _factors(self, parameter: str) -> tuple[float, ...]:
        return tuple(stage.factor(parameter) for stage in self.stages)

    def rate(self, update: int) -> float:
        """The learning rate of an update, before the factors of its stage; the stages have one schedule."""
        return self.optim.rate(update)

    def base_weight(self, update: int) -> float:
        """lambda at an update."""
        first, last = self.base_weights
        after = self.term.after if self.term is not None else 0
        return first + (last - first) * max(0, update - after) / max(1, self.optim.updates - 1 - after)

    def configure_model(self) -> None:
        """Where the strategy wants it, f and Pi are sharded for the time of the training."""
        self._whole = self.model, self.term
        strategy = self.trainer.strategy
        if isinstance(strategy, ModelParallelStrategy):
            self.model = shard(self.model, strategy.root_device)
            if self.term is not None:
                denoiser = shard(self.term.denoiser, strategy.root_device)
                self._term = (replace(self.term, denoiser=denoiser),)

    def on_fit_end(self) -> None:
        """Takes the whole models back: f as it was, Pi as it is now, for whoever asks whether it stayed what it was."""
        shared_out, (self.model, term) = self.term, self._whole
        if shared_out is not None and term is not None and shared_out is not term:
            term.denoiser.load_state_dict(gathered(shared_out.denoiser.state_dict()))
        self._term = (term,)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        optim, momentum = self.optim, self.optim.momentum
        hidden = {} if momentum is None else hidden_matrices(self.model)
        groups: dict[tuple[tuple[float, ...], int], list[torch.nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                groups.setdefault((self._factors(name), hidden.get(name, 0)), []).append(parameter)
        named = [{"params": group, "factors": factors, "blocks": blocks} for (factors, blocks), group in groups.items()]
        settings: dict[str, Any] = {"lr": optim.rate(0), "betas": optim.betas, "weight_decay": optim.weight_decay}
        if momentum is not None:
            precision = torch.bfloat16 if "bf16" in str(self.trainer.precision) else torch.float32
            self._optimizer: torch.optim.Optimizer = Muon(named, momentum=momentum, precision=precision, **settings)
        else:
            # Lightning clips no gradients of a fused one in half precision.
            self._optimizer = torch.optim.AdamW(named, fused=optim.clip is None, **settings)
        return self._optimizer

    def on_fit_start(self) -> None:
        if self.term is not None:
            self.term.denoiser.to(self.device)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        torch.manual_seed(_mix(self.seed, batch.update, batch.part, self.global_rank))
        if batch.part == 0:
            self.train_metrics = {}
        stage, rate = self.stage(batch.update), self.rate(batch.update)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["factors"][stage]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        term = self.term if self.composing else None
        terms = self.loss.terms(
            self.model,
            batch,
            term,
            smoothing=self.optim.smoothing(batch.update),
            uniforms=lambda: self._uniforms(batch, term),
        )
        self._measure("loss", terms.base, terms.amount, batch.weight)
        total = self.base_weight(batch.update) * terms.base.sum()
        if term is not None and terms.composed is not None:
            self._measure("composed_loss", terms.composed, terms.amount, batch.weight)
            total = total + term.weight * terms.composed.sum()
        # Lightning averages over micro-batches and ranks; the loss is a mean over what the whole update has.
        loss = total * self._share(batch)
        if batch.denoising is not None:
            denoising = self.loss.terms(self.model, batch.denoising, None, smoothing=0.0, uniforms=torch.Tensor)
            self._measure("denoising_loss", denoising.base, denoising.amount, batch.denoising.weight)
            loss = loss + self.denoising_weight * denoising.base.sum() * self._share(batch.denoising)
        for penalty in self.penalties:
            value = penalty.value(self.model)
            self._measure(penalty.name, value, 1.0, 1.0)
            loss = loss + penalty.weight * value
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss.item()} at update {batch.update} (seed {self.seed}, rows {batch.rows.tolist()[:8]} "
                f"... of the training data). Training stopped; the last good checkpoint stays. {self.loss.remedy}"
            )
        return loss

    def _uniforms(self, batch: Batch, term: ComposedTerm | None) -> Tensor:
        """Uniform draws that the samples of the batch's rows are made of, whichever rank has the rows."""
        assert term is not None
        generator = torch.Generator(self.device).manual_seed(_mix(self.seed, batch.update, batch.part, 0))
        shape = (
            len(batch.target) if batch.places is None else batch.whole,
            term.estimator.samples,
            term.max_length,
        )
        uniforms = torch.rand(shape, dtype=torch.float64, device=self.device, generator=generator)
        return (uniforms if batch.places is None else uniforms[batch.places]).flatten(0, 1)

    def _measure(self, name: str, values: Tensor, amount: Tensor | float, weight: float) -> None:
        """Adds what a micro-batch of this weight measures to the earlier ones of the update."""
        total, earlier = self.train_metrics.get(name, (0.0, 0.0))
        self.train_metrics[name] = total + weight * values.detach().sum(), earlier + weight * amount

    def _share(self, batch: Batch) -> float:
        """What turns the sum over a batch into its share of the mean over the tokens of the update."""
        return batch.weight / batch.tokens * self.optim.accumulate * self.trainer.world_size

    def on_train_batch_end(self, outputs, batch: Batch, batch_idx: int) -> None:
        if batch.part == self.optim.accumulate - 1:
            self.updates = batch.update + 1

    def on_validation_epoch_start(self) -> None:
        self._sums = torch.zeros(3, dtype=torch.float64)  # losses of f and of Pi(f), amount

    @torch.no_grad()
    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._sums += batch.weight * self.loss.sums(self.model, batch, self.term if self.composing else None)

    def on_validation_epoch_end(self) -> None:
        """`loss`: of f, a mean over tokens or images; `composed_loss`: of Pi(f(x)).

        `selection`: the loss by which weights are told apart: the composed one once it is trained, else f's own.
        """
        sums = self._sums
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            sums = sums.to(self.device)
            torch.distributed.all_reduce(sums)
        base, composed, tokens = sums.tolist()
        self.validation = {"loss": base / tokens}
        if self.composing:
            self.validation["composed_loss"] = composed / tokens
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
