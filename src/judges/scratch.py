"""The folders that work is done in: one for a judge, and in it one for each unit of work, removed when it is done.

A judge holds a lock on its folder, so that what a killed judge left can be told apart and swept away by the next.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

_PREFIX = "composed-judge-"
_OLD = 60.0  # seconds: a younger folder may be about to be locked


class Workplace:
    def __init__(self) -> None:
        _sweep(Path(tempfile.gettempdir()))
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def folder(self) -> Folder:
        return Folder(Path(tempfile.mkdtemp(dir=self.path)))

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


class Folder:
    """Lasts until it was entered and left as often as it has users: one, and those that it is shared with."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._users = 1
        self._lock = threading.Lock()

    def share(self, users: int) -> None:
        self._users += users

    def __enter__(self) -> Path:
        return self._path

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                shutil.rmtree(self._path, ignore_errors=True)


def _sweep(parent: Path) -> None:
    for path in parent.glob(f"{_PREFIX}*"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            status = os.fstat(descriptor)
            if status.st_uid == os.getuid() and time.time() - status.st_mtime > _OLD:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except OSError:  # its judge is at work
            continue
        finally:
            os.close(descriptor)
