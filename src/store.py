"""The store of pre-trained denoisers: found by content, trained once, shared by all runs and all jobs of a sweep.

An entry's key is a hash of everything that shapes its weights. Left out: deleting entries; remove folders by hand.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from composed.console import say
from composed.errors import ComposedError
from composed.files import locked, write_json
from composed.run_folder import content_key


class Store:
    """Folders `root/denoiser-KEY`: `key.json` (what shaped it), when trained `best.safetensors` and `done.json`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def denoiser(
        self, shape: dict[str, Any], train: Callable[[Path], None] | None, command: str, alone: bool = True
    ) -> Path:
        """The weights of the denoiser of this shape; `train(folder)` makes them where they are missing.

        With `alone` the entry is locked meanwhile, and other processes wait. An interrupted training goes on where it
        stopped. Raises ComposedError that names `command` where the denoiser is missing and `train` is None.
        """
        folder = self.root / f"denoiser-{content_key(shape)}"
        weights, done = folder / "best.safetensors", folder / "done.json"
        if done.exists():
            return weights
        if train is None:
            raise ComposedError(
                f"there is no denoiser {folder}, and denoiser=store trains none. Make it with:\n  {command}"
            )
        if not alone:
            train(folder)
            return weights
        with locked(folder, lambda: say(f"another process is training the denoiser {folder}; waiting for it")):
            if not done.exists():
                write_json(folder / "key.json", shape)
                train(folder)
                write_json(done, {"weights": weights.name})
        return weights
