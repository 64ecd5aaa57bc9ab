"""A dataset's info file is believed only as far as the shards keep it."""

import json
import os

import pytest

from tfcr import dataset_info, files
from tfcr.dataset_info import (
    INDEX,
    INFO,
    IndexRow,
    Shard,
    latest_dataset,
    open_dataset,
    read_index,
    write_index,
)
from tfcr.errors import TfcrError
from tfcr.record_order import RECORD_ORDER
from tfcr.verification import verify

ROWS = [
    IndexRow('ä,"1"', "anger", 3, "s", "", 'a "quoted", script\nof two lines', 16000, 124, 1, 0, "00ff"),
    IndexRow("b", "neutral", 0, "", "1", "", 1, 1, 1, 200, "ff00"),
]


@pytest.fixture
def dataset(tmp_path):
    """A dataset as far as this module knows one: eight shards, which nobody parses, and an index of two utterances."""
    folder = tmp_path / "dataset"
    write_index(folder / INDEX, ROWS)
    shards = []
    for number in range(8):
        path = folder / f"x-{number:05d}-of-00008.tfrecord"
        path.write_bytes(bytes(range(number, 200)))
        records = int(number < len(ROWS))
        shards.append(Shard(path.name, records, 200 - number, files.sha256_of_file(path)).__dict__)
    info = {
        "schema": dataset_info.SCHEMA,
        "order": RECORD_ORDER,
        "name": "x",
        "preset": "paper",
        "emotions": ["neutral", "anger"],
        "utterances": len(ROWS),
        "embeddings": {},
        "counts": {},
        "shards": shards,
        "index": {"bytes": (folder / INDEX).stat().st_size, "sha256": files.sha256_of_file(folder / INDEX)},
    }
    files.write_json(folder / INFO, {**info, "dataset_sha256": dataset_info.content_sha256(info)})
    return open_dataset(folder)


@pytest.fixture
def hashed(monkeypatch):
    """The names of the files whose SHA-256 was computed."""
    names = []
    compute = files.sha256_of_file
    monkeypatch.setattr(files, "sha256_of_file", lambda path: names.append(path.name) or compute(path))
    return names


def all_files(dataset):
    return [*(shard.name for shard in dataset.shards), INDEX]


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0x10
    path.write_bytes(content)


def test_a_dataset_is_read_once_and_only_what_changed_again(dataset, hashed):
    verify(dataset)
    assert hashed == all_files(dataset)
    hashed.clear()
    verify(dataset)
    verify(open_dataset(dataset.folder))
    assert hashed == []
    os.utime(dataset.folder / dataset.shards[2].name)
    verify(dataset)
    assert hashed == [dataset.shards[2].name]


def test_a_thorough_look_finds_a_byte_that_flipped_without_a_change_of_time(dataset):
    verify(dataset)
    path = dataset.folder / dataset.shards[1].name
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(TfcrError, match=path.name):
        verify(dataset, thoroughly=True)


@pytest.mark.parametrize("verified_before", [False, True])
@pytest.mark.parametrize("number", [0, 5, -1])  # -1: the index
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: os.truncate(path, path.stat().st_size - 1), r"has \d+ bytes; expected \d+"),
        (lambda path: os.truncate(path, 0), r"has 0 bytes; expected \d+"),
        (flip, "was changed"),
    ],
    ids=["missing", "cut", "empty", "flipped"],
)
def test_a_damaged_file_is_named(dataset, verified_before, number, damage, message):
    if verified_before:
        verify(dataset)
    path = dataset.folder / all_files(dataset)[number]
    damage(path)
    with pytest.raises(TfcrError, match=f"{path} {message}.*tfcr prepare-tfrecords") as raised:
        verify(dataset)
    assert "\n" not in str(raised.value)


def test_a_file_that_was_changed_is_not_remembered_as_right(dataset):
    flip(dataset.folder / dataset.shards[0].name)
    for _ in range(2):
        with pytest.raises(TfcrError, match="was changed"):
            verify(dataset)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}'])
def test_a_broken_memory_is_no_proof_and_no_obstacle(dataset, hashed, content):
    verify(dataset)
    hashed.clear()
    (memory,) = dataset.folder.glob(".verified*")
    memory.write_text(content)
    verify(dataset)
    assert hashed == all_files(dataset)


