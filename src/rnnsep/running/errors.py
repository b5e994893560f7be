"""The one exception whose message is meant for the user."""

from pathlib import Path


class UserError(Exception):
    """An error that the user can cause and fix.

    The message is one line: what is wrong, where, and what to do. Stages and the command line print it without
    a traceback and exit with 1.
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


def one_line(text: str) -> str:
    """`text` with line breaks, which names of files may hold, as escapes."""
    return text.replace("\r", "\\r").replace("\n", "\\n")


def failure(error: Exception, place: Path) -> str:
    """Why a song could not be read, or written to `place`: one line."""
    if isinstance(error, OSError):
        return f"{error.filename or place}: {error.strerror}"
    if isinstance(error, RuntimeError):  # soundfile's
        return f"{place}: cannot be written: {' '.join(str(error).split())} Is the disk full?"
    return str(error)
