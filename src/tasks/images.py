"""Trains one model on images, alone or through a frozen denoiser; the denoiser itself is the case of noised sources.

    loss = base_weight * |f(x) - y|^2 + composed_weight * |Pi(f(x)) - y|^2  (means over pixels and images)
           + l2 * sum of squares of f's parameters but the biases

The loop around it (schedules, checkpoints, validation, randomness) is that of sequences.
"""

import torch
import torch.distributed
from torch import Tensor

from composed.datamodules.batching import Batch
from composed.errors import TrainingError
from composed.models.pathwise import squared_error
from composed.tasks.module import Training


class ImageTask(Training):
    """As Training, for models that map a tensor to an image; `l2` weighs the published penalty."""

    unit = "images"

    def __init__(self, *arguments, l2: float = 0.0, **settings) -> None:
        super().__init__(*arguments, **settings)
        self.l2 = l2

    def penalty(self) -> Tensor:
        """The plain sum of squares: weights, embeddings and the scales of normalisations, no biases, as published."""
        named = self.model.named_parameters()
        return torch.stack([value.square().sum() for name, value in named if "bias" not in name]).sum()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        output = self.model(batch.source)
        error = squared_error(output, batch.target)  # (B,)
        total = self.base_weight(batch.update) * error.sum()
        self._measure("loss", error, len(batch.target), batch.weight)
        if self.composing:
            assert self.term is not None
            cost = self.term.estimator.surrogate(lambda _: output, self.term.denoiser, batch.source, batch.target)  # type: ignore[call-arg,arg-type]
            total = total + self.term.weight * cost.sum()
            self._measure("composed_loss", cost, len(batch.target), batch.weight)
        loss = total * self._share(batch)
        if self.l2:
            penalty = self.penalty()
            self._measure("penalty", penalty, 1.0, 1.0)
            loss = loss + self.l2 * penalty
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss.item()} at update {batch.update}. Training stopped; the last good checkpoint "
                "stays. Try a smaller optim.lr."
            )
        return loss

    @torch.no_grad()
    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """In eval mode: running statistics, no dropout."""
        output = self.model(batch.source)
        sums = [squared_error(output, batch.target).sum().cpu().double(), torch.zeros((), dtype=torch.float64)]
        if self.composing:
            assert self.term is not None
            composed = self.term.denoiser(output)
            sums[1] = squared_error(composed, batch.target).sum().cpu().double()
        self._sums += batch.weight * torch.stack([*sums, torch.tensor(float(len(batch.target)), dtype=torch.float64)])
