"""composed-judge: a file of predictions in, a file of verdicts out, in the same order; what is finished stays."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from composed.judges.engine import containment, judge
from composed.judges.files import InputError, read_programs, write_verdicts
from composed.judges.records import MEBIBYTE, JudgeError, Limits, Verdict
from composed.printable import printable

_MOST = 1e9  # seconds, MiB, workers: more is a slip
_TIERS = {
    "A": "bubblewrap's namespaces, seccomp, Landlock and resource limits",
    "B": "seccomp, Landlock and resource limits (no namespaces)",
    "unsafe": "resource limits only: programs run with all your rights",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 if every line has its verdict, 1 if not, 2 if a line cannot be read, 130 if interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.out and options.predictions != "-" and options.out == Path(options.predictions).resolve():
        parser.error(f"--out would overwrite the predictions in {options.out}")
    if (options.predictions == "-" and sys.stdin is None) or (options.out is None and sys.stdout is None):
        parser.error("standard input or output is closed; give files")
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job starts with SIGINT ignored
        signal.signal(number, _interrupt)
    partial = options.out and options.out.with_name(options.out.name + ".partial")
    try:
        return _judge(options, partial)
    except KeyboardInterrupt:
        _say("interrupted" + (f"; the same command goes on from {partial}" if partial else ""))
        return 130
    except InputError as error:
        _say(f"error: {error} (--keep-going leaves such lines out)")
        return error.code
    except JudgeError as error:
        _say(f"error: {error}")
        return error.code
    except OSError as error:
        _say(f"error: {error.filename or 'output'}: {error.strerror}")
        return 1


def _judge(options: argparse.Namespace, partial: Path | None) -> int:
    unreadable: list[str] = []

    def skip(message: str) -> None:
        _say(message)
        unreadable.append(message)

    programs = read_programs(options.predictions, skip if options.keep_going else None)
    tier = containment(options.tier, options.unsafe)
    _say(f"tier {tier}: {_TIERS[tier]}")
    started = time.monotonic()
    limits = replace(
        Limits(), cpu=options.cpu, wall=max(Limits().wall, 10 * options.cpu), memory=options.memory * MEBIBYTE
    )
    with _progress(len(programs)) as progress:
        verdicts = judge(
            programs,
            limits=limits,
            workers=options.workers,
            cache=partial,
            earlier=[options.out] if options.out else [],
            unsafe=options.unsafe,
            progress=progress,
            compare=options.compare,
            tier=tier,
            shared=not options.alone,
        )
    write_verdicts(verdicts, options.out)
    if partial:
        partial.unlink(missing_ok=True)
    faults = _tell(verdicts, time.monotonic() - started)
    return 1 if unreadable or faults else 0


def _tell(verdicts: Sequence[Verdict], seconds: float) -> int:
    """Says what they come to; returns how many programs the judge failed on."""
    classes = Counter(verdict.verdict for verdict in verdicts)
    counts = ", ".join(f"{count} {name}" for name, count in classes.most_common())
    _say(f"{len(verdicts)} programs in {seconds:.1f} s: {counts or 'nothing to judge'}")
    faults = [verdict for verdict in verdicts if verdict.verdict == "not_judged"]
    for verdict in faults[:20]:
        _say(f"the judge failed on {verdict.id} (its line's key is {verdict.key}): {verdict.diagnostics}")
    return len(faults)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="composed-judge", description="Compiles, runs and judges C++ programs.")
    parser.add_argument(
        "predictions",
        help='a file of lines {"id", "code", "tests": [{"input", "output"}]}, or - for standard input',
    )
    parser.add_argument("--out", type=_to_write, help="where the verdicts go (standard output); run again, it resumes")
    parser.add_argument("--keep-going", action="store_true", help="leave out lines that cannot be read")
    parser.add_argument("--workers", type=_above_0(int), help="programs judged at the same time (all cores)")
    parser.add_argument("--cpu", type=_above_0(float), default=Limits().cpu, help="CPU seconds a test (%(default)s)")
    parser.add_argument(
        "--memory", type=_above_0(int), default=Limits().memory // MEBIBYTE, help="MiB of memory a test (%(default)s)"
    )
    parser.add_argument("--alone", action="store_true", help="compile every program by itself; many times slower")
    parser.add_argument("--compare", choices=["exact", "tokens"], default="exact", help="how output is compared")
    parser.add_argument("--tier", choices=list(_TIERS), help="the containment to use (the best there is)")
    parser.add_argument("--unsafe", action="store_true", help="go on where programs cannot be contained")
    return parser


def _above_0(kind: type[int] | type[float]) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not 0 < value < _MOST:
            raise argparse.ArgumentTypeError(f"{text} is no number above 0 and below {_MOST:.0e}")
        return value

    number.__name__ = f"{kind.__name__} above 0"
    return number


def _to_write(text: str) -> Path:
    path = Path(text).resolve()  # a link stays one, and leads to the verdicts
    if not text or path.is_dir() or (path.exists() and not path.is_file()):
        raise argparse.ArgumentTypeError(f"{text!r} is no file that verdicts can be written to")
    return path


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int, int], None] | None]:
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        yield None
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _told_now_and_then()
        return
    with Progress(console=console) as bar:
        task = bar.add_task("judging", total=total)
        yield lambda finished, _: bar.update(task, completed=finished)


def _told_now_and_then(seconds: float = 30.0) -> Callable[[int, int], None]:
    told = time.monotonic()

    def tell(finished: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told > seconds:
            told = time.monotonic()
            _say(f"{finished} of {total} programs judged")

    return tell


def _say(message: str) -> None:
    if sys.stderr is None:  # closed: print would take standard output
        return
    print(printable(f"composed-judge: {message}"), file=sys.stderr, flush=True)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
