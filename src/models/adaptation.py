"""Few new parameters beside the old ones: low-rank updates of linear layers, and bottleneck adapters.

Both start as the identity: an adapted model answers at first what the bare one did. Left out: prefix tuning, and
merging adapters, which are no linear change of a weight.
Letters: O and I the output and input size of a linear layer, r the rank.
"""

import math
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from composed.models.transformer import Transformer


@runtime_checkable
class AdaptsItself(Protocol):
    """A model whose own library knows low-rank updates; what these do is what the functions below do."""

    def add_low_rank(self, rank: int) -> None: ...
    def merge_low_rank(self) -> None: ...
    def merged_state(self) -> dict[str, Tensor]: ...


class LowRank(nn.Module):
    """A weight (O, I) plus `lora_up @ lora_down`, of rank r (Hu et al. 2022, LoRA, with alpha = r)."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        self.lora_down = nn.Parameter(torch.empty(rank, weight.shape[1]))
        self.lora_up = nn.Parameter(torch.zeros(weight.shape[0], rank))
        nn.init.kaiming_uniform_(self.lora_down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.lora_up @ self.lora_down


class Adapter(nn.Module):
    """states + up(relu(down(states))) for states (..., D) (Houlsby et al. 2019, placed as in Pfeiffer et al. 2021)."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.adapter_down = nn.Linear(width, bottleneck)
        self.adapter_up = nn.Linear(bottleneck, width)
        nn.init.zeros_(self.adapter_up.weight)
        nn.init.zeros_(self.adapter_up.bias)

    def forward(self, states: Tensor) -> Tensor:
        return states + self.adapter_up(F.relu(self.adapter_down(states)))


def add_low_rank(model: nn.Module, rank: int) -> None:
    """Gives every linear layer of the model a low-rank update; `merge_low_rank` makes it plain again. In place."""
    if isinstance(model, AdaptsItself):
        return model.add_low_rank(rank)
    for module in [module for module in model.modules() if isinstance(module, nn.Linear)]:
        parametrize.register_parametrization(module, "weight", LowRank(module.weight, rank))


def merge_low_rank(model: nn.Module) -> None:
    """Makes each low-rank update part of its weight: same function, the parameters of the bare model. In place."""
    if isinstance(model, AdaptsItself):
        return model.merge_low_rank()
    for module in model.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)


def merged_state(model: nn.Module) -> dict[str, Tensor]:
    """The state of the model as `merge_low_rank` would leave it; the model stays as it is."""
    if isinstance(model, AdaptsItself):
        return model.merged_state()
    state = {name: value for name, value in model.state_dict().items() if "parametrizations." not in name}
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            state[f"{name}.weight"] = module.weight.detach()
    return state


def add_adapters(model: Transformer, bottleneck: int) -> None:
    """Puts an adapter behind the feed-forward sublayer of every layer. In place."""
    for layer in (*model.encoder, *model.decoder):
        layer.feed_forward = nn.Sequential(layer.feed_forward, Adapter(model.width, bottleneck))
