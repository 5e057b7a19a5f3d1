"""What every command but `composed-train` does around its work: signals, errors in words, exit codes."""

from collections.abc import Callable

from composed.errors import ComposedError, Interrupted
from composed.system.console import alone, raise_on_signals, say


def framed(work: Callable[[], int | None], *, stopped: Callable[[Interrupted], str] = lambda _: "") -> int:
    """The exit code of a command that is one process.

    Ctrl-C and SIGTERM raise Interrupted within `work`; then `stopped` says how things are. A ComposedError is told in a
    line. Anything else is a defect and keeps its traceback.
    """
    alone()
    raise_on_signals()
    try:
        return work() or 0
    except ComposedError as error:
        say(f"error: {error}")
        return error.code
    except Interrupted as interrupted:
        if words := stopped(interrupted):
            say(words)
        return interrupted.code
