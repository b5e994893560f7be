"""The one exception whose message is meant for the user."""


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
