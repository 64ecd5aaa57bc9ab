"""Prosody: pitch of voices that are known, descriptors and functionals worked out by hand, and a second opinion."""

import librosa
import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from tfcr.corpora import manifest
from tfcr.corpora.audio import read_audio
from tfcr.corpora.synthetic.voices import Manner, Speaker, spoken
from tfcr.features.prosody import NAMES, contours, num_prosody_frames, prosody
from tfcr.schema import SAMPLE_RATE

VOWELS = {"a": (730.0, 1090.0, 2440.0), "i": (270.0, 2290.0, 3010.0), "u": (300.0, 870.0, 2240.0)}  # formants in Hz
OCTAVE = 12.0  # semitones


def noise(length, scale=0.1):
    return np.random.default_rng(length).normal(0, scale, length)


def tone(length, frequency, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(length) / SAMPLE_RATE)


def voice(pitch, vowel, noise_db=None):
    """A pulse per period of a pitch in Hz [samples], through a vowel's resonances; RMS 0.1, noise in dB below."""
    cycles = np.cumsum(pitch / SAMPLE_RATE)
    places = np.flatnonzero(np.diff(np.floor(cycles)))
    late = cycles[places + 1] % 1.0 / (cycles[places + 1] - cycles[places])  # pulses fall between two samples
    sound = np.zeros(len(pitch))
    sound[places] = late
    sound[places + 1] = 1.0 - late
    for formant, bandwidth in zip(VOWELS[vowel], (60.0, 90.0, 120.0), strict=True):
        radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
        feedback = [1.0, -2.0 * radius * np.cos(2 * np.pi * formant / SAMPLE_RATE), radius**2]
        sound = scipy.signal.lfilter([1.0], feedback, sound)
    sound *= 0.1 / sound.std()
    return sound if noise_db is None else sound + noise(len(sound), 0.1 * 10 ** (-noise_db / 20))


def named(samples):
    return dict(zip(NAMES, prosody(samples).tolist(), strict=True))


@pytest.mark.parametrize("noise_db", [None, 20, 10])
@pytest.mark.parametrize("vowel", VOWELS)
@pytest.mark.parametrize("hz", [63, 80, 120, 180, 250, 333, 400, 490])
def test_every_frame_of_a_known_voice_has_its_pitch(hz, vowel, noise_db):
    pitch = contours(voice(np.full(SAMPLE_RATE, float(hz)), vowel, noise_db)).pitch
    np.testing.assert_allclose(pitch, hz, rtol=0.02)  # an octave error would be a factor of 2


@pytest.mark.parametrize("vowel", VOWELS)
@pytest.mark.parametrize(("first", "last"), [(80.0, 400.0), (400.0, 80.0)])
def test_a_gliding_voice_is_followed(first, last, vowel):
    glide = first * (last / first) ** np.linspace(0, 1, 2 * SAMPLE_RATE)
    pitch = contours(voice(glide, vowel, 20)).pitch
    middles = 400 + 160 * np.arange(len(pitch))  # of windows of 800 samples
    np.testing.assert_allclose(pitch, glide[middles], rtol=0.02)


def test_voices_begin_and_end():
    # Half a second each of noise, voice, noise; frames that straddle two may be either.
    sound = np.concatenate([noise(8_000, 0.02), voice(np.full(8_000, 200.0), "a"), noise(8_000, 0.02)])
    voiced = contours(sound).pitch > 0
    starts = 160 * np.arange(len(voiced))
    assert voiced[(starts >= 8_000) & (starts + 800 <= 16_000)].all()
    assert not voiced[(starts + 800 <= 8_000) | (starts >= 16_000)].any()


def test_what_is_far_softer_than_the_loudest_voice_is_none():
    # Voicing must be clearer from 0.03 of the amplitude down, which is -30 dB.
    loud = voice(np.full(8_000, 200.0), "a")
    for decibel, heard in ((-20, True), (-60, False)):
        pitch = contours(np.concatenate([loud, loud * 10 ** (decibel / 20)])).pitch
        assert (pitch[:45] > 0).all()
        assert (pitch[-45:] > 0).all() == (pitch[-45:] > 0).any() == heard


