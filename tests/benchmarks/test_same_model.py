"""What the training step is timed against computes what tfcr computes."""

import functools
import os

import batches
import numpy as np
import pytest
import pytorch_process
import training_step


@pytest.fixture(scope="module", autouse=True)
def computed_once():
    """Loss and gradients of a model, which are compared with several others."""
    gradients = functools.cache(training_step.gradients_of)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_step, "gradients_of", lambda *arguments: dict(gradients(*arguments)))
        yield


@pytest.fixture(scope="module")
def models():
    training_step.prepare_tensorflow()
    return {
        training_step.OURS: training_step.variants()[training_step.OURS](),
        training_step.PLAIN: training_step.plain_model(),
        training_step.CONCATENATED: training_step.plain_model(concatenated=True),
    }


@pytest.mark.parametrize("name", [training_step.PLAIN, training_step.CONCATENATED])
def test_plain_keras_has_the_same_loss_and_gradients(models, name):
    training_step.check_agreement(models[training_step.OURS], {name: training_step.gradients_of(models[name])})


def test_another_model_is_refused(models):
    other = training_step.gradients_of(models[training_step.PLAIN])
    other["lstm.weight_hh_l1"] = other["lstm.weight_hh_l1"] * 1.001
    with pytest.raises(ArithmeticError, match=r"other: lstm\.weight_hh_l1 differs"):
        training_step.check_agreement(models[training_step.OURS], {"other": other})


def test_bfloat16_has_a_close_loss_and_gradients_of_the_same_direction(models):
    ours = models[training_step.OURS]
    close = training_step.variants()[training_step.OURS_BFLOAT16]()
    training_step.check_agreement(ours, {}, {"bfloat16": training_step.gradients_of(close)})


def test_bfloat16_that_computes_something_else_is_refused(models):
    ours = models[training_step.OURS]
    other = training_step.gradients_of(ours)
    training_step.check_agreement(ours, {}, {"other": other})
    with pytest.raises(ArithmeticError, match=r"other: loss differs from tfcr's of float32 by 3\.0 %"):
        training_step.check_agreement(ours, {}, {"other": {**other, "loss": 1.03 * other["loss"]}})
    with pytest.raises(ArithmeticError, match=r"other: lstm\.weight_hh_l1 has a cosine of -1\.000"):
        training_step.check_agreement(ours, {}, {"other": {**other, "lstm.weight_hh_l1": -other["lstm.weight_hh_l1"]}})


def test_pytorch_has_the_same_loss_and_gradients(models):
    process = pytorch_process.started(os.environ.get("TFCR_PYTORCH"), "pytorch_model.py")
    if process is None:
        pytest.skip("no PyTorch; TFCR_PYTORCH names the interpreter of an environment that has it")
    ours = models[training_step.OURS]
    with process:
        for name, settings in training_step.pytorch_variants(quick=True).items():
            if settings["precision"] == "float32":
                found = training_step.gradients_in(process, ours, settings)
                training_step.check_agreement(ours, {name: found})


def test_sentences_are_as_long_as_iemocaps():
    words = batches.sentence_lengths(5531, np.random.default_rng(0))  # IEMOCAP: 14.0 on average, the longest 113
    assert words.mean() == pytest.approx(14.0, abs=0.3)
    assert words.min() >= 1
    assert 70 < words.max() < 160
    assert 0.05 < np.mean(words > batches.WORDS) < 0.1


def test_every_process_makes_the_same_batches_with_zeros_after_the_words():
    first, again = batches.batch(3), batches.batch(3)
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name])
    for embeddings, count in zip(first["embeddings"], first["num_tokens"], strict=True):
        assert embeddings[: min(count, batches.WORDS)].any(axis=1).all()
        assert not embeddings[count:].any()
