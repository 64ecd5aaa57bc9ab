"""Feature sets beside the paper's: added to a dataset, they change nothing that is there."""

import json
import shutil

import h5py
import numpy as np
import pytest

from tfcr.corpora.audio import read_audio
from tfcr.dataset_info import features_sha256, open_dataset
from tfcr.errors import TfcrError, UsageError
from tfcr.features.own import OwnFeatures, write_features
from tfcr.features.sets import SETS
from tfcr.features.vocabulary import read_vocabulary
from tfcr.verification import verify

pytestmark = pytest.mark.usefixtures("tensorflow")


@pytest.fixture
def prepared(tiny_corpus, tmp_path):
    """Prepares the tiny corpus with any options; returns the dataset and what was said."""

    def run(workers=1, **options):
        from tfcr.preparation.options import Preparation, Progress
        from tfcr.preparation.prepare import prepare

        said = []
        defaults = {"corpus": "manifest", "root": tiny_corpus, "out": tmp_path / "out", "name": "tiny"}
        return prepare(Preparation(**{**defaults, **options}), workers, Progress(said.append)), said

    return run


@pytest.fixture
def own(tmp_path):
    """`own(name, modality, shape_of)`: a file of one's own features of the tiny corpus."""

    def write(name="hubert", modality="audio", shape_of=lambda number: (number + 1, 6), seed=0):
        random = np.random.default_rng(seed)
        arrays = [(f"u{number:02d}", random.normal(size=shape_of(number))) for number in range(16)]
        write_features(tmp_path / f"{name}.h5", arrays)
        return OwnFeatures(tmp_path / f"{name}.h5", modality)

    return write


