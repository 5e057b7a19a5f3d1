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
from composed.judges.files import InputError, read_programs, read_rows, write_verdicts
from composed.judges.interface import Record
from composed.judges.records import MEBIBYTE, JudgeError, Limits, Verdict
from composed.printable import printable

CPP = "programs"  # the judge that the flags are about
_FLAGS_OF_CPP = {
    "cpu": Limits().cpu,
    "memory": Limits().memory // MEBIBYTE,
    "alone": False,
    "compare": "exact",
    "tier": None,
}
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

    work = _programs if options.judge == CPP else _others
    verdicts, noun, seconds = work(options, partial, skip if options.keep_going else None)
    write_verdicts(verdicts, options.out)
    if partial:
        partial.unlink(missing_ok=True)
    faults = _tell(verdicts, noun, seconds)
    return 1 if unreadable or faults else 0


_Judged = tuple[list[Verdict], str, float]  # the verdicts, what was judged, in the plural, and the seconds


def _programs(options: argparse.Namespace, partial: Path | None, skip: Callable[[str], None] | None) -> _Judged:
    """Programs in C++, by the flags."""
    if options.set:
        raise JudgeError("--set: programs in C++ are judged by the other flags; --judge programs_tokens takes settings")
    programs = read_programs(options.predictions, skip)
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
    return verdicts, "programs", time.monotonic() - started


def _others(options: argparse.Namespace, partial: Path | None, skip: Callable[[str], None] | None) -> _Judged:
    """Outputs of any kind, by a judge of conf/judge."""
    from composed.config.judge import named, opened
    from composed.errors import ComposedError

    for flag, default in _FLAGS_OF_CPP.items():
        if getattr(options, flag) != default:
            raise JudgeError(f"--{flag}: is for programs in C++; --judge {options.judge} takes --set KEY=VALUE")
    try:
        config = named(options.judge, options.set)
    except ComposedError as error:
        raise JudgeError(str(error)) from error
    by = opened(config.running(unsafe=options.unsafe), workers=options.workers)
    rows = read_rows(options.predictions, by.needs, skip)
    by.check()
    started = time.monotonic()
    with _progress(len(rows)) as progress:
        earlier = [options.out] if options.out else []
        verdicts = by.judge(rows, Record(partial, earlier, progress)) if rows else []
    return verdicts, by.noun, time.monotonic() - started


def _tell(verdicts: Sequence[Verdict], noun: str, seconds: float) -> int:
    """Says what they come to; returns how many outputs the judge failed on."""
    classes = Counter(verdict.verdict for verdict in verdicts)
    counts = ", ".join(f"{count} {name}" for name, count in classes.most_common())
    _say(f"{len(verdicts)} {noun} in {seconds:.1f} s: {counts or 'nothing to judge'}")
    faults = [verdict for verdict in verdicts if verdict.verdict == "not_judged"]
    for verdict in faults[:20]:
        _say(f"the judge failed on {verdict.id} (its line's key is {verdict.key}): {verdict.diagnostics}")
    return len(faults)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="composed-judge", description="Judges predictions: compiles and runs C++ programs, or what --judge says."
    )
    parser.add_argument(
        "predictions",
        help='a file of lines {"id", "code", "tests": [{"input", "output"}]}, or - for standard input; of other judges '
        '{"id", "text", "target"} and what they read',
    )
    parser.add_argument("--judge", default=CPP, metavar="NAME", help="an option of conf/judge (%(default)s)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of a judge other than programs, such as seconds=5",
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
            _say(f"{finished} of {total} judged")

    return tell


def _say(message: str) -> None:
    if sys.stderr is None:  # closed: print would take standard output
        return
    print(printable(f"composed-judge: {message}"), file=sys.stderr, flush=True)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
