"""WAV files made by hand, right and wrong ones."""

import struct

import numpy as np

PCM = 1
GUID_TAIL = b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"


def chunk(name: bytes, body: bytes, length: int | None = None) -> bytes:
    """A chunk; its length may lie."""
    return name + struct.pack("<I", len(body) if length is None else length) + body + b"\0" * (len(body) % 2)


def form(rate=16_000, channels=1, bits=16, tag=PCM) -> bytes:
    """A fmt chunk."""
    block = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits))


def extensible(subformat=PCM) -> bytes:
    """A fmt chunk of `WAVE_FORMAT_EXTENSIBLE`: mono, 16 bits, 16 kHz."""
    head = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 16_000, 32_000, 2, 16, 22, 16, 4)
    return chunk(b"fmt ", head + struct.pack("<H", subformat) + GUID_TAIL)


def riff(*chunks: bytes, length: int | None = None, magic=b"RIFF", kind=b"WAVE") -> bytes:
    """The whole file."""
    body = kind + b"".join(chunks)
    return magic + struct.pack("<I", len(body) if length is None else length) + body


def wav(samples: np.ndarray, **options) -> bytes:
    """16-bit samples [samples] or [samples, channels] as a WAV file."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    return riff(form(channels=channels, **options), chunk(b"data", samples.astype("<i2").tobytes()))


def noise(seconds=0.5, seed=0, channels=None, loudness=3000) -> np.ndarray:
    """int16 [samples] or [samples, channels] of noise."""
    shape = round(16_000 * seconds) if channels is None else (round(16_000 * seconds), channels)
    return np.random.default_rng(seed).integers(-loudness, loudness, shape).astype(np.int16)


def bad_files() -> dict[str, tuple[bytes, str]]:
    """What is wrong → the file and what its sentence has to say."""
    speech = noise()
    data = chunk(b"data", speech.tobytes())
    whole = wav(speech)
    raw, n = speech.tobytes(), len(speech)
    return {
        "empty": (b"", "is empty"),
        "text": (b"hello, this is no recording", "is no WAV file"),
        "one byte": (b"R", "is no WAV file"),
        "FLAC": (b"fLaC" + bytes(100), "is no WAV file"),
        "big-endian": (riff(form(), data, magic=b"RIFX"), "is no WAV file"),
        "another RIFF": (riff(form(), data, kind=b"AVI "), "is no WAV file"),
        "head alone": (whole[:12], "cut short: it has no data chunk"),
        "cut within fmt": (whole[:30], "cut short: it has no data chunk"),
        "cut within data's head": (whole[:40], "cut short: it has no data chunk"),
        "truncated": (whole[:1000], f"header promises {2 * n + 44 - 1000} bytes more"),
        "8-bit": (riff(form(bits=8), chunk(b"data", bytes(100))), "samples of 8 bits"),
        "24-bit": (riff(form(bits=24), chunk(b"data", bytes(300))), "samples of 24 bits"),
        "float": (riff(form(bits=32, tag=3), chunk(b"data", bytes(400))), "samples of format 3"),
        "A-law": (riff(form(bits=8, tag=6), chunk(b"data", bytes(400))), "samples of format 6"),
        "extensible float": (riff(extensible(3), data), "samples of format 65534"),
        "44.1 kHz": (wav(speech, rate=44_100), "a rate of 44100 Hz; expected a WAV file"),
        "six channels": (wav(noise(channels=6)), "6 channels"),
        "no channels": (riff(form(channels=0), data), "0 channels"),
        "no fmt": (riff(data), "no fmt chunk"),
        "fmt too short": (riff(chunk(b"fmt ", bytes(10)), data), "no fmt chunk"),
        "fmt behind the samples": (riff(data, form()), "no fmt chunk"),
        "promises too much": (riff(form(), chunk(b"data", raw, 1 << 30)), f"{(1 << 30) - 2 * n} bytes more"),
        "says nothing is there": (riff(form(), chunk(b"data", raw, 0)), f"0 samples, yet {2 * n} bytes follow"),
        "says less than there is": (
            riff(form(), chunk(b"data", np.full(n, -1, "<i2").tobytes(), 1000)),
            f"says 1000 bytes of samples, yet {2 * n - 1000} bytes follow that are no chunk",
        ),
        "no samples": (riff(form(), chunk(b"data", b"")), "holds no samples"),
        "half a sample": (riff(form(), chunk(b"data", b"\x01")), "holds no samples"),
        "a chunk that runs over the end": (riff(chunk(b"LIST", b"abcd", 0xFFFFFFFF), form(), data), "no data chunk"),
        "nothing but chunks": (riff(*[chunk(b"junk", b"")] * 5000), "1000 chunks and no samples"),
        "ten minutes": (wav(np.zeros(16_000 * 600, np.int16)), "lasts 600.0 s; expected at most 300 s"),
        "a sample too long": (wav(np.zeros(16_000 * 300 + 1, np.int16)), "expected at most 300 s"),
    }  # fmt: skip


def good_files() -> dict[str, tuple[bytes, np.ndarray]]:
    """What is odd and right → the file and its samples, float64 in [-1, 1)."""
    speech, stereo = noise(), noise(channels=2, seed=1)
    data = chunk(b"data", speech.tobytes())
    mono = speech / 32768
    return {
        "plain": (wav(speech), mono),
        "stereo": (wav(stereo), stereo.mean(axis=1) / 32768),
        "extensible": (riff(extensible(), data), mono),
        "fmt of 18 bytes": (riff(chunk(b"fmt ", form()[8:] + b"\0\0"), data), mono),
        "chunks before": (riff(chunk(b"LIST", b"odd"), form(), chunk(b"fact", b"12"), chunk(b"xx  ", b""), data), mono),
        "chunks behind": (riff(form(), data, chunk(b"LIST", b"INFOodd")), mono),
        "bytes of others behind": (wav(speech) + b"\xff\xfetrailer", mono),
        "written to a pipe": (riff(form(), chunk(b"data", speech.tobytes(), 0xFFFFFFFF), length=0xFFFFFFFF), mono),
        "RIFF length wrong": (riff(form(), data, length=7), mono),
        "a byte too many": (riff(form(), chunk(b"data", speech.tobytes() + b"\x01")), mono),
        "one sample": (wav(speech[:1]), mono[:1]),
        "extremes": (wav(np.array([-32768, 32767, 0], np.int16)), np.array([-1, 32767 / 32768, 0])),
        "the longest": (wav(np.zeros(16_000 * 300, np.int16)), np.zeros(16_000 * 300)),
    }  # fmt: skip
