"""Recordings as the features that a network was trained on: by their extractor, from files, or the paper's.

No TensorFlow.
"""

import pathlib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import get_args

import numpy as np

from tfcr.corpora.audio import num_samples, read_audio
from tfcr.errors import TfcrError
from tfcr.exports import EXTRA, inputs_of
from tfcr.extraction.extractor import Extractor, extractor_of
from tfcr.features.embeddings import WordVectors
from tfcr.features.own import Modality, OwnFeatures, in_words, may_be_same
from tfcr.features.presets import PRESETS, FeaturePreset
from tfcr.features.sets import COUNT
from tfcr.features.vocabulary import read_vocabulary
from tfcr.schema import MAX_SECONDS, SAMPLE_RATE
from tfcr.serving.questions import BATCH, Question, why_unreadable
from tfcr.serving.recordings import Recording

Arrays = dict[str, np.ndarray]  # of one recording, by the network's input
Source = Callable[[Recording], Arrays]  # raises TfcrError where a recording has none
Shape = tuple[int | None, ...]

_MOST = 2**24  # numbers of a batch, padded: 64 MB


def sources_of(
    version: pathlib.Path, described: dict, shapes: Mapping[str, Shape], files: Mapping[Modality, pathlib.Path]
) -> list[Source]:
    """What makes the features of each modality that an export takes.

    Args:
        version, described: the export.
        shapes: of its inputs, for one utterance.
        files: modality → HDF5 file that has them, in place of the extractor.

    Raises:
        TfcrError: neither a file nor an extractor is known, or what is known cannot be had.
    """
    inputs, preset = inputs_of(described), PRESETS[described["run"]["preset"]]
    sources: list[Source] = []
    for modality in get_args(Modality):
        field = f"{modality}_features"
        if field not in inputs:
            continue
        extractor = described.get("extractors", {}).get(field)
        if modality in files:
            sources.append(_of_file(OwnFeatures(files[modality], modality), field, shapes[field], extractor))
        elif extractor is not None:
            try:
                made = extractor_of(extractor)
            except TfcrError as error:
                raise TfcrError(f"{error}; or give {_the_file(modality, shapes[field])}") from None
            sources.append(_of_extractor(made, modality, field, shapes[field]))
        else:
            raise TfcrError(
                f"{version} was trained on features of unknown origin: their file did not say what made them; give "
                f"{_the_file(modality, shapes[field])}"
            )
    if "spectrogram" in inputs:
        sources.append(_of_pictures(preset))
    if "embeddings" in inputs:
        sources.append(_of_words(preset, version))
    return sources


def _the_file(modality: Modality, shape: Shape) -> str:
    return (
        f"those of these recordings by --{modality}-features FILE.h5, a dataset {_shown(shape)} for each, called by "
        "its id in a manifest, else by path, name or name without ending"
    )


def of_features(recordings: Iterable[Recording], sources: Sequence[Source]) -> Iterator[Question]:
    """Features of recordings; sequences are padded with zeros to the longest beside them."""
    rows: list[tuple[Recording, Arrays, str]] = []
    for recording in recordings:
        arrays, error = _arrays(recording, sources)
        if rows and (len(rows) == BATCH or _size([*(each for _, each, _ in rows), arrays]) > _MOST):
            yield _question(rows)
            rows = []
        rows.append((recording, arrays, error))
    if rows:
        yield _question(rows)


def _arrays(recording: Recording, sources: Sequence[Source]) -> tuple[Arrays, str]:
    """The features of a recording, or why there are none."""
    arrays: Arrays = {}
    try:
        for source in sources:
            arrays |= source(recording)
    except TfcrError as error:
        return {}, " ".join(str(error).split())
    return arrays, ""


def _question(rows: Sequence[tuple[Recording, Arrays, str]]) -> Question:
    good = [arrays for _, arrays, error in rows if not error]
    inputs = {name: _padded([arrays[name] for arrays in good]) for name in (good[0] if good else ())}
    return Question([recording for recording, _, _ in rows], [error for _, _, error in rows], inputs)


