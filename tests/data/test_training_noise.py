"""Noise in training: its strength is the one drawn, it depends on seed, epoch and utterance, and off it is off."""

import dataclasses

import numpy as np
import pytest

from tfcr.noise.voices import density_of
from tfcr.schema import FLOOR_DB, NUM_BINS, SEGMENT_FRAMES
from tfcr.training_noise import TrainingNoise

ALWAYS = TrainingNoise(share=1.0, snr=(5.0, 5.0), words=0.5)
INPUTS = ("spectrogram", "num_frames", "embeddings", "num_tokens")


@pytest.fixture(scope="module")
def examples(tensorflow, small_dataset):
    """A function that gives the examples of an epoch over twenty utterances: utterance → its segments and its words."""
    from tfcr.data.pipeline import Pipeline
    from tfcr.data.training_noise import NoiseOnUtterances

    pipeline = Pipeline(small_dataset, INPUTS)

    def epoch(noise, seed=0, epoch=0, order=0):
        data = pipeline.training(
            np.arange(20)[::-1] if order else np.arange(20),
            batch_size=16,
            seed=seed,
            epoch=epoch,
            shuffle_buffer=1,
            noise=NoiseOnUtterances(noise) if noise else None,
        )
        found = {}
        for x, y, _ in data:
            for number, position in enumerate(y["utterance"].numpy()):
                found.setdefault(int(position), []).append({name: x[name][number].numpy() for name in INPUTS})
        return found

    return epoch


def frames(segments) -> np.ndarray:
    return np.concatenate([each["spectrogram"][: each["num_frames"]] for each in segments])


def test_the_ratio_is_the_one_drawn(examples):
    """Over all utterances the cross terms cancel."""
    for kind in ("white", "pink"):
        noisy, clean = examples(dataclasses.replace(ALWAYS, kinds=(kind,))), examples(None)
        ratios = []
        for position, segments in clean.items():
            before, after = density_of(frames(segments)).sum(), density_of(frames(noisy[position])).sum()
            ratios.append(before / (after - before))
        assert 10 * np.log10(len(ratios) / np.sum(1 / np.array(ratios))) == pytest.approx(5, abs=0.15)


def test_noise_in_the_graph_has_the_mean_and_spread_of_the_room_of_noise(examples, tensorflow):
    """White and pink noise over a flat spectrum, 10 dB below and above it, in dB per bin."""
    from tfcr.data.training_noise import _SHAPES, with_noise
    from tfcr.noise import spectrogram, speech

    count, flat = 12 * SEGMENT_FRAMES, np.full((12, SEGMENT_FRAMES, NUM_BINS), -70.0, np.float32)
    for kind in ("white", "pink"):
        for snr in (-10.0, 10.0):
            own = tensorflow.constant([3, 4], tensorflow.int64)
            found = with_noise(flat, tensorflow.constant(count, tensorflow.int64), _SHAPES[kind], snr, own)
            found = found.numpy().reshape(-1, NUM_BINS)
            random = np.random.default_rng(0)
            noise = spectrogram.spectrum_of(getattr(speech, kind)(spectrogram.num_samples(count), random))
            expected = 10 * np.log10(spectrogram.at_snr(density_of(flat.reshape(-1, NUM_BINS)), noise, snr, random))
            np.testing.assert_allclose(found.mean(axis=0), expected.mean(axis=0), atol=1.5)
            np.testing.assert_allclose(found.std(axis=0), expected.std(axis=0), atol=1.5)
            assert abs(found.mean() - expected.mean()) < 0.1 and abs(found.std() - expected.std()) < 0.1


def test_padding_and_silence_stay(tensorflow):
    from tfcr.data.training_noise import _SHAPES, with_noise

    own = tensorflow.constant([3, 4], tensorflow.int64)
    picture = np.full((2, SEGMENT_FRAMES, NUM_BINS), FLOOR_DB, np.float32)
    silent = with_noise(picture, tensorflow.constant(200, tensorflow.int64), _SHAPES["white"], 0.0, own).numpy()
    np.testing.assert_array_equal(silent, picture)
    picture[0] = -70
    noisy = with_noise(picture, tensorflow.constant(128, tensorflow.int64), _SHAPES["white"], 0.0, own).numpy()
    np.testing.assert_array_equal(noisy[1], picture[1])
    assert (noisy[0] != -70).all()


