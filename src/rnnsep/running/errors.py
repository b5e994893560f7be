"""The one exception whose message is meant for the user."""


class UserError(Exception):
    """What a user can cause and mend.

    The message is one line: what is wrong, where, and what to do. Stages and the command line print it without
    a traceback and exit with 1.
    """
