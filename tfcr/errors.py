"""The one kind of error that is a user's to mend; the command line prints it as a single line."""


class TfcrError(Exception):
    """Something outside the program is wrong: the message names it, what was expected and what to do."""


class UsageError(TfcrError):
    """A value that was asked for does not exist or does not fit (exit code 2)."""


def missing_extra(what: str, package: str | None, extra: str) -> TfcrError:
    """Of something that needs an extra, one of whose packages is not installed."""
    return TfcrError(
        f"{what} needs a package that is not installed ({package}); in tfcr's clone, pip install '.[{extra}]'"
    )
