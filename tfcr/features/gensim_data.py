"""Vectors by name, `gensim:NAME`: only the data file of gensim's downloader.

`gensim.downloader.load(name)` imports a Python module that it has downloaded. With `return_path=True` it downloads that
module too, beside the data, but neither imports it nor touches `sys.path`.
"""

import contextlib
import io
import logging
import pathlib
import re
import socket
import sys
from collections.abc import Callable, Iterator

from tfcr.errors import TfcrError, UsageError

PREFIX = "gensim:"
SMALL = "glove-wiki-gigaword-50"  # 400,000 words of Wikipedia and newswire
OF_THE_PAPER = "word2vec-google-news-300"  # Sec. 4.2
_TIMEOUT = 60.0  # seconds without a byte; gensim itself would wait for ever


def check_name(name: str) -> None:
    """Raises `UsageError` for what is no name; needs no network."""
    if not re.fullmatch(r"\w[\w.-]*", name, re.ASCII):
        raise UsageError(f"--embeddings {PREFIX}{name}: expected a name such as {SMALL} or {OF_THE_PAPER}")


def resembles_name(text: str) -> bool:
    """Whether it looks like a name of gensim's, which end with a width: words between hyphens, then a number."""
    return re.fullmatch(r"[a-z][\w-]*-\d+", text, re.ASCII) is not None


def data_file(name: str) -> pathlib.Path:
    """Where gensim keeps the vectors of that name, downloaded or not."""
    check_name(name)
    from gensim import downloader

    return pathlib.Path(downloader.BASE_DIR, name, f"{name}.gz")


def download(name: str, say: Callable[[str], None]) -> pathlib.Path:
    """Lets gensim download the vectors of that name; returns their file.

    Raises:
        TfcrError: there are none of that name, or gensim cannot reach them.
    """
    from gensim import downloader

    file = data_file(name)
    new = not file.parent.parent.exists()
    try:
        with _gensim_kept_quiet():
            models = downloader.info()["models"]
    except Exception:  # it raises nothing more special
        if new:
            with contextlib.suppress(OSError):  # gensim makes its folder before it looks for the network
                file.parent.parent.rmdir()
        raise TfcrError(
            f"--embeddings {PREFIX}{name} cannot be looked up: gensim's list of vectors is out of reach; fetch the "
            f"file elsewhere, from {downloader.DOWNLOAD_BASE_URL.removesuffix('/download')}, and put it at {file}, or "
            "pass it by --embeddings"
        ) from None
    if name not in models:
        offered = ", ".join(sorted(model for model in models if re.search(r"-\d+$", model)))
        raise TfcrError(f"--embeddings {PREFIX}{name} is not among gensim's vectors; expected {offered}, or a file")
    say(f"Downloading {name} through gensim into {file.parent}")
    try:
        with _gensim_kept_quiet():
            file = pathlib.Path(downloader.load(name, return_path=True))
    except Exception as error:
        raise TfcrError(_remedy(name, " ".join(str(error).split())[:200] or type(error).__name__)) from None
    if not file.is_file():
        raise TfcrError(_remedy(name, "its folder is there without the file"))
    return file


def _remedy(name: str, reason: str) -> str:
    from gensim import downloader

    return (
        f"--embeddings {PREFIX}{name} cannot be downloaded ({reason}); fetch {downloader.DOWNLOAD_BASE_URL}/{name}/"
        f"{name}.gz elsewhere and put it at {data_file(name)}, or pass the file itself by --embeddings"
    )


@contextlib.contextmanager
def _gensim_kept_quiet() -> Iterator[None]:
    """Its progress goes to the terminal, if there is one; its traceback when it is offline goes nowhere."""
    logger, timeout = logging.getLogger("gensim.downloader"), socket.getdefaulttimeout()
    progress = sys.stderr if sys.stderr.isatty() else io.StringIO()
    logger.disabled = True
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        with contextlib.redirect_stdout(progress):
            yield
    finally:
        logger.disabled = False
        socket.setdefaulttimeout(timeout)
