"""The engine's losses, update after update, are those of a plain transformer written down here, with plain AdamW."""

import math

import pytest
import torch
from torch import Tensor

from tests import toys

PAD, BOS, EOS = toys.PAD, toys.BOS, toys.EOS
LR, BETAS, EPS, DECAY = 3e-3, (0.9, 0.98), 1e-8, 1e-4


def plain_loss(weights: dict[str, Tensor], source: list[int], target: list[int], heads: int) -> Tensor:
    """Of one pair without pads, summed over its tokens."""
    table = weights["embedding.weight"]
    width = table.shape[1]

    def embed(ids: list[int]) -> Tensor:
        rows = []
        for at, token in enumerate(ids):
            angles = [at / 10_000 ** (2 * i / width) for i in range(width // 2)]
            position = torch.tensor([math.sin(a) for a in angles] + [math.cos(a) for a in angles])
            rows.append(table[token] * math.sqrt(width) + position)
        return torch.stack(rows)

    def norm(states: Tensor, name: str) -> Tensor:
        centred = states - states.mean(1, keepdim=True)
        scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def linear(states: Tensor, name: str) -> Tensor:
        return states @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def attend(states: Tensor, memory: Tensor, name: str, causal: bool) -> Tensor:
        queries, both = linear(states, f"{name}.query"), linear(memory, f"{name}.key_value")
        keys, values, size = both[:, :width], both[:, width:], width // heads
        mixed = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            scores = queries[:, part] @ keys[:, part].T / math.sqrt(size)
            if causal:
                scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -math.inf)
            shares = scores.exp() / scores.exp().sum(1, keepdim=True)
            mixed.append(shares @ values[:, part])
        return linear(torch.cat(mixed, 1), f"{name}.out")

    def feed(states: Tensor, name: str) -> Tensor:
        return linear(linear(states, f"{name}.inner").clamp(min=0), f"{name}.outer")

    states = embed(source)
    normed = norm(states, "encoder.0.norms.0")
    states = states + attend(normed, normed, "encoder.0.attention", False)
    states = states + feed(norm(states, "encoder.0.norms.1"), "encoder.0.feed_forward")
    memory = norm(states, "encoder_norm")
    states = embed([BOS, *target[:-1]])
    normed = norm(states, "decoder.0.norms.0")
    states = states + attend(normed, normed, "decoder.0.attention", True)
    states = states + attend(norm(states, "decoder.0.norms.1"), memory, "decoder.0.cross", False)
    states = states + feed(norm(states, "decoder.0.norms.2"), "decoder.0.feed_forward")
    scores = norm(states, "decoder_norm") @ table[EOS:].T
    return sum(
        (row.exp().sum().log() - row[token - EOS] for row, token in zip(scores, target, strict=True)), torch.zeros(())
    )


def plain_losses(updates: int) -> list[float]:
    """Each update learns all pairs, one by one; gradients are averaged over tokens."""
    pairs = toys.reversals(12, 0)
    weights = {
        name: value.detach().clone().requires_grad_() for name, value in toys.model(dropout=0.0).named_parameters()
    }
    first = {name: torch.zeros_like(value) for name, value in weights.items()}
    second = {name: torch.zeros_like(value) for name, value in weights.items()}
    tokens, losses = sum(map(len, pairs.targets)), []
    for update in range(1, updates + 1):
        rows = zip(pairs.sources, pairs.targets, strict=True)
        loss = sum((plain_loss(weights, s.tolist(), t.tolist(), 2) for s, t in rows), torch.zeros(())) / tokens
        gradients = torch.autograd.grad(loss, list(weights.values()))
        losses.append(loss.item())
        with torch.no_grad():
            for (name, value), gradient in zip(weights.items(), gradients, strict=True):
                first[name] = BETAS[0] * first[name] + (1 - BETAS[0]) * gradient
                second[name] = BETAS[1] * second[name] + (1 - BETAS[1]) * gradient**2
                step = first[name] / (1 - BETAS[0] ** update)
                size = (second[name] / (1 - BETAS[1] ** update)).sqrt() + EPS
                value.sub_(LR * (DECAY * value + step / size))
    return losses


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 2e-4), ("bf16", 2e-2)])
def test_each_update_has_the_loss_of_the_plain_one(precision, tolerance):
    """fp32: differences of rounding, which Adam's division by small gradients enlarges; bf16: of its 8 bits."""
    batch = toys.reversals(12, 0).batch(range(12))
    model = toys.model(dropout=0.0)
    optimizer = torch.optim.AdamW(model.parameters(), LR, betas=BETAS, eps=EPS, weight_decay=DECAY, fused=True)
    losses = []
    for _ in range(15):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = model.nll(batch.source, batch.target).sum() / (batch.target != PAD).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    expected = plain_losses(15)
    assert losses == pytest.approx(expected, rel=tolerance)
    assert losses[-1] < 0.9 * losses[0]
