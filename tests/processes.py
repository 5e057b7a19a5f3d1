"""Several joined processes, forked from this one, for what a test wants them to do together."""

import os
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch.distributed

from composed.system import processes


def together(count: int, work: Callable[[int], Any], folder: Path) -> list[Any]:
    """What `work(rank)` answers in each of so many joined processes."""
    children = []
    for rank in range(count):
        if (child := os.fork()) == 0:
            try:
                store = torch.distributed.FileStore(str(folder / f"store-{count}"), count)
                torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=count)
                (folder / f"{rank}").write_bytes(pickle.dumps(work(rank)))
                processes.leave()
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * count
    return [pickle.loads((folder / f"{rank}").read_bytes()) for rank in range(count)]
