"""Muon: what an update adds to a weight matrix has all its singular values alike (Jordan et al. 2024).

The numbers are those of `torch.optim.Muon` with `adjust_lr_fn="match_rms_adamw"` (Liu et al. 2025, arXiv:2502.16982):
an entry moves about as far as under AdamW, so that the learning rate and the weight decay of AdamW serve here too. That
class takes one matrix after the other; here those of one shape are one batched product.
Left out: matrices that are no weight of a linear layer, such as convolutions.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import AdamW, Optimizer

from composed.models.sharding import layers

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of x, x**3 and x**5: what a step makes of a singular value x
STEPS = 5
LEAST_NORM = 1e-7
RMS = 0.2  # of the entries of AdamW's updates, as Liu et al. found it
FUSED = {"key_value": 2}  # linear layers of several matrices, one above the other, which other libraries keep apart


def hidden_matrices(model: nn.Module) -> dict[str, int]:
    """{name: how many matrices it is, one above the other} of the parameters that Muon is for.

    They are the weights of the linear layers inside the repeated layers. Embeddings, of which a batch sees few rows,
    what gives scores, norms and biases are AdamW's. So are the two factors of a low-rank update and of an adapter: only
    their product changes the model, and alike singular values of the factors give the product any.
    """
    inside = {id(module) for layer in layers(model) for module in layer.modules()}
    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    return {
        f"{name}.weight": FUSED.get(name.rpartition(".")[2], 1)
        for name, module in linear.items()
        if id(module) in inside and not name.rpartition(".")[2].startswith("adapter_")
    }


def orthogonalised(matrices: Tensor) -> Tensor:
    """Matrices (N, R, C), R at most C, of the same singular vectors, by Newton-Schulz steps in their precision.

    Singular values are 0.68 to 1.21 where they were at least 0.002 of the matrix's norm.
    """
    a, b, c = COEFFICIENTS
    matrices = matrices / matrices.flatten(1).norm(dim=1).clamp(min=LEAST_NORM)[:, None, None]
    for _ in range(STEPS):
        gram = matrices @ matrices.mT
        matrices = torch.baddbmm(matrices, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), matrices, beta=a)
    return matrices


class Muon(Optimizer):
    """Muon for hidden matrices and AdamW for the rest; one optimiser to whoever steps, saves and loads it.

    Args:
        groups: of parameters, each with `blocks`: of how many matrices, one above the other, each of them is; 0: AdamW.
        momentum: decay rate of the running mean of a hidden matrix's gradients.
        betas: those of AdamW.
        weight_decay: decoupled, of all groups.
        precision: of the Newton-Schulz steps.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        lr: float,
        momentum: float,
        betas: tuple[float, float],
        weight_decay: float,
        precision: torch.dtype = torch.bfloat16,
    ) -> None:
        shared = {"lr": lr, "weight_decay": weight_decay}
        groups = [{**shared, **group} for group in groups]
        rest = [group for group in groups if not group["blocks"]]
        self._adamw = AdamW(rest or [{"params": []}], lr=lr, betas=betas, weight_decay=weight_decay, fused=True)
        self.precision = precision
        hidden = [{"momentum": momentum, **group} for group in groups if group["blocks"]]
        super().__init__([*(self._adamw.param_groups if rest else []), *hidden], {})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        # Loading a state has made other groups and another state of this optimiser.
        self._adamw.param_groups = [group for group in self.param_groups if not group["blocks"]]
        self._adamw.state = self.state
        self._adamw.step()
        self._step_hidden()
        return loss

    def _step_hidden(self) -> None:
        updates = [
            (parameter, group, _whole(self._mean(parameter, group["momentum"])))
            for group in self.param_groups
            for parameter in group["params"]
            if group["blocks"] and parameter.grad is not None
        ]
        alike: dict[torch.Size, list[Tensor]] = {}  # matrices, lying, by their shape
        for _, group, update in updates:
            for block in update.chunk(group["blocks"]):
                lying = block if block.shape[0] <= block.shape[1] else block.mT
                alike.setdefault(lying.shape, []).append(lying)
        for matrices in alike.values():
            made = orthogonalised(torch.stack(matrices).to(self.precision))
            torch._foreach_copy_(matrices, [*made.unbind()])
        for parameter, group, update in updates:
            rows, columns = update.shape
            scale = RMS * math.sqrt(max(rows // group["blocks"], columns))
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(_in_parts_of(parameter, update), alpha=-group["lr"] * scale)

    def _mean(self, parameter: Tensor, momentum: float) -> Tensor:
        """The running mean of the gradients as it will be after one more of the last (Nesterov); a new tensor."""
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        mean = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(mean, momentum)


def _whole(tensor: Tensor) -> Tensor:
    """Of a tensor that processes share out; all of them have to ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _in_parts_of(parameter: Tensor, whole: Tensor) -> Tensor:
    """A whole tensor shared out as the parameter is."""
    if not isinstance(parameter, DTensor):
        return whole
    return distribute_tensor(whole, parameter.device_mesh, parameter.placements, src_data_rank=None)
