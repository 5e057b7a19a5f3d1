"""Writing files so that a reader never sees half of one, reading what was written, and having a folder to oneself."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from filelock import FileLock, Timeout

from composed.errors import ComposedError, DataError


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Calls `write(temporary)`, then puts the temporary file in the place of `path`; on failure `path` stays as it was.

    Raises ComposedError with the reason (disk full, read-only folder, ...).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(temporary)
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """While `path` is written: raises ComposedError with the reason where that fails."""
    try:
        yield
    except OSError as error:
        raise ComposedError(
            f"cannot write {path}: {error.strerror or error}. What was there before is untouched; "
            "free some space or mend the folder's permissions and run the same command again."
        ) from error


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    write_atomically(path, lambda temporary: temporary.write_bytes(data))


def write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1) + "\n")


def write_lines(path: Path, values: Iterable[Any]) -> None:
    """One JSON value per line."""
    write_text(path, "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values))


def as_text(data: bytes, errors: str = "strict") -> str:
    r"""UTF-8 as a person brings it: without a byte order mark, and lines end in `\n` where Windows ended them.

    Raises UnicodeDecodeError.
    """
    return data.decode("utf-8", errors).removeprefix("\ufeff").replace("\r\n", "\n")


def text_lines(path: Path, errors: str = "strict") -> list[str]:
    r"""The lines of a file that a person brings; only a `\n` ends one. Raises DataError with file and line."""
    try:
        text = as_text(data := path.read_bytes(), errors)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{number}: not UTF-8 ({error.reason}); save the file as UTF-8") from error
    return _split(text)


def stream_lines(stream: TextIO) -> list[str]:
    """The same of standard input. Raises DataError with the line."""
    data = getattr(stream, "buffer", stream).read()  # its own encoding is the locale's, not the data's
    try:
        text = data if isinstance(data, str) else as_text(data)
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(f"line {number} of the input is not UTF-8 ({error.reason}); convert it with iconv") from error
    return _split(text)


def _split(text: str) -> list[str]:
    """As many as `wc -l` counts and an unended last one: nothing that Unicode alone takes for an end of a line is."""
    return text.removesuffix("\n").split("\n") if text else []


def read_json(path: Path) -> Any:
    """Raises DataError that names the file (and line) where it is missing or no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing") from error
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from error


def read_lines(path: Path) -> Iterator[Any]:
    """The values of a file of one JSON value per line. Raises DataError as `read_json` does."""
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise DataError(f"{path}:{number}: no JSON ({error})") from error
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing") from error


@contextlib.contextmanager
def locked(folder: Path, busy: Callable[[], None]) -> Iterator[None]:
    """Makes `folder` and keeps other processes out of it; where one is in it, calls `busy`, then waits.

    Raises ComposedError where the folder cannot be made or written to.
    """
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            busy()
            lock.acquire()
    except OSError as error:
        raise ComposedError(f"cannot write into the folder {folder}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def unless_busy(folder: Path) -> Iterator[bool]:
    """Keeps other processes out of a folder that there is, and yields True; False where one is in it as `locked` is."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def plain_files(folder: Path) -> list[Path]:
    """Those of a folder itself that are not hidden, sorted; none where there is no such folder."""
    return sorted(path for path in folder.glob("[!.]*") if path.is_file())


def digest(paths: Iterable[Path]) -> str:
    """SHA-256 of the names and the bytes of some files, wherever they lie."""
    hashed = hashlib.sha256()
    for path in paths:
        about = path.stat()
        hashed.update(f"{path.name} {_of_file(path, about.st_size, about.st_mtime_ns)}\n".encode())
    return hashed.hexdigest()


@lru_cache(maxsize=100_000)
def _of_file(path: Path, _size: int, _changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
