"""What the ranks of one training do together once it is over: share work, and wait for each other.

Where there is no process group, each function is what it is for one process. Left out: the training, which Lightning
distributes. Loads no torch.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from composed.errors import ComposedError, TrainingError

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def _group() -> Any:
    """torch.distributed, where it has a process group."""
    distributed = sys.modules.get("torch.distributed")
    return distributed if distributed and distributed.is_available() and distributed.is_initialized() else None


def joined() -> bool:
    return _group() is not None


def share(pieces: Sequence[Piece], work: Callable[[Sequence[Piece]], list[Result]]) -> list[Result]:
    """What `work` makes of all pieces, one result each, in order, on every rank; rank r of n works on r, r + n, ...

    All ranks have to call. Raises in all of them the ComposedError that `work` raises in one.
    """
    group = _group()
    if group is None:
        return work(pieces)
    rank, world = group.get_rank(), group.get_world_size()
    mine: list[Result] | ComposedError
    try:
        mine = work(assigned) if (assigned := pieces[rank::world]) else []
    except ComposedError as error:
        mine = error
    shares: list[Any] = [None] * world
    group.all_gather_object(shares, mine)
    for part in shares:
        if isinstance(part, ComposedError):
            raise part
    results: list[Any] = [None] * len(pieces)
    for first, part in enumerate(shares):
        results[first::world] = part
    return results


@contextmanager
def complete() -> Iterator[None]:
    """While all ranks are needed: raises TrainingError when one of them is gone."""
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
    """Waits until all ranks are here."""
    share((), list)


def cores(machines: int) -> int:
    """The cores of this machine for each of the ranks on it; every machine has as many ranks."""
    group = _group()
    processes = group.get_world_size() // machines if group else 1
    return max(1, len(os.sched_getaffinity(0)) // processes)


def leave() -> None:
    """Leaves the process group, whose threads must not outlive the interpreter."""
    if group := _group():
        group.destroy_process_group()


def free_memory() -> int:
    """Bytes that new processes can have: as Linux reckons, which counts what its caches would give back; elsewhere all
    there are.
    """
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
