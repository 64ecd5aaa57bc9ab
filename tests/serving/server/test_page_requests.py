"""What the page's own interface answers to a client that is no browser."""

import asyncio
import errno
import importlib.util
import json
import os
import signal
import urllib.error
import urllib.request

import pytest

if not all(map(importlib.util.find_spec, ("fastapi", "gradio"))):  # which the server alone imports: it takes seconds
    pytest.skip("needs the extra serve", allow_module_level=True)

from servers import started
from wav_files import noise, wav

from tfcr import files
from tfcr.serving.server import page

_MAX_MB = 1


class Page:
    """Gradio's interface: `queue/join` takes what stands in the page's fields, `queue/data` answers."""

    def __init__(self, address):
        self.api = f"{address}/gradio_api"
        with urllib.request.urlopen(f"{address}/config", timeout=60) as answer:
            calls = json.load(answer)["dependencies"]
        (self.function,) = (each["id"] for each in calls if each["api_name"] == "answer")
        self.sessions = 0

    def ask(self, speech, words):
        """The answer's HTML; None where the page has none."""
        self.sessions += 1
        session = f"session{self.sessions}"
        self.post("queue/join", {"data": [speech, words], "fn_index": self.function, "session_hash": session})
        with urllib.request.urlopen(f"{self.api}/queue/data?session_hash={session}", timeout=60) as lines:
            told = [json.loads(line.removeprefix(b"data: ")) for line in lines if line.startswith(b"data: ")]
        (done,) = (each for each in told if each["msg"] == "process_completed")
        return done["output"]["data"][0] if done["success"] else None

    def post(self, path, content, kind="application/json"):
        """The JSON that answers."""
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.api}/{path}", content, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def upload(self, content):
        """Where the server keeps it."""
        head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.wav"\r\n\r\n'
        return self.post("upload", head + content + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")[0]


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder of temporary files, with those of three servers: one was killed, one runs, and one begins."""
    folder = tmp_path / "temporary"
    for name in ("tfcr-page-killed", "tfcr-page-runs"):
        (folder / name).mkdir(parents=True)
        (folder / name / files.LOCK).touch()
        os.utime(folder / name / files.LOCK, (0, 0))
    (folder / "tfcr-page-begins").mkdir()
    (folder / "tfcr-page-begins" / files.LOCK).touch()
    monkeypatch.setenv("TMPDIR", str(folder))
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests may be run by `nohup`, which programs inherit
    with files.locked(folder / "tfcr-page-runs", "serving by way of"):
        yield folder
    signal.signal(signal.SIGHUP, before)


def test_only_what_was_uploaded_is_heard_and_no_large_body_is_read(exported, tmp_path, temporary):
    recording = wav(noise(1.0))
    (tmp_path / "private.wav").write_bytes(recording)
    with started(exported, "--max-body", _MAX_MB) as server:
        client = Page(server.address)

        def file(path, **more):
            return {"path": str(path), "meta": {"_type": "gradio.FileData"}, **more}

        uploaded = client.upload(recording)
        assert "It sounds like" in client.ask(file(uploaded), "I know")
        for path in (tmp_path / "private.wav", tmp_path / "none.wav", "https://example.com/a.wav"):
            for more in ({}, {"is_stream": True}):
                assert "Spectrogram" not in (client.ask(file(path, **more), "I know") or "")
                assert "private" not in (client.ask(file(uploaded), file(path, **more)) or "")
        status, _ = server.get(f"/gradio_api/file={tmp_path / 'private.wav'}")
        assert status == 403
        for send in (
            lambda: client.upload(b" " * (3 << 20)),
            lambda: client.post("queue/join", b" " * ((1 << 20) + 1)),  # which waits in memory until it is asked
            lambda: client.post("run/upload", b" " * ((1 << 20) + 1)),  # a function of that name, if there were one
        ):
            with pytest.raises(urllib.error.HTTPError) as refused:
                send()
            assert refused.value.code == 413
        kept = {path.name for path in temporary.glob("tfcr-page-*")}
        assert len(kept) == 3 and "tfcr-page-killed" not in kept
        status, err = server.end(signal.SIGHUP)
        assert status == 0 and "example.com" not in err
        left = sorted(path.name for path in temporary.glob("tfcr-page-*"))
        assert left == ["tfcr-page-begins", "tfcr-page-runs"]


def test_a_full_disk_is_told_from_another_failure():
    answer = asyncio.run(page._full(None, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    assert answer.status_code == 507
    with pytest.raises(PermissionError):
        asyncio.run(page._full(None, PermissionError(errno.EACCES, "no")))


@pytest.mark.full
def test_a_recording_for_which_there_is_no_room_is_refused_and_the_server_goes_on(exported, small_disk, monkeypatch):
    disk, resize = small_disk
    resize(8 << 20)
    monkeypatch.setenv("TMPDIR", str(disk))
    recording = wav(noise(1.0))
    with started(exported) as server:
        client = Page(server.address)
        uploaded = client.upload(recording)
        resize(sum(path.stat().st_size for path in disk.rglob("*") if path.is_file()) + (16 << 10))
        with pytest.raises(urllib.error.HTTPError) as refused:
            client.upload(wav(noise(10.0)))
        assert refused.value.code == 507
        assert json.load(refused.value) == {"error": f"{disk} has no room for a recording (No space left on device)"}
        assert "It sounds like" in client.ask({"path": uploaded, "meta": {"_type": "gradio.FileData"}}, "I know")
        status, err = server.end()
    assert status == 0 and "Traceback" not in err
    assert [line for line in err.splitlines() if "no room" in line] == [
        f"{disk} has no room for a recording (No space left on device); make room"
    ]
