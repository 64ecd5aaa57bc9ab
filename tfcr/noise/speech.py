"""Noise, babble, a telephone and a room, applied to the samples of a recording. No TensorFlow."""

from collections.abc import Sequence

import numpy as np
from scipy import signal

from tfcr.schema import SAMPLE_RATE

PINK_FROM = 50.0  # Hz; below it pink noise is flat, else most of it would lie where nobody hears it
TELEPHONE_BAND = 300.0, 3400.0  # Hz
_TELEPHONE = signal.butter(4, TELEPHONE_BAND, "bandpass", fs=SAMPLE_RATE, output="sos")
DECAY = 60.0  # dB; a room's reverberation time is that of so much decay


def power(samples: np.ndarray) -> float:
    """Mean square of float [samples]."""
    return float(np.mean(np.square(samples)))


def at_snr(samples: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray:
    """The sum of both, with the noise scaled so that their powers over the whole recording are `snr` dB apart.

    Pauses count as part of the recording. Digital silence stays, for there the ratio has no meaning.

    Args:
        samples, noise: float [samples].
    """
    signal_power, noise_power = power(samples), power(noise)
    if not signal_power or not noise_power:
        return samples
    return samples + noise * np.sqrt(signal_power / noise_power / 10 ** (snr / 10))


def white(count: int, random: np.random.Generator) -> np.ndarray:
    """White Gaussian noise, float64 [count]."""
    return random.standard_normal(count)


def pink(count: int, random: np.random.Generator) -> np.ndarray:
    """Gaussian noise whose density falls as 1/f above 50 Hz, float64 [count]."""
    spectrum = np.fft.rfft(white(count, random))
    return np.fft.irfft(spectrum * pink_shape(np.fft.rfftfreq(count, 1 / SAMPLE_RATE)), count)


def pink_shape(frequencies: np.ndarray) -> np.ndarray:
    """What turns the amplitudes of white noise into those of pink noise, at frequencies in Hz."""
    return np.sqrt(PINK_FROM / np.maximum(frequencies, PINK_FROM))


def babble(voices: Sequence[np.ndarray], count: int, random: np.random.Generator) -> np.ndarray:
    """Recordings of equal power at once, each begun at a drawn place and repeated if need be, float64 [count]."""
    total = np.zeros(count)
    for voice in voices:
        start = int(random.integers(len(voice)))
        total += np.resize(np.roll(voice, -start), count) / np.sqrt(power(voice) or 1.0)
    return total


def over_telephone(samples: np.ndarray) -> np.ndarray:
    """What passes 300 to 3,400 Hz (Butterworth, 24 dB an octave on either side)."""
    return signal.sosfilt(_TELEPHONE, samples)


def telephone_gain(frequencies: np.ndarray) -> np.ndarray:
    """The power gain of `over_telephone` at frequencies in Hz."""
    return np.abs(signal.sosfreqz(_TELEPHONE, frequencies, fs=SAMPLE_RATE)[1]) ** 2


def reverberant(samples: np.ndarray, seconds: float, random: np.random.Generator) -> np.ndarray:
    """The recording in a drawn room, as long as it was (Polack's model).

    The room answers an impulse by the impulse and Gaussian noise that decays exponentially; both carry the same energy,
    as at the distance where a listener hears as much of the room as of the speaker, and one unit together.

    Args:
        seconds: in which the answer decays by 60 dB.
    """
    count = int(seconds * SAMPLE_RATE)
    tail = white(count, random) * np.exp(-0.5 * decay_rate(seconds) * np.arange(count) / SAMPLE_RATE)
    response = np.concatenate([[1.0], tail / np.linalg.norm(tail)]) / np.sqrt(2)
    return signal.fftconvolve(samples, response)[: len(samples)]


def decay_rate(seconds: float) -> float:
    """The rate in 1/s at which the energy of a room with this reverberation time decays."""
    return DECAY / 10 * np.log(10) / seconds
