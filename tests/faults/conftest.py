"""Every fault is announced with its seed; COMPOSED_FAULT_SEED repeats one."""

import os
import random

import pytest


@pytest.fixture
def chance(request) -> random.Random:
    """The randomness of a fault."""
    seed = int(os.environ.get("COMPOSED_FAULT_SEED", random.SystemRandom().randrange(10**6)))
    print(f"\nfault: {request.node.name.removeprefix('test_').replace('_', ' ')}; seed {seed}")
    return random.Random(seed)
