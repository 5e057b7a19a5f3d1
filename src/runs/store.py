"""The store of what runs share (denoisers, back-translations): found by content, made once for all jobs of a sweep.

An entry's key is a hash of everything that shapes it. Left out: deleting entries; remove folders by hand.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from composed.config.identity import content_key
from composed.errors import ComposedError
from composed.system.console import say, training_id
from composed.system.files import locked, write_json, write_text


class Store:
    """Folders `root/KIND-KEY`: `key.json` (what shaped it), when made its file and `done.json`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(
        self,
        kind: str,
        file: str,
        shape: dict[str, Any],
        make: Callable[[Path], None] | None,
        command: str,
        leads: bool = True,
    ) -> Path:
        """`file` of the entry of this kind and shape; `make(folder)` writes it where it is missing.

        The rank that `leads` has the entry locked meanwhile, and other runs wait. Helper ranks of a distributed run
        pass leads=False: they join the leader in `make`, or return once another run has made the entry. An interrupted
        training goes on where it stopped. Raises ComposedError that names `command` where the entry is missing and
        `make` is None.
        """
        folder = self.root / f"{kind}-{content_key(shape)}"
        path, done = folder / file, folder / "done.json"
        if done.exists():
            return path
        if make is None:
            raise ComposedError(f"{folder} is missing, and denoiser=store makes none. Make it with:\n  {command}")
        training = folder / "training"  # the training_id of the ranks that make it
        if not leads:
            while (
                (ours := training_id())
                and not done.exists()
                and not (training.exists() and training.read_text() == ours)
            ):
                time.sleep(0.1)
            if not done.exists():
                make(folder)
            return path
        with locked(folder, lambda: say(f"another process is making {folder}; waiting for it")):
            if not done.exists():
                write_json(folder / "key.json", shape)
                write_text(training, training_id())
                make(folder)
                write_json(done, {"file": file})
        return path
