"""Low-rank updates and adapters start as the identity, learn alone, and leave a bare model behind where they can."""

import pytest
import torch

from composed.models.adaptation import add_adapters, add_low_rank, merge_low_rank, merged_state
from composed.models.transformer import Transformer
from tests import toys

BATCH = toys.reversals(6, 0).batch(range(6))


def nll(model: Transformer) -> torch.Tensor:
    with torch.no_grad():
        return model.eval().nll(BATCH.source, BATCH.target)


def adapted(add, size: int) -> tuple[Transformer, torch.Tensor]:
    """A model with new parameters, and what it answered without them."""
    model = toys.model()
    before = nll(model)
    add(model, size)
    return model, before


def learn(model: Transformer, part: str) -> None:
    """Moves the parameters with `part` in their name."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if part in name:
                parameter.add_(torch.randn_like(parameter), alpha=0.3)


@pytest.mark.parametrize("add", [add_low_rank, add_adapters])
def test_an_adapted_model_starts_as_the_bare_one_and_then_departs(add):
    model, before = adapted(add, 3)
    torch.testing.assert_close(nll(model), before)
    learn(model, "lora_" if add is add_low_rank else "adapter_")
    assert (nll(model) - before).abs().min() > 1e-3


def test_low_rank_updates_are_as_large_as_said_and_merge_into_the_bare_model():
    model, _ = adapted(add_low_rank, 2)
    bare = toys.model()
    learn(model, "lora_")
    new = {name: value for name, value in model.named_parameters() if "lora_" in name}
    linear = [module for module in bare.modules() if isinstance(module, torch.nn.Linear)]
    assert sum(value.numel() for value in new.values()) == 2 * sum(m.in_features + m.out_features for m in linear)
    wanted = nll(model)
    state = merged_state(model)
    assert state.keys() == bare.state_dict().keys()
    bare.load_state_dict(state)
    torch.testing.assert_close(nll(bare), wanted, rtol=1e-5, atol=1e-4)
    difference = bare.encoder[0].attention.query.weight - toys.model().encoder[0].attention.query.weight
    assert torch.linalg.matrix_rank(difference, rtol=1e-4) == 2
    merge_low_rank(model)
    assert model.state_dict().keys() == bare.state_dict().keys()
    torch.testing.assert_close(nll(model), wanted, rtol=1e-5, atol=1e-4)


def test_a_bare_model_is_its_own_merged_state():
    model = toys.model()
    state = merged_state(model)
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in state.items())
    merge_low_rank(model)


def test_decoding_heeds_what_was_added():
    """Greedy decoding agrees with teacher forcing of the adapted model, so no cached weight goes past the update."""
    for add, part in ((add_low_rank, "lora_"), (add_adapters, "adapter_")):
        model, _ = adapted(add, 3)
        learn(model, part)
        with torch.no_grad():
            decoded = model.eval().predict(BATCH.source, max_length=5)
            best = model.logits(BATCH.source, decoded).argmax(-1) + model.specials.eos
        real = decoded != toys.PAD
        assert torch.equal(best[real], decoded[real])
