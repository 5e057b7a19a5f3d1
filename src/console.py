"""One line for the person at the terminal; results go to standard output, everything else to standard error."""

import sys


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
