"""How many threads of the CPU a training uses."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """So many of the CPU, then as many as before, for other runs of this process; null: as many as there are."""
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count:  # else Lightning may have chosen, for all that is to come
            torch.set_num_threads(before)