def test_two_shards_that_changed_places_are_found(dataset):
    one, other = (dataset.folder / shard.name for shard in dataset.shards[:2])
    one.rename(dataset.folder / "x")
    other.rename(one)
    (dataset.folder / "x").rename(other)
    with pytest.raises(TfcrError, match=one.name):
        verify(dataset)


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"schema": 2}', "{"])
def test_an_info_file_of_another_kind_is_named(dataset, content):
    (dataset.folder / INFO).write_text(content)
    with pytest.raises(TfcrError, match=INFO):
        open_dataset(dataset.folder)


def test_an_info_file_that_names_another_order_of_records_or_none_is_refused(dataset):
    for order in ({"order": "id"}, {}):
        info = {**{name: value for name, value in dataset.info.items() if name != "order"}, **order}
        (dataset.folder / INFO).write_text(json.dumps(info))
        with pytest.raises(TfcrError, match=f"{INFO} does not say that records stand by 'SHA-256 of the id'"):
            open_dataset(dataset.folder)


def test_an_info_file_of_another_schema_is_named(dataset):
    info = {**dataset.info, "schema": 99}
    (dataset.folder / INFO).write_text(json.dumps(info))
    with pytest.raises(TfcrError, match=f"{INFO} is not of schema {dataset_info.SCHEMA}"):
        open_dataset(dataset.folder)


def test_a_dataset_whose_records_are_sorted_by_id_is_to_be_prepared_again(dataset):
    from tfcr.preparation.options import Preparation
    from tfcr.preparation.ownership import refuse_other

    info = {**dataset.info, "schema": 1, "corpus": "synthetic"}  # as versions before 0.3.0 wrote it
    (dataset.folder / INFO).write_text(json.dumps(info))
    message = (
        r"prepared by an earlier version .* remove the folder, .* same `tfcr prepare-tfrecords --corpus synthetic`"
    )
    with pytest.raises(TfcrError, match=message):
        open_dataset(dataset.folder)
    with pytest.raises(TfcrError, match=message):  # rather than as one of other recordings
        refuse_other(Preparation("synthetic", dataset.folder / "corpus", dataset.folder, dataset.name))


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_without_a_dataset_is_named(tmp_path, exists):
    folder = tmp_path / "x"
    if exists:
        folder.mkdir()
    with pytest.raises(TfcrError, match=f"{folder} .*tfcr prepare-tfrecords --corpus … --root …"):
        open_dataset(folder)


@pytest.mark.parametrize("content", [None, "", "id,emotion\na,b\n", "\udcff"])
def test_an_index_that_is_missing_or_broken_is_named(dataset, content):
    path = dataset.folder / INDEX
    path.unlink()
    if content is not None:
        path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(TfcrError, match=INDEX):
        _ = dataset.index


def test_an_index_comes_back_as_it_was_written(tmp_path):
    write_index(tmp_path / INDEX, ROWS)
    assert read_index(tmp_path / INDEX) == ROWS


def test_what_a_protocol_sees_is_the_index(dataset):
    labelled = dataset.labelled
    assert (labelled.ids, labelled.labels) == (['ä,"1"', "b"], [3, 0])
    assert (labelled.speakers, labelled.sessions) == (["s", ""], ["", "1"])
    assert labelled.scripts == ['a "quoted", script\nof two lines', ""]


@pytest.mark.parametrize(
    "change",
    [
        lambda info: info.update(emotions=info["emotions"][::-1]),
        lambda info: info.update(preset="authors"),
        lambda info: info["index"].update(sha256="0"),
        lambda info: info["shards"][0].update(sha256="0"),
        lambda info: info["shards"].reverse(),
    ],
)
def test_the_identity_follows_the_content(dataset, change):
    info = json.loads(json.dumps(dataset.info))
    assert dataset_info.content_sha256(info) == dataset.sha256
    change(info)
    assert dataset_info.content_sha256(info) != dataset.sha256


def test_the_identity_does_not_follow_the_name(dataset):
    assert dataset_info.content_sha256({**dataset.info, "name": "y"}) == dataset.sha256


def test_the_latest_dataset_is_the_one_prepared_last(tmp_path):
    for time, name in enumerate(("b", "a", "c")):
        (tmp_path / name).mkdir()
        (tmp_path / name / INFO).write_text("{}")
        os.utime(tmp_path / name / INFO, ns=(10 - time, 10 - time))
    (tmp_path / "unfinished").mkdir()
    assert latest_dataset(tmp_path) == tmp_path / "b"


def test_no_dataset_is_an_error_that_says_how_to_make_one(tmp_path):
    with pytest.raises(TfcrError, match=f"no dataset under {tmp_path}/; make one with `tfcr prepare-tfrecords`"):
        latest_dataset(tmp_path)
