"""The page of the server: speech and words in, an answer and its reasons out (Gradio, which is loaded here only)."""

import asyncio
import contextlib
import logging
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import fastapi
import numpy as np
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tfcr import files
from tfcr.corpora.synthetic import voices
from tfcr.errors import TfcrError
from tfcr.serving.server.explanation import MAX_CHARACTERS, explain, render, render_error
from tfcr.serving.server.served import ServedModel
from tfcr.serving.wav_bytes import encode_wav

_log = logging.getLogger(__name__)

TITLE = "Emotion in speech and words"
LIMITS = (
    "This model guesses how a person **sounds to others**, not what the person feels, and it is worse for speakers, "
    "languages and microphones unlike those it was trained on. It has no answer *none of these*: silence and music get "
    "an emotion too. Do not decide about people with it. Recordings stay on the machine that serves this page and are "
    "deleted within an hour."
)
WITHOUT_RECORDER = (
    "This page has no recorder: the model takes features that another program has computed of a recording and its "
    "words, and that program does not run here. `tfcr predict` answers recordings; the REST interface takes features."
)

_PLACEHOLDER = '<p class="tfcr-empty">The answer will stand here.</p>'
_YOUNG = 60  # seconds
_FOLDER = "tfcr-page-"  # begins the name of the folder that recordings are kept in
_KEPT_SECONDS = 1800  # of what is dropped on the page; looked at as often
_FORM = 1 << 20  # bytes around what is uploaded, and of what is no upload
_CSS = pathlib.Path(__file__).with_name("templates") / "page.css"
# label, emotion of the voice, words
_EXAMPLES = (
    ("cheerful voice, cheerful words", "happiness", "What a wonderful surprise tonight!"),
    ("angry voice, angry words", "anger", "You ruined it and that was so unfair."),
    ("sad voice, cheerful words", "sadness", "What a wonderful party!"),
)


@contextlib.contextmanager
def mount_page(
    app: fastapi.FastAPI, model: ServedModel, pool: ThreadPoolExecutor, threads: int, max_bytes: int
) -> Iterator[Callable[[], None]]:
    """Puts the page at `/` of an application, for as long as the context lasts.

    Nothing of it comes from another host, and nothing goes there.

    Args:
        pool: computes the answers.
        threads: how many at a time.
        max_bytes: of a recording.

    Yields:
        What is to be called when the server ends: it lets go of the browsers that look at the page.
    """
    _remove_leftovers()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=_FOLDER))
        with contextlib.suppress(TfcrError):  # of a file system without locks: what is left there stays
            stack.enter_context(files.locked(folder, "serving by way of"))
        stack.enter_context(_environment(folder))
        import gradio

        with files.full_disk_named(pathlib.Path(folder)):
            page = _page(gradio, model, pool, threads, pathlib.Path(folder))
        fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
        gradio.mount_gradio_app(
            app,
            page,
            path="/",
            theme=gradio.themes.Default(primary_hue="blue", **fonts),  # its own fonts would come from another host
            css=_CSS.read_text(encoding="utf-8"),
            footer_links=[],
            run_history=False,
            max_file_size=max_bytes,
            show_error=False,
            ssr_mode=False,
            mcp_server=False,
        )
        page.has_launched = True  # mounting leaves it False, and then any path of this machine counts as uploaded
        mount = app.routes[-1]
        mounted, mount.app = mount.app, _Limited(mount.app, max_bytes + _FORM)
        mounted.add_exception_handler(OSError, _full)
        with _no_downloads(gradio):
            yield lambda: mounted.stop_event.set()


def _remove_leftovers() -> None:
    """Removes the recordings of servers that were killed: nobody holds the lock of their folders."""
    for left in pathlib.Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with contextlib.suppress(TfcrError, OSError):  # a server that runs, or another user's
            if time.time() - (left / files.LOCK).stat().st_mtime > _YOUNG:  # else its server may be about to lock it
                with files.locked(left, "removing"):
                    shutil.rmtree(left, ignore_errors=True)


class _Limited:
    """An application that reads no body beyond a size; Gradio itself looks at single files only.

    Args:
        most: bytes of an upload; of any other request, `_FORM`.
    """

    def __init__(self, app: ASGIApp, most: int):
        self.app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # what is no recording waits in a queue
        most = self._most if scope.get("path", "").endswith("/gradio_api/upload") else _FORM
        left = most

        async def received() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, f"the body is too large; expected at most {most >> 20} MB")
            return message

        await self.app(scope, received if scope["type"] == "http" else receive, send)


async def _full(request: fastapi.Request, error: OSError) -> fastapi.Response:
    """The answer to a recording for which the server's disk has no room; the log gets a line of it."""
    lacking = files.room_lacking(error)
    if lacking is None:
        raise error
    sentence = f"{tempfile.gettempdir()} has no room for a recording ({lacking[0]})"
    _log.warning("%s; %s", sentence, lacking[1])
    return fastapi.responses.JSONResponse({"error": sentence}, 507)