def stored(dataset, name) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Id and arrays of every record of a feature set, sorted by id, read without the pipeline."""
    import tensorflow as tf

    features = dataset.features[name]
    found = []
    for shard in features.shards:
        for data in tf.data.TFRecordDataset(str(dataset.folder / shard.name)).as_numpy_iterator():
            fields = tf.train.Example.FromString(data).features.feature
            arrays = {
                field.name: np.frombuffer(fields[field.name].bytes_list.value[0], f"<{field.dtype[0]}4").reshape(
                    [-1 if size is None else size for size in field.shape]
                )
                for field in features.fields
            }
            found.append((fields["id"].bytes_list.value[0].decode(), arrays))
    return sorted(found, key=lambda record: record[0])


def bytes_of(dataset) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(dataset.folder.glob("*.tfrecord"))}


def stamps(folder) -> dict[str, tuple]:
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.glob("*.tfrecord")}


def test_every_set_has_the_utterances_of_the_records_in_their_order_and_shards(prepared):
    dataset, _ = prepared(features=tuple(SETS))
    assert set(dataset.features) == set(SETS)
    for name, features in dataset.features.items():
        assert [id for id, _ in stored(dataset, name)] == [row.id for row in dataset.index]
        assert [shard.records for shard in features.shards] == [shard.records for shard in dataset.shards]
        assert [shard.name for shard in features.shards] == [
            f"tiny.{name}-{number:05d}-of-00008.tfrecord" for number in range(8)
        ]
    verify(dataset, SETS, thoroughly=True)


def test_what_is_stored_of_speech_is_what_the_features_say_of_the_recording(prepared, tiny_corpus):
    dataset, _ = prepared(features=("mfcc", "prosody", "mel"))
    for name in ("mfcc", "prosody", "mel"):
        for id, arrays in stored(dataset, name)[::5]:
            [path] = (tiny_corpus / "wav").glob(f"{id}.*")
            expected = SETS[name].of_samples(read_audio(path))
            assert set(arrays) == set(expected)
            for field, array in arrays.items():
                np.testing.assert_array_equal(array, expected[field].astype(np.float32))


def test_token_ids_are_places_in_the_vocabulary_with_the_words_that_have_no_vector(prepared, tmp_path):
    # Of "Word0 of neutral." the vectors know Word0 as written and "of"; the emotion is known in lower case at most.
    vectors = tmp_path / "vectors.txt"
    lines = [f"{word} {' '.join(str(number / 7) for _ in range(300))}" for number, word in enumerate(("Word0", "of"))]
    vectors.write_text("2 300\n" + "\n".join(lines) + "\n")
    dataset, _ = prepared(features=("token_ids",), embeddings=vectors)
    words, table, known = read_vocabulary(dataset.folder)
    assert words == sorted(["Word0", "of", "word1", "word2", "neutral", "happiness", "sadness", "anger"])
    assert [word for word, has_one in zip(words, known, strict=True) if has_one] == ["Word0", "of"]
    assert (table[words.index("of")] == np.float32(1 / 7)).all() and not table[~known].any()
    for id, arrays in stored(dataset, "token_ids"):
        number = int(id[1:])
        emotion = ("neutral", "happiness", "sadness", "anger")[number % 4]
        expected = ["Word0" if number % 3 == 0 else f"word{number % 3}", "of", emotion]
        assert [words[row - 1] for row in arrays["token_ids"]] == expected
    assert dataset.info["vocabulary"]["words"] == 8 and dataset.info["vocabulary"]["words_with_vector"] == 2


def test_an_empty_transcript_has_no_token(prepared, tiny_corpus):
    manifest = tiny_corpus / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("Word0 of neutral.", "", 1))
    dataset, _ = prepared(features=("token_ids",))
    assert [len(arrays["token_ids"]) for _, arrays in stored(dataset, "token_ids")].count(0) == 1


def test_adding_features_leaves_the_records_and_the_datasets_identity_as_they_were(prepared):
    before, _ = prepared()
    assert before.features == {}
    old = stamps(before.folder)
    after, said = prepared(features=tuple(SETS))
    assert after.sha256 == before.sha256
    assert {name: stamp for name, stamp in stamps(after.folder).items() if name in old} == old
    assert set(after.features) == set(SETS)
    # once more, with and without naming them: all stay, and nothing is written
    new = stamps(after.folder)
    for features in ((), ("mfcc",), tuple(SETS)):
        again, said = prepared(features=features)
        assert again.info == after.info and stamps(again.folder) == new
        assert said[-1].endswith("was prepared before from the same input; its shards are intact")


def test_features_added_later_are_those_prepared_at_once_whatever_the_workers(prepared, tmp_path):
    at_once, _ = prepared(features=tuple(SETS), workers=3, out=tmp_path / "at-once")
    prepared()
    prepared(features=("mel",))
    later, _ = prepared(features=tuple(SETS))
    assert bytes_of(later) == bytes_of(at_once)
    assert {name: each.sha256 for name, each in later.features.items()} == {
        name: each.sha256 for name, each in at_once.features.items()
    }


def test_a_shard_that_is_missing_or_changed_is_found_and_written_again(prepared):
    dataset, _ = prepared(features=("prosody", "token_ids"))
    right = bytes_of(dataset)
    broken = dataset.folder / dataset.features["prosody"].shards[3].name
    for change in (broken.unlink, lambda: broken.write_bytes(broken.read_bytes()[:-1])):
        change()
        with pytest.raises(TfcrError, match=r"prosody-00003-of-00008.tfrecord (is missing|has \d+ bytes)"):
            verify(open_dataset(dataset.folder), ["prosody"])
        verify(open_dataset(dataset.folder), ["token_ids"])  # who does not need it is not stopped
        prepared(features=("prosody",))
        assert bytes_of(dataset) == right


def test_a_vocabulary_that_was_changed_is_found_and_written_again(prepared):
    dataset, _ = prepared()
    path = dataset.folder / "vocabulary.h5"
    right = path.read_bytes()
    path.write_bytes(right[:-1] + b"!")
    with pytest.raises(TfcrError, match=r"vocabulary.h5 was changed"):
        verify(open_dataset(dataset.folder))
    prepared()
    assert path.read_bytes() == right


def test_asking_for_features_that_were_not_prepared_names_the_option(prepared, own):
    dataset, _ = prepared(own=[own()])
    with pytest.raises(
        TfcrError, match=r"without the features mfcc, mel; .* --features all adds them and computes not"
    ):
        dataset.feature_sets(["mfcc", "hubert", "mel"])
    with pytest.raises(TfcrError, match=r"without the features bert; .* --audio-features FILE.h5"):
        dataset.feature_sets(["bert"])


# ---- one's own ------------------------------------------------------------------------------------------------------


def test_ones_own_features_are_stored_as_they_are(prepared, own):
    audio, text = own(), own("bert", "text", lambda number: (5,), seed=1)
    dataset, _ = prepared(own=[audio, text])
    assert dataset.features["hubert"].modality == "audio" and dataset.features["bert"].modality == "text"
    for name, field in (("hubert", "audio_features"), ("bert", "text_features")):
        with h5py.File(audio.path.with_name(f"{name}.h5")) as file:
            for id, arrays in stored(dataset, name):
                np.testing.assert_array_equal(arrays[field], file[id][()])


def test_several_layers_are_stored_as_they_are_and_the_extractor_is_kept_where_there_is_one(prepared, own):
    layers = own("wavlm", "audio", lambda number: (3, number + 1, 4))
    unknown = own("bert", "text", lambda number: (5,))
    made = {"kind": "transformers", "model": "wavlm", "layer": "all"}
    with h5py.File(layers.path, "a") as file:
        file.attrs["extractor"] = json.dumps(made)
    dataset, _ = prepared(own=[layers, unknown])
    assert dataset.features["wavlm"].extractor == made
    assert "extractor" not in dataset.info["features"]["bert"] and dataset.features["bert"].extractor is None
    with h5py.File(layers.path) as file:
        for id, arrays in stored(dataset, "wavlm"):
            np.testing.assert_array_equal(arrays["audio_features"], file[id][()])


def test_another_file_of_the_same_name_takes_the_place_of_the_first_and_says_so(prepared, own):
    first, _ = prepared(own=[own()])
    second, said = prepared(own=[own(seed=1)])
    assert second.sha256 == first.sha256
    assert "features hubert: their file has changed since they were prepared; they are written anew" in said
    assert second.features["hubert"].sha256 != first.features["hubert"].sha256
    assert features_sha256([second.features["hubert"]]) != features_sha256([first.features["hubert"]])
    verify(second, ["hubert"])


def test_features_with_a_nan_leave_the_dataset_as_it_was(prepared, own):
    before, _ = prepared()
    bad = own()
    with h5py.File(bad.path, "a") as file:
        file["u07"][3, 2] = np.nan
    with pytest.raises(TfcrError, match=r"hubert.h5: the features of 'u07' are not all finite"):
        prepared(own=[bad])
    after = open_dataset(before.folder)
    assert after.info == before.info
    verify(after, thoroughly=True)


def test_files_are_looked_at_before_anything_is_written(prepared, own, tmp_path):
    foreign = own()
    shutil.move(foreign.path, tmp_path / "moved.h5")
    with pytest.raises(TfcrError, match=r"hubert.h5 does not exist"):
        prepared(own=[foreign])
    with h5py.File(foreign.path, "w") as file:
        file["somebody"] = np.ones((2, 3))
    with pytest.raises(TfcrError, match="none of this corpus's 16 ids, not even 'u00'; its first is 'somebody'"):
        prepared(own=[foreign])
    with pytest.raises(UsageError, match="'bert' is given twice"):
        prepared(own=[own("bert"), own("bert", "text")])
    assert not (tmp_path / "out").exists()


def test_features_keep_their_modality(prepared, own):
    before, _ = prepared(own=[own()])
    with pytest.raises(UsageError, match=r"has features 'hubert' that stand for audio; rename the file"):
        prepared(own=[own(modality="text")])
    assert open_dataset(before.folder).info == before.info


def test_a_file_that_changes_while_it_is_read_is_no_feature_set(prepared, own, monkeypatch):
    before, _ = prepared()
    changing, read = own(), OwnFeatures.read

    def read_and_change(self, id):
        if id == "u07":
            own(seed=1)  # another file of the same name and shapes
        return read(self, id)

    monkeypatch.setattr(OwnFeatures, "read", read_and_change)
    with pytest.raises(TfcrError, match=r"hubert.h5 has changed while it was read; try again"):
        prepared(own=[changing])
    assert open_dataset(before.folder).info == before.info
    monkeypatch.undo()
    again, _ = prepared(own=[changing])
    with h5py.File(changing.path) as file:
        for id, arrays in stored(again, "hubert"):
            np.testing.assert_array_equal(arrays["audio_features"], file[id][()])
