"""How many files this process may hold open."""

import resource

from tfcr.errors import TfcrError

_OTHERS = 128  # libraries, sockets, checkpoints, logs


def allow(count: int) -> None:
    """Lets the process hold so many files open beside what it has open already, where the machine permits it.

    Raises:
        TfcrError: the machine's limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + _OTHERS
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise TfcrError(
            f"training holds {count} shards open, which takes a limit of {needed} open files; this machine allows "
            f"{hard} (`ulimit -Hn`); raise it"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