def _size(rows: Sequence[Arrays]) -> int:
    """Numbers of a batch, once it is padded."""
    good = [arrays for arrays in rows if arrays]
    return sum(
        len(good) * int(np.prod(np.max([arrays[name].shape for arrays in good], axis=0)))
        for name in (good[0] if good else ())
    )


def _padded(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays of one rank as one, with zeros behind the shorter ones."""
    batch = np.zeros((len(arrays), *np.max([array.shape for array in arrays], axis=0).astype(int)), arrays[0].dtype)
    for row, array in enumerate(arrays):
        batch[(row, *map(slice, array.shape))] = array
    return batch


def _of_extractor(extractor: Extractor, modality: Modality, field: str, shape: Shape) -> Source:
    def source(recording: Recording) -> Arrays:
        said = _samples(recording).astype(np.float32) if modality == "audio" else _composed(recording)
        try:
            return _named(field, shape, extractor.features(said))
        except (TfcrError, RuntimeError, ValueError) as error:  # what pretrained models raise of recordings, too
            raise TfcrError(f"{recording.path}: {error}") from None

    return source


def _of_file(own: OwnFeatures, field: str, shape: Shape, trained_on: Mapping | None) -> Source:
    own.check_exists()
    made_by = own.extractor()
    if made_by and trained_on and not may_be_same(made_by, trained_on):
        raise TfcrError(
            f"{own.option} was made by {in_words(made_by)}; the export takes what is made by {in_words(trained_on)}"
        )

    def source(recording: Recording) -> Arrays:
        id = own.first_of(recording.names)
        if id is None:
            called = " or ".join(map(repr, recording.names))
            raise TfcrError(f"{recording.path}: {own.option} has no dataset {called}")
        recording.check_own(id, own.option)
        try:
            return _named(field, shape, own.read(id))
        except TfcrError as error:
            raise TfcrError(f"{recording.path}: {error}") from None

    return source


def _of_pictures(preset: FeaturePreset) -> Source:
    def source(recording: Recording) -> Arrays:
        pictures, num_frames = preset.pictures(_samples(recording))
        return {"spectrogram": pictures, "num_frames": np.array(num_frames, np.int32)}

    return source


def _of_words(preset: FeaturePreset, version: pathlib.Path) -> Source:
    words, table, _ = read_vocabulary(version / EXTRA)
    vectors = WordVectors(dict(zip(words, table, strict=True)), "", look_up=preset.look_up, width=table.shape[1])

    def source(recording: Recording) -> Arrays:
        known, embeddings = vectors.embed(preset.split_words(_composed(recording)))
        return {"embeddings": embeddings, "num_tokens": np.array(len(known), np.int32)}

    return source


def _named(field: str, shape: Shape, array: np.ndarray) -> Arrays:
    """An array of features and how many steps it has, as a network takes them."""
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise TfcrError(f"its features have the shape {list(array.shape)}; expected {_shown(shape)}")
    if not array.size:
        raise TfcrError("it is too short to have features")
    if not np.isfinite(array).all():
        raise TfcrError("its features are not all finite numbers")
    arrays = {field: array.astype(np.float32, copy=False)}
    if None in shape:
        arrays[COUNT + field] = np.array(array.shape[shape.index(None)], np.int32)
    return arrays


def _samples(recording: Recording) -> np.ndarray:
    try:
        seconds = num_samples(recording.path) / SAMPLE_RATE
        if seconds > MAX_SECONDS:
            raise TfcrError(f"{recording.path} lasts {seconds:.1f} s; expected at most {MAX_SECONDS} s")
        return read_audio(recording.path)
    except (TfcrError, OSError) as error:
        raise TfcrError(why_unreadable(recording, error)) from None


def _composed(recording: Recording) -> str:
    return unicodedata.normalize("NFC", recording.transcript)


def _shown(shape: Shape) -> str:
    return f"[{', '.join('time' if size is None else str(size) for size in shape)}]"
