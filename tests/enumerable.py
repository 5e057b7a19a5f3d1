"""A toy of f and Pi whose every output can be enumerated, so that gradients of expectations are known exactly."""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from composed.models.composition import as_source, freeze
from composed.models.sequence import Draws
from composed.models.transformer import Transformer

PAD, EOS = 0, 2
LONGEST, VOCABULARY = 2, 6
SOURCE = torch.tensor([[4, 5, EOS], [3, EOS, PAD]])
TARGET = torch.tensor([[5, EOS], [3, EOS]])
WORDS = range(3, VOCABULARY)
OUTPUTS = torch.tensor([[EOS, PAD], *([word, EOS] for word in WORDS), *map(list, itertools.product(WORDS, WORDS))])


def model(seed: int) -> Transformer:
    torch.manual_seed(seed)
    built = Transformer(VOCABULARY, width=8, layers=1, heads=2, feedforward=8).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.mul_(2)  # away from uniform, so that costs differ
    return built


def pair() -> tuple[Transformer, Transformer]:
    return model(0), freeze(model(1))  # type: ignore[return-value]


def expected(probability: Tensor, costs: Tensor) -> Tensor:
    """E[c(z)]."""
    return (probability * costs.sum(1)).sum()


def exact(
    base: Transformer,
    denoiser: Transformer,
    objective: Callable[[Tensor, Tensor], Tensor] = expected,
    outputs: Tensor = OUTPUTS,
) -> tuple[Tensor, Tensor]:
    """The objective of each pair, and the gradient of their sum with respect to f.

    It is given the probability of every output and what each token of y costs after it: (O,), (O, T).
    """
    values = []
    for source, target in zip(SOURCE, TARGET, strict=True):
        probability = (-base.nll(source[source != PAD][None].expand(len(outputs), -1), outputs)).exp()
        torch.testing.assert_close(probability.sum(), torch.tensor(1.0), atol=1e-4, rtol=0)
        costs = denoiser.token_nll(as_source(outputs, PAD, EOS), target[None].expand(len(outputs), -1))
        values.append(objective(probability, costs))
    value = torch.stack(values)
    return value.detach(), flat_gradient(value.sum(), base)


def flat_gradient(loss: Tensor, base: Transformer) -> Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(base.parameters()))])


def estimates(estimator, base, denoiser, draws: int, longest: int = LONGEST) -> Tensor:
    """Gradients (draws, parameters) that the estimator gives, each with samples of its own."""
    generator = torch.Generator().manual_seed(0)
    return torch.stack(
        [
            flat_gradient(
                estimator.surrogate(
                    base, denoiser, SOURCE, TARGET, draws=Draws(max_length=longest, generator=generator)
                ).sum(),
                base,
            )
            for _ in range(draws)
        ]
    )


def assert_mean_is(truth: Tensor, drawn: Tensor) -> None:
    """The mean of many estimates is within what chance gives, 6 standard deviations in any direction that varies."""
    error = drawn.mean(0) - truth
    scale = drawn.std(0) / len(drawn) ** 0.5
    varied = scale > 1e-2 * scale.max()  # rare outputs alone move the others: too far from a normal distribution
    assert (error / scale)[varied].abs().max() < 6
    assert error.norm() / scale.norm() < 2  # the root mean square error is what the number of draws gives


def bias(truth: Tensor, drawn: Tensor) -> tuple[float, float]:
    """Of the mean of many estimates: its cosine with the truth, and its length in units of the truth's."""
    mean = drawn.mean(0)
    return torch.cosine_similarity(mean, truth, 0).item(), (mean.norm() / truth.norm()).item()
