"""SpecAugment: what a mask is, and that a resumed run draws the same ones."""

import dataclasses
import sys

import numpy as np
import pytest

from tfcr.schema import NUM_BINS, SEGMENT_FRAMES

MEAN = np.linspace(-90, -60, NUM_BINS).astype(np.float32)


@pytest.fixture
def masked(tensorflow):
    """Thirty masked pictures of +1 dB everywhere, and where they were masked."""
    from tfcr.data.spec_augment import SpecAugment

    def draw(freq_mask, time_mask, seed=0):
        tensorflow.random.set_seed(seed)
        augment = tensorflow.function(SpecAugment(freq_mask, time_mask, MEAN))
        picture = tensorflow.ones((SEGMENT_FRAMES, NUM_BINS))
        return np.stack([augment(picture).numpy() for _ in range(30)])

    return draw


def test_a_mask_is_the_training_mean_so_that_it_standardises_to_zero(masked):
    pictures = masked(20, 20)
    means = np.broadcast_to(MEAN, pictures.shape)
    np.testing.assert_array_equal(pictures[pictures != 1], means[pictures != 1])
    assert (pictures != 1).any() and (pictures == 1).any()


def test_a_frequency_mask_hides_whole_bins_and_no_more_than_its_width(masked):
    hidden = masked(5, 0) != 1
    assert (hidden.all(axis=1) == hidden.any(axis=1)).all()  # a bin is masked over all frames or none
    widths = hidden[:, 0].sum(axis=1)
    assert widths.max() == 5 and widths.min() == 0  # 30 draws from 0 … 5


def test_a_time_mask_hides_whole_frames_and_no_more_than_its_width(masked):
    hidden = masked(0, 5) != 1
    assert (hidden.all(axis=2) == hidden.any(axis=2)).all()
    widths = hidden[:, :, 0].sum(axis=1)
    assert widths.max() == 5 and widths.min() == 0


def test_without_tensorflow_io_the_same_masks_are_drawn(tensorflow, masked, small_dataset, monkeypatch):
    pytest.importorskip("tensorflow_io")
    from tfcr.data.pipeline import Pipeline
    from tfcr.data.spec_augment import SpecAugment

    def in_a_pipeline():
        data = Pipeline(small_dataset, ("spectrogram", "num_frames")).training(
            np.arange(8), batch_size=8, seed=3, shuffle_buffer=8, augment=SpecAugment(100, 100, MEAN)
        )
        return np.concatenate([x["spectrogram"].numpy() for x, _, _ in data])

    def drawn():
        return [masked(128, 128), masked(0, 5, seed=1), masked(5, 0, seed=2), in_a_pipeline()]

    theirs = drawn()
    monkeypatch.setitem(sys.modules, "tensorflow_io.python.ops.audio_ops", None)
    for one, other in zip(theirs, drawn(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_masks_of_an_epoch_are_a_function_of_seed_and_epoch(tensorflow, small_dataset):
    from tfcr.data.pipeline import Pipeline
    from tfcr.data.spec_augment import SpecAugment

    pipeline = Pipeline(small_dataset, ("spectrogram", "num_frames"))

    def pictures(seed, epoch, process_seed):
        tensorflow.random.set_seed(process_seed)
        data = pipeline.training(
            np.arange(20), batch_size=8, seed=seed, epoch=epoch, shuffle_buffer=16, augment=SpecAugment(30, 30, MEAN)
        )
        return np.concatenate([x["spectrogram"].numpy() for x, _, _ in data])

    first = pictures(0, 0, 1)
    np.testing.assert_array_equal(pictures(0, 0, 2), first)
    assert not np.array_equal(pictures(0, 1, 1), first)
    assert not np.array_equal(pictures(1, 0, 1), first)


@pytest.mark.full
def test_a_masked_training_resumes_to_the_same_bits(tensorflow, small_config, small_dataset, tmp_path):
    from tfcr import runs
    from tfcr.training.experiment import plan
    from tfcr.training.observer import Observer
    from tfcr.training.train import train_fold

    class Interrupt(Observer):
        def step(self, epoch, step):
            if (epoch, step) == (1, 1):
                raise KeyboardInterrupt

    config = dataclasses.replace(small_config, alpha=0.0, freq_mask=16, time_mask=16)
    experiment = plan(config, small_dataset.folder)
    undisturbed = train_fold(experiment, tmp_path / "undisturbed")
    with pytest.raises(KeyboardInterrupt):
        train_fold(experiment, tmp_path / "resumed", Interrupt())
    resumed = train_fold(experiment, tmp_path / "resumed")
    plain = train_fold(
        plan(dataclasses.replace(config, freq_mask=0, time_mask=0), small_dataset.folder), tmp_path / "p"
    )
    expected = (undisturbed.folder / runs.PREDICTIONS).read_bytes()
    assert (resumed.folder / runs.PREDICTIONS).read_bytes() == expected
    assert (plain.folder / runs.PREDICTIONS).read_bytes() != expected
