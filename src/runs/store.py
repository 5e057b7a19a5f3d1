"""The store of what runs share (denoisers, back-translations, beginnings): found by content, made once for all jobs.

An entry's key is a hash of everything that shapes it. Left out: deleting denoisers and back-translations; remove their
folders by hand.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from composed.config.identity import content_key
from composed.errors import ComposedError, DataError
from composed.system.console import say, training_id
from composed.system.files import digest, locked, plain_files, read_json, unless_busy, write_json, write_text

DAY, GIGABYTE = 86_400, 1e9  # seconds, bytes
Found = TypeVar("Found")


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
        folder = self._folder(kind, shape)
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

    def has(self, kind: str, shape: dict[str, Any]) -> bool:
        """Whether `find` would find an entry, now."""
        return (self._folder(kind, shape) / "done.json").exists()

    @contextmanager
    def passed_on(
        self,
        kind: str,
        shape: dict[str, Any],
        read: Callable[[Path], Found],
        write: Callable[[Path], None],
    ) -> Iterator[tuple[Found | None, Callable[[], None]]]:
        """For what a process takes where it is there, and else comes by on the way to something else.

        Yields what `read(folder)` makes of the entry of this shape and, where there is none, None and a function that
        leaves one by `write(folder)`: until it is called, or the `with` ends, other processes wait. A store that cannot
        be written, and an entry that cannot be read, are told and stop nobody; the latter is made anew.
        """
        folder = self._folder(kind, shape)
        with ExitStack() as lock:
            found = self._read(folder, shape, read)
            alone = found is None and self._enter(folder, lock)
            if alone:
                found = self._read(folder, shape, read, told=True)
            if found is not None:
                lock.close()

            def leave() -> None:
                if alone and found is None:
                    _write(folder, shape, write)
                lock.close()

            yield found, leave

    def _enter(self, folder: Path, lock: ExitStack) -> bool:
        """Waits until this process has the folder to itself; False where it cannot be written, which is said."""
        try:
            lock.enter_context(locked(folder, lambda: say(f"another process makes {folder}; waiting for it")))
        except ComposedError as error:
            say(f"{error}; so nothing is kept there for other runs")
            return False
        return True

    def _folder(self, kind: str, shape: dict[str, Any]) -> Path:
        return self.root / f"{kind}-{content_key(shape)}"

    def _read(
        self, folder: Path, shape: dict[str, Any], read: Callable[[Path], Found], *, told: bool = False
    ) -> Found | None:
        """None: there is none, or none that can be used, which is said unless it was `told`."""
        done = folder / "done.json"
        if not done.exists():
            return None
        try:
            if read_json(done) != {"sha256": _digest(folder)}:
                raise DataError(f"{folder} is not as it was written")
            if content_key(read_json(folder / "key.json")) != content_key(shape):
                raise DataError(f"{folder} is of another training")
            found = read(folder)
        except (DataError, OSError) as error:
            if not told:
                say(f"warning: {error}; it is made anew")
            return None
        with suppress(OSError):  # read-only
            os.utime(done)
        return found

    def tidy(self, kind: str, *, days: float, gigabytes: float) -> None:
        """Deletes what nobody has taken for so many days, and what was not taken for longest while all is larger."""
        entries = []
        for folder in self.root.glob(f"{kind}-*"):
            with suppress(OSError):  # another process deletes it
                used = (folder / "done.json").stat().st_mtime
                entries.append((used, sum(path.stat().st_size for path in plain_files(folder)), folder))
        size = 0
        for used, its, folder in sorted(entries, reverse=True):
            size += its
            if time.time() - used > days * DAY or size > gigabytes * GIGABYTE:
                with suppress(OSError), unless_busy(folder) as free:
                    if free:
                        _clear(folder)


def _write(folder: Path, shape: dict[str, Any], write: Callable[[Path], None]) -> None:
    """The whole entry or nothing, which is told."""
    try:
        _clear(folder)  # of what could not be used
        write_json(folder / "key.json", shape)
        write(folder)
        write_json(folder / "done.json", {"sha256": _digest(folder)})
    except (ComposedError, OSError) as error:
        say(f"warning: {error}\n{folder} is not kept for other runs; this one goes on")
        with suppress(OSError):
            _clear(folder)


def _clear(folder: Path) -> None:
    """Deletes the files of an entry but its lock, for which others may wait; first what says that they are whole."""
    for path in (folder / "done.json", *plain_files(folder), *folder.glob(".*.tmp")):
        path.unlink(missing_ok=True)


def _digest(folder: Path) -> str:
    return digest(path for path in plain_files(folder) if path.name != "done.json")