def test_draws_are_a_function_of_seed_epoch_and_utterance(examples):
    first = examples(ALWAYS)
    for again in (examples(ALWAYS), examples(ALWAYS, order=1)):
        for position, segments in first.items():
            np.testing.assert_array_equal(frames(segments), frames(again[position]))
            np.testing.assert_array_equal(segments[0]["embeddings"], again[position][0]["embeddings"])
    for other in (examples(ALWAYS, epoch=1), examples(ALWAYS, seed=1)):
        assert not any(
            np.array_equal(frames(segments), frames(other[position])) for position, segments in first.items()
        )


def test_a_share_of_none_is_no_noise(examples):
    clean = examples(None)
    for position, segments in examples(TrainingNoise(share=0.0)).items():
        for one, other in zip(segments, clean[position], strict=True):
            for name in INPUTS:
                np.testing.assert_array_equal(one[name], other[name])


def test_words_that_are_not_heard_leave_no_gap(examples, tensorflow):
    clean, lost, words = examples(None), 0, 0
    for position, segments in examples(ALWAYS).items():
        before, after = clean[position][0], segments[0]
        count = int(after["num_tokens"])
        kept = {tuple(vector) for vector in before["embeddings"]}
        assert {tuple(vector) for vector in after["embeddings"][:count]} <= kept
        assert not after["embeddings"][count:].any()
        lost, words = lost + int(before["num_tokens"]) - count, words + int(before["num_tokens"])
    assert lost / words == pytest.approx(0.5, abs=0.15)


def test_systems_of_other_features_are_refused(small_config, small_dataset):
    from tfcr.errors import UsageError
    from tfcr.training.experiment import plan

    with pytest.raises(
        UsageError, match="noise reaches spectrograms and word embeddings alone; system 'mdre' takes mfcc"
    ):
        plan(dataclasses.replace(small_config, system="mdre", noise=TrainingNoise()), small_dataset.folder)


def test_a_sweep_says_before_its_first_training_that_noise_does_not_reach_a_system(small_dataset, tmp_path):
    from tfcr.errors import UsageError
    from tfcr.experiments.sweep import Sweep

    with pytest.raises(UsageError, match=r"noise reaches spectrograms .* system 'mdre' takes mfcc"):
        Sweep(small_dataset, {"noise": {}}, tmp_path, systems=("fusion", "mdre"), folds=(0,))


def test_a_run_under_noise_has_a_folder_of_its_own(small_config, small_dataset):
    from tfcr.training.experiment import plan

    experiment = plan(dataclasses.replace(small_config, alpha=0.0, noise=TrainingNoise()), small_dataset.folder)
    assert experiment.folder.name == "random-fusion-a0-f0-s0-noise"


@pytest.mark.full
def test_a_training_under_noise_resumes_to_the_same_bits(small_config, small_dataset, tmp_path):
    from tfcr import runs
    from tfcr.training.experiment import plan
    from tfcr.training.observer import Observer
    from tfcr.training.train import train_fold

    class Interrupt(Observer):
        def step(self, epoch, step):
            if (epoch, step) == (1, 1):
                raise KeyboardInterrupt

    experiment = plan(dataclasses.replace(small_config, alpha=0.0, noise=TrainingNoise()), small_dataset.folder)
    undisturbed = train_fold(experiment, tmp_path / "undisturbed")
    with pytest.raises(KeyboardInterrupt):
        train_fold(experiment, tmp_path / "resumed", Interrupt())
    resumed = train_fold(experiment, tmp_path / "resumed")
    assert (resumed.folder / runs.PREDICTIONS).read_bytes() == (undisturbed.folder / runs.PREDICTIONS).read_bytes()
    assert resumed.metrics["noise"] == {"share": 0.5, "kinds": ["white", "pink"], "snr": [0.0, 20.0], "words": 0.2}