@contextlib.contextmanager
def _no_downloads(gradio) -> Iterator[None]:
    """Gradio would fetch a recording that is named by an address; here a recording is what was uploaded."""
    before = gradio.processing_utils.async_ssrf_protected_download

    async def refused(url: str, *_, **__) -> str:
        raise gradio.Error("this page fetches nothing from other hosts", print_exception=False)

    gradio.processing_utils.async_ssrf_protected_download = refused
    try:
        yield
    finally:
        gradio.processing_utils.async_ssrf_protected_download = before


@contextlib.contextmanager
def _environment(folder: str) -> Iterator[None]:
    """Gradio reads these when it is imported: where recordings are kept, and that it calls nobody."""
    wanted = {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _page(gradio, model: ServedModel, pool: ThreadPoolExecutor, threads: int, folder: pathlib.Path):
    """The page's Blocks."""
    if not model.takes_recordings:
        return _page_of_features(gradio, model)
    hears, reads = ("audio_bytes" in model.inputs), ("transcript" in model.inputs)

    async def answer(*given) -> str:
        values = iter(given)
        recording = next(values) if hears else None
        transcript = next(values) if reads else None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(pool, _answered, model, recording, transcript)

    with gradio.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(_KEPT_SECONDS, _KEPT_SECONDS)) as page:
        gradio.Markdown(f"# {TITLE}\n{_introduction(model)}")
        with gradio.Row():
            with gradio.Column(scale=2, min_width=320):
                inputs = []
                if hears:
                    inputs.append(
                        gradio.Audio(
                            label="Speech: record it, or drop a file",
                            sources=["upload", "microphone"],
                            type="filepath",
                            buttons=[],  # no sharing, which would send it to another host
                            elem_id="speech",
                        )
                    )
                if reads:
                    inputs.append(
                        gradio.Textbox(
                            label="The words that are said",
                            placeholder="Type them here; without them, speech decides alone."
                            if hears and model.preset == "paper"  # the other network reads padding as words
                            else "Type them here.",
                            lines=2,
                            max_length=MAX_CHARACTERS,
                            elem_id="words",
                        )
                    )
                button = gradio.Button("What emotion is it?", variant="primary", elem_id="ask")
                gradio.Examples(
                    _examples(folder, hears, reads),
                    inputs,
                    example_labels=[label for label, _, _ in _EXAMPLES],
                    label="Examples (made-up voices, no intelligible speech)" if hears else "Examples",
                )
            with gradio.Column(scale=3, min_width=360):
                said = gradio.HTML(_PLACEHOLDER, elem_id="answer", label="Answer")
        gradio.Markdown(LIMITS, elem_id="limits")
        asked = [button.click, *(each.submit for each in inputs if isinstance(each, gradio.Textbox))]
        gradio.on(asked, answer, inputs, said, concurrency_limit=threads, api_visibility="private")
    return page


def _page_of_features(gradio, model: ServedModel):
    """The page of an export that takes features: there is nothing to record."""
    with gradio.Blocks(title=TITLE, analytics_enabled=False) as page:
        gradio.Markdown(f"# {TITLE}\n{WITHOUT_RECORDER}\n\n{_choice(model)}", elem_id="without-recorder")
        gradio.Markdown(LIMITS, elem_id="limits")
    return page


def _introduction(model: ServedModel) -> str:
    what = {
        ("audio_bytes", "transcript"): "Record or drop speech and type its words.",
        ("audio_bytes",): "Record or drop speech; this model reads no words.",
        ("transcript",): "Type words; this model hears nothing.",
    }[tuple(sorted(model.inputs))]
    return f"{what} {_choice(model)}"


def _choice(model: ServedModel) -> str:
    return f"The model `{model.name}`, version {model.version}, chooses among {', '.join(model.emotions)}."


def _answered(model: ServedModel, recording: str | None, transcript: str | None) -> str:
    try:
        return render(explain(model, recording, transcript))
    except TfcrError as error:
        return render_error(str(error))


def _examples(folder: pathlib.Path, hears: bool, reads: bool) -> list[list[str]]:
    """Rows of what the page asks for."""
    random = np.random.default_rng(0)
    speaker = voices.Speaker.drawn("F", random)
    rows = []
    for label, emotion, words in _EXAMPLES:
        row = []
        if hears:
            samples = voices.spoken(words.lower().strip(".!").split(), speaker, voices.MANNERS[emotion], random)
            path = folder / f"{label}.wav"
            path.write_bytes(encode_wav(samples / 2**15))
            row.append(str(path))
        if reads:
            row.append(words)
        rows.append(row)
    return rows
