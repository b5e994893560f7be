"""The one exception whose message is meant for the user."""


class UserError(Exception):
    """An error that the user can cause and fix.

    The message is one line: what is wrong, where, and what to do. Stages and the command line print it without
    a traceback and exit with 1.
    """
