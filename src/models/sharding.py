"""Models whose weights are sharded over the ranks, layer by layer: a rank holds its shard, and a layer while it runs.

PyTorch's `fully_shard` does it. Decoding takes as many steps as its rows need, which is not the same number on all
ranks, so that all layers are gathered before it and resharded after it.
Left out: models that are too large for the main memory, where each rank has all of them to begin with.
"""

import copy
import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer
from torch.utils._pytree import tree_map_only

Model = TypeVar("Model", bound=nn.Module)

RUNS = ("encode", "token_nll", "logits")  # what runs each layer equally often in all processes
DECODES = ("sample", "predict")


def shard(model: Model, device: torch.device) -> Model:
    """A copy on the device that answers as the model does, and has this rank's shard of each parameter.

    All ranks have to call, here and whenever the copy is asked something. The model stays as it is.
    """
    # The whole weights are not copied: those of the copy are views until they are sharded.
    whole = {id(value): nn.Parameter(value.detach(), value.requires_grad) for value in model.parameters()}
    model = copy.deepcopy(model, whole)
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    parts: list[Any] = [*layers(model), model]
    for part, before in zip(parts, [parts[0], *parts], strict=False):
        fully_shard(part, mesh=mesh, reshard_after_forward=True)
        # By default, what to gather next is guessed from the layers run so far, which decoding makes many.
        part.set_modules_to_backward_prefetch([before])
    _hook(model)
    for name in filter(functools.partial(hasattr, model), DECODES):
        setattr(model, name, _gathered_first(model, getattr(model, name)))
    return model


def layers(model: nn.Module) -> list[nn.Module]:
    """The repeated parts of a model, which have most of its parameters: what is in its outermost lists of modules."""
    if isinstance(model, nn.ModuleList):
        return [*model]
    return [layer for child in model.children() for layer in layers(child)]


def _hook(model: nn.Module) -> None:
    """Has the weights outside the layers gathered for what runs the model, but not again where one calls another."""
    inside = False

    def outermost(plain: Callable[..., Any], hooked: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(plain)
        def answer(*arguments: Any, **settings: Any) -> Any:
            nonlocal inside
            if inside:
                return plain(*arguments, **settings)
            inside = True
            try:
                return hooked(*arguments, **settings)
            finally:
                inside = False

        return answer

    for name in filter(functools.partial(hasattr, model), RUNS):
        plain = getattr(model, name)
        register_fsdp_forward_method(model, name)
        setattr(model, name, outermost(plain, getattr(model, name)))


def _gathered_first(model: Any, decode: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`decode` with all weights in every process while it runs."""
    units = [module for module in model.modules() if isinstance(module, FSDPModule)]

    @functools.wraps(decode)
    def answer(*arguments: Any, **settings: Any) -> Tensor:
        for unit in units:
            unit.unshard()
        model.set_reshard_after_forward(False)
        try:
            return decode(*arguments, **settings)
        finally:
            model.set_reshard_after_forward(True)
            model.reset_iter_state()  # lets the weights go, and forgets what ran

    return answer


def gathered(state: Any, *, keep: bool = True) -> Any:
    """The same nested state with whole tensors, on the CPU where they were shared out, nothing where `keep` is false.

    All processes have to call, whichever of them keeps it.
    """

    def whole(part: DTensor) -> Tensor | None:
        tensor = part.full_tensor()
        return tensor.cpu() if keep else None

    return tree_map_only(DTensor, whole, state)


def load_optimizer(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Loads an optimiser's state of whole tensors, of which each process takes what its parameters have."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, of_one in state["state"].items():
        like = parameters[number]
        if isinstance(like, DTensor):
            of_one.update(
                {
                    name: distribute_tensor(value, like.device_mesh, like.placements, src_data_rank=None)
                    for name, value in of_one.items()
                    if value.dim()
                }
            )
    optimizer.load_state_dict(state)
