import torch

from composed.models.composition import fingerprint, freeze
from composed.models.pathwise import Pathwise, squared_error


def test_squared_error_is_a_mean_per_example():
    output = torch.tensor([[[1.0, 2.0]], [[0.0, 0.0]]])
    assert squared_error(output, torch.zeros(2, 1, 2)).tolist() == [2.5, 0.0]


def test_the_gradient_is_that_of_the_composition_by_hand():
    """f(x) = a x and Pi(z) = z^2: d/da (a^2 x^2 - y)^2 = 2 (a^2 x^2 - y) 2 a x^2."""
    a = torch.tensor(3.0, requires_grad=True)
    x, y = torch.tensor([[2.0]]), torch.tensor([[5.0]])
    cost = Pathwise().surrogate(lambda source: a * source, torch.square, x, y)
    cost.sum().backward()
    assert cost.tolist() == [(9 * 4 - 5) ** 2]
    assert a.grad.item() == 2 * (36 - 5) * 2 * 3 * 4


def test_gradients_pass_the_frozen_denoiser_and_leave_it_alone():
    torch.manual_seed(0)
    base = torch.nn.Linear(2, 3)
    denoiser = freeze(torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Dropout(0.5), torch.nn.Tanh()))
    before = fingerprint(denoiser.parameters())
    denoiser.train()
    Pathwise().surrogate(base, denoiser, torch.ones(4, 2), torch.zeros(4, 3)).sum().backward()
    assert base.weight.grad.abs().min() > 0
    assert all(parameter.grad is None for parameter in denoiser.parameters())
    assert fingerprint(denoiser.parameters()) == before
