"""What the processes of one training do together once it is over: share work, and wait for each other.

Where no training has joined processes, each function is what it is for one. Left out: the training, which Lightning
shares out. Loads no torch.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from composed.errors import ComposedError, TrainingError

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def _group() -> Any:
    """torch.distributed, where it has joined processes."""
    distributed = sys.modules.get("torch.distributed")
    return distributed if distributed and distributed.is_available() and distributed.is_initialized() else None


def joined() -> bool:
    return _group() is not None


def share(pieces: Sequence[Piece], work: Callable[[Sequence[Piece]], list[Result]]) -> list[Result]:
    """What `work` makes of all pieces, one result each, in order, in every process; each does every so-manieth piece.

    All processes have to call. Raises in all of them the ComposedError that `work` raises in one.
    """
    group = _group()
    if group is None:
        return work(pieces)
    rank, world = group.get_rank(), group.get_world_size()
    mine: list[Result] | ComposedError
    try:
        mine = work(own) if (own := pieces[rank::world]) else []
    except ComposedError as error:
        mine = error
    shares: list[Any] = [None] * world
    group.all_gather_object(shares, mine)
    for each in shares:
        if isinstance(each, ComposedError):
            raise each
    results: list[Any] = [None] * len(pieces)
    for first, each in enumerate(shares):
        results[first::world] = each
    return results


@contextmanager
def complete() -> Iterator[None]:
    """While the processes have to be all there: raises TrainingError when one is gone."""
    try:
        yield
    except RuntimeError as error:
        group = _group()
        if group is None or not (isinstance(error, group.DistError) or "gloo" in str(error)):
            raise
        raise TrainingError(
            "another process of this training is gone: if it did not say why above, it may have been killed for want "
            f"of memory ({str(error).splitlines()[0]}). The last good checkpoint stays: the same command goes on there"
        ) from error


def barrier() -> None:
    """Until all processes are here."""
    share((), list)


def cores(machines: int) -> int:
    """Those of this machine, shared out among the processes on it; each of the machines has as many."""
    group = _group()
    processes = group.get_world_size() // machines if group else 1
    return max(1, len(os.sched_getaffinity(0)) // processes)


def leave() -> None:
    """Ends the group of the processes, whose threads must not outlive the interpreter."""
    if group := _group():
        group.destroy_process_group()
