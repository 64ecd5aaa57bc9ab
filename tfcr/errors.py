"""The one kind of error that is a user's to mend; the command line prints it as a single line."""


class TfcrError(Exception):
    """Something outside the program is wrong: the message names it, what was expected and what to do."""


class UsageError(TfcrError):
    """A value that was asked for does not exist or does not fit (exit code 2)."""
