"""What went wrong in words for a person: every error that a user can cause or mend is one of these.

The command lines print the message without a traceback and exit with `code`.
"""


class ComposedError(Exception):
    """A message that says what is wrong, where, and how to mend it."""

    code = 1


class ConfigError(ComposedError):
    """The configuration is wrong: found before any data is read or any model is built."""

    code = 2


class DataError(ComposedError):
    """A data file is missing or malformed; names the file and the line."""


class TrainingError(ComposedError):
    """Training cannot go on (a NaN loss, say); the last good checkpoint stays."""


class Interrupted(BaseException):
    """Asked to stop by a signal. No Exception, so that nobody on the way takes it for a failure one can live with."""

    def __init__(self, number: int, message: str = "stopped") -> None:
        super().__init__(message)
        self.number = number
        self.code = 128 + number