@pytest.mark.parametrize(
    ("lag", "voicing"),
    [
        # The autocorrelation of a Hann window of length T at a lag of x T is (Boersma 1993, Eq. 8)
        # (1 - x) (2/3 + 1/3 cos 2πx) + 1/(2π) sin 2πx. Two equal clicks alone have an autocorrelation of 1/2.
        (200, 0.5 / 0.6592),  # x = 0.25: 0.75 · 2/3 + 0.1592
        (240, 0.5 / 0.5460),  # x = 0.3: 0.7 · (0.6667 - 0.1030) + 0.1514 = 0.5460
        (264, 0.4787 / 0.5),  # x = 0.33: 0.67 · (0.6667 - 0.1606) + 0.1395 = 0.4787, and above 1 the inverse counts
    ],
)
def test_the_voicing_of_two_clicks_by_hand(lag, voicing):
    clicks = np.zeros(800)
    clicks[[400 - lag // 2, 400 + lag // 2]] = 0.5
    assert contours(clicks).voicing.tolist() == pytest.approx([voicing], abs=0.01)


@pytest.mark.parametrize("color", [[1.0], [1.0, -0.9]], ids=["white", "brownish"])
def test_noise_has_no_pitch(color):
    measured = contours(scipy.signal.lfilter([1.0], color, noise(160_000, 0.02)))
    assert (measured.pitch == 0).mean() > 0.99
    assert measured.voicing.mean() < 0.4


def test_synthetic_voices_that_speak_four_semitones_higher_are_measured_so():
    speaker = Speaker(pitch=120.0, formants=1.0, tilt=-9.0, level=-25.0, syllables_per_second=5.0)
    words = ["we", "meet", "in", "a", "new", "room", "every", "evening"]
    lower, higher = (
        named(spoken(words, speaker, Manner(pitch, 0, 0, 0, 0, 0, 0), np.random.default_rng(3)) / 2**15)
        for pitch in (0.0, 4.0)
    )
    # Durations, accents and formants are drawn alike; only shimmer, breath and background differ.
    assert higher["pitch_median"] - lower["pitch_median"] == pytest.approx(4.0, abs=0.2)
    assert higher["pitch_deviation"] == pytest.approx(lower["pitch_deviation"], abs=0.3)
    # 120 Hz are 12 log2(120 / 27.5) = 25.5 semitones; the line falls by a semitone around them and accents move it.
    assert lower["pitch_median"] == pytest.approx(25.5, abs=2.0)


def test_there_are_35_names_in_the_order_of_the_numbers():
    assert len(NAMES) == len(set(NAMES)) == 35
    assert NAMES[0] == "pitch_mean"
    assert NAMES[8] == "harmonicity_deviation"
    assert NAMES[-1] == "zero_crossings_change"
    # Five descriptors of a tone, each where its name says it is.
    numbers = prosody(tone(SAMPLE_RATE, 220.0))
    assert numbers[NAMES.index("pitch_median")] == pytest.approx(3 * OCTAVE, abs=0.01)  # 220 Hz = 27.5 Hz · 2³
    assert numbers[NAMES.index("harmonicity_median")] == pytest.approx(40.0, abs=1.0)
    assert numbers[NAMES.index("voicing_median")] == pytest.approx(1.0, abs=1e-3)
    assert numbers[NAMES.index("energy_median")] == pytest.approx(-9.03, abs=0.05)  # 20 log10(0.5) - 3.01
    assert numbers[NAMES.index("zero_crossings_median")] == pytest.approx(440.0, abs=20.1)  # one more or less in 50 ms


def test_functionals_of_an_octave_in_a_second():
    # A line from 110 to 220 Hz: its slope and its change are 12 semitones per second, falling or rising.
    glide = 110.0 * 2 ** (np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    rising, falling = named(voice(glide, "a")), named(voice(glide[::-1], "a"))
    assert rising["pitch_slope"] == pytest.approx(12.0, abs=0.2)
    assert falling["pitch_slope"] == pytest.approx(-12.0, abs=0.2)
    for numbers in (rising, falling):
        assert numbers["pitch_change"] == pytest.approx(12.0, abs=0.5)
        # Middles of frames lie from 25 to 975 ms: a uniform distribution over 0.95 octaves around 30 semitones, whose
        # deviation is its width over √12, and whose 5th and 95th percentile lie 0.45 widths off the middle.
        middle, width = 30.0, 12 * 0.95
        assert numbers["pitch_mean"] == pytest.approx(middle, abs=0.1)
        assert numbers["pitch_median"] == pytest.approx(middle, abs=0.1)
        assert numbers["pitch_deviation"] == pytest.approx(width / np.sqrt(12), abs=0.1)
        assert numbers["pitch_low"] == pytest.approx(middle - 0.45 * width, abs=0.1)
        assert numbers["pitch_high"] == pytest.approx(middle + 0.45 * width, abs=0.1)


def test_silence_between_voices_counts_for_no_change_of_pitch():
    steady = np.full(8_000, 0.0)
    low, high = voice(np.full(8_000, 100.0), "a"), voice(np.full(8_000, 300.0), "a")
    numbers = named(np.concatenate([low, steady, high]))
    # 19 semitones lie between the two voices; within each, pitch stands still but where a window holds half a voice.
    assert numbers["pitch_change"] < 10.0
    assert numbers["pitch_slope"] > 12.0


def test_harmonicity_is_the_ratio_of_harmonics_to_noise():
    # White noise 10 dB below a tone. Its power counts up to 2 kHz in full and less up to 4 kHz, 3 of 8 kHz in all:
    # 10 - 10 log10(3 / 8) = 14.3 dB below. The peak that noise happens to raise is taken, hence somewhat more.
    sound = tone(2 * SAMPLE_RATE, 200.0, 0.2)
    sound += noise(len(sound), 0.2 / np.sqrt(2) * 10 ** (-10 / 20))
    assert named(sound)["harmonicity_mean"] == pytest.approx(14.3, abs=1.0)


def test_energy_and_crossings_of_steady_sounds():
    # A square wave of amplitude 0.1 has -20 dB and crosses twice a period; white noise every other time.
    square = named(0.1 * np.sign(tone(SAMPLE_RATE, 203.0) + 1e-9))
    assert square["energy_mean"] == pytest.approx(-20.0, abs=0.05)
    assert square["zero_crossings_mean"] == pytest.approx(406.0, abs=2.0)
    hiss = named(noise(160_000, 0.1))
    assert hiss["energy_mean"] == pytest.approx(-20.0, abs=0.1)
    assert hiss["zero_crossings_mean"] == pytest.approx(8_000, rel=0.01)


def test_twice_the_amplitude_is_six_decibels_more_and_nothing_else():
    sound = voice(np.linspace(110, 180, SAMPLE_RATE), "a", 20)
    louder, quieter = named(2 * sound), named(sound)
    for name in NAMES:
        more = 20 * np.log10(2) if name in {f"energy_{place}" for place in ("mean", "low", "median", "high")} else 0.0
        assert louder[name] - quieter[name] == pytest.approx(more, abs=1e-3), name


def test_an_offset_changes_nothing():
    sound = voice(np.linspace(110, 180, SAMPLE_RATE), "a", 20)
    np.testing.assert_allclose(prosody(sound + 0.3), prosody(sound), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("samples", [np.zeros(16_000), np.zeros(1), np.full(5_000, 0.1), noise(5_000, 1e-7)])
def test_silence_has_no_voice_and_the_floor_of_energy(samples):
    floor = {"energy_mean", "energy_low", "energy_median", "energy_high"}
    assert named(samples) == {name: -100.0 if name in floor else 0.0 for name in NAMES}


def test_without_a_voice_pitch_and_harmonicity_are_zero():
    numbers = named(noise(8_000))
    unvoiced = [name for name in NAMES if name.startswith(("pitch", "harmonicity"))]
    assert [numbers[name] for name in unvoiced] == [0.0] * 14
    assert numbers["energy_mean"] > -30.0


def test_one_frame_does_not_move():
    numbers = named(voice(np.full(900, 150.0), "a"))
    assert numbers["pitch_mean"] == numbers["pitch_low"] == numbers["pitch_high"] > 0.0
    moving = [name for name in NAMES if name.endswith(("deviation", "slope", "change"))]
    assert [numbers[name] for name in moving] == [0.0] * 15


def test_a_voice_driven_into_full_scale_keeps_its_pitch():
    clipped = np.clip(20.0 * voice(np.full(SAMPLE_RATE, 140.0), "a"), -1, 1)
    np.testing.assert_allclose(contours(clipped).pitch, 140.0, rtol=0.02)


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (799, 1), (800, 1), (959, 1), (960, 2), (16_000, 96)])
def test_only_whole_frames_count_but_there_is_always_one(samples, frames):
    measured = contours(noise(samples))
    assert num_prosody_frames(samples) == frames
    assert {len(contour) for contour in vars(measured).values()} == {frames}


@given(
    length=st.one_of(st.integers(1, 2_000), st.integers(1, 48_000)),
    offset=st.sampled_from([0.0, 0.3]),
    scale=st.sampled_from([0.0, 1e-6, 0.1, 10.0]),
    hz=st.floats(20.0, 7_900.0),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_input_of_any_length_and_kind_gives_35_finite_numbers(length, offset, scale, hz, dtype):
    samples = np.clip(scale * tone(length, hz, 1.0) + noise(length, scale / 10) + offset, -1, 1).astype(dtype)
    numbers = prosody(samples)
    assert numbers.shape == (35,)
    assert numbers.dtype == np.float32
    assert np.isfinite(numbers).all()
    np.testing.assert_array_equal(numbers, prosody(samples.copy()))
    measured = contours(samples)
    assert ((measured.pitch == 0) | ((measured.pitch >= 60) & (measured.pitch <= 500))).all()
    assert ((measured.voicing >= 0) & (measured.voicing < 1)).all()


@pytest.mark.full
def test_pitch_of_real_speech_is_that_of_probabilistic_yin(real_corpus):
    octaves, agree = [], []
    for utterance in manifest.read(real_corpus).utterances[::28]:
        samples = read_audio(utterance.audio)
        measured = contours(samples)
        theirs, voiced, _ = librosa.pyin(
            samples, fmin=60, fmax=500, sr=16_000, frame_length=1024, hop_length=160, center=False
        )
        ours = measured.pitch[: len(theirs)]
        theirs, voiced = theirs[: len(ours)], voiced[: len(ours)]
        both = voiced & (ours > 0)
        octaves.append(np.abs(np.log2(ours[both] / theirs[both])))
        agree.append(voiced == (ours > 0))
    # Another method on other windows: what counts is that hardly any frame is wrong by something like an octave.
    assert (np.concatenate(octaves) > 0.4).mean() < 0.02
    assert np.median(np.concatenate(octaves)) < 0.02
    assert np.concatenate(agree).mean() > 0.8
