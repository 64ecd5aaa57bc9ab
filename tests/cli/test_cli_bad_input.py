"""Whatever is wrong is said in one line, with the right exit code, and nothing is half-written."""

import json
import os
import shutil
import struct
import subprocess
import sys

import pytest
import yaml

from tfcr.dataset_info import INFO, SCHEMA, open_dataset

pytestmark = pytest.mark.usefixtures("tensorflow")

MANIFEST = ("prepare-tfrecords", "--corpus", "manifest")


# ---- corpora --------------------------------------------------------------------------------------------------------


def test_a_corpus_without_its_root(fails):
    assert "needs --root" in fails(*MANIFEST, code=2)


def test_a_root_that_does_not_exist(fails, tmp_path):
    for corpus in ("manifest", "iemocap"):
        line = fails("prepare-tfrecords", "--corpus", corpus, "--root", tmp_path / "none", code=1)
        assert str(tmp_path / "none") in line


def test_a_corpus_that_does_not_exist(fails):
    assert "'iemocarp'" in fails("prepare-tfrecords", "--corpus", "iemocarp", code=2)


def test_a_manifest_without_a_column(fails, tiny_corpus):
    path = tiny_corpus / "manifest.csv"
    path.write_text(path.read_text().replace("emotion,", "mood,", 1))
    assert "column 'emotion' is missing" in fails(*MANIFEST, "--root", tiny_corpus, code=1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"I am no recording.\n" * 100, "u01.wav is not a recording"),
        (b"", "u01.wav is empty"),
        (None, "u01.wav does not exist"),
        (..., "u01.wav is cut short"),
    ],
    ids=["text", "empty", "missing", "cut"],
)
def test_a_recording_that_is_none(fails, tiny_corpus, content, message):
    path = tiny_corpus / "wav" / "u01.wav"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-50] if content is ... else content)
    assert message in fails(*MANIFEST, "--root", tiny_corpus, code=1)


def test_a_recording_that_breaks_off_leaves_no_dataset(tfcr, tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tiny_corpus / "wav" / "u08.flac"
    path.write_bytes(path.read_bytes()[:2000])
    outcome = tfcr(*MANIFEST, "--root", tiny_corpus)
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].startswith("Error: ") and "u08.flac" in outcome.err
    assert not (tmp_path / "data" / "tiny" / INFO).exists()


def test_an_option_of_another_corpus(fails, tiny_corpus):
    line = fails(*MANIFEST, "--root", tiny_corpus, "--conflict-rate", 0.4, code=2)
    assert "takes no 'conflict rate'" in line


def test_a_corpus_that_cannot_be_partial(fails, tiny_corpus):
    line = fails(*MANIFEST, "--root", tiny_corpus, "--allow-partial", code=2)
    assert "'manifest' takes no --allow-partial" in line and "no list of recordings" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("--conflict-rate", 1.5),
        ("--utterances", 39),
        ("--workers", 0),
        ("--emotions", "neutral"),
        ("--emotions", "neutral,,anger"),
        ("--name", "a/b"),
        ("--preset", "papers"),
        ("--corpus-seed", -1),
    ],
)
def test_a_preparation_out_of_range(fails, arguments):
    fails("prepare-tfrecords", *arguments, code=2)


def test_an_emotion_that_nobody_has(fails, tiny_corpus):
    line = fails(*MANIFEST, "--root", tiny_corpus, "--emotions", "neutral,boredom", code=1)
    assert "no utterance has the emotion 'boredom'" in line
    assert line.endswith("; choose by --emotions, or name its labels by --emotion-names")


@pytest.mark.parametrize("option", ["--embeddings", "--transcripts"])
def test_a_missing_file_is_said_before_tensorflow_comes(tiny_corpus, tmp_path, option):
    command = ["tfcr", *MANIFEST, "--root", str(tiny_corpus), option, str(tmp_path / "none.txt")]
    code = (
        f"import sys; sys.argv = {command!r}\nfrom tfcr.cli import main\n"
        "try: main()\nfinally: print('tensorflow' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "False\n")
    assert ended.stderr.startswith(f"Error: {option} {tmp_path / 'none.txt'} does not exist; expected")


def test_embeddings_of_two_widths(fails, tiny_corpus, tmp_path):
    (tmp_path / "v.txt").write_text("".join(f"word {' '.join(['0.5'] * width)}\n" for width in (50, 100)))
    line = fails(*MANIFEST, "--root", tiny_corpus, "--embeddings", tmp_path / "v.txt", code=1)
    assert "100 numbers; expected 50" in line


def test_embeddings_with_a_header_that_lies(fails, tiny_corpus, tmp_path):
    (tmp_path / "v.bin").write_bytes(b"1000000000 300\nword " + struct.pack("<300f", *[0.5] * 300))
    line = fails(*MANIFEST, "--root", tiny_corpus, "--embeddings", tmp_path / "v.bin", code=1)
    assert "header promises 1000000000 words" in line


def test_embeddings_that_do_not_exist(fails, tiny_corpus, tmp_path):
    assert "none.bin does not exist" in fails(*MANIFEST, "--root", tiny_corpus, "--embeddings", "none.bin", code=1)


def test_an_out_that_is_a_file(fails, tiny_corpus, tmp_path):
    (tmp_path / "file").write_text("precious")
    assert "file" in fails(*MANIFEST, "--root", tiny_corpus, "--out", tmp_path / "file", code=1)


def test_a_full_disk_is_one_line(tfcr, tiny_corpus, tmp_path, monkeypatch):
    import errno

    from tfcr.preparation import shards

    def full(record):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shards, "serialise", full)
    outcome = tfcr(*MANIFEST, "--root", tiny_corpus)
    assert outcome.code == 1
    (line,) = (line for line in outcome.err.splitlines() if line.startswith("Error: "))
    assert line.startswith("Error: data/tiny cannot take tiny-0000") and "(No space left on device); make room" in line
    left = {path.name for path in (tmp_path / "data" / "tiny").iterdir()}
    assert left == {".lock", ".preparation.json"}


def test_interrupting_is_one_line(tfcr, tiny_corpus, tmp_path, monkeypatch):
    from tfcr.preparation import writers

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(writers, "write_shards", interrupted)
    outcome = tfcr(*MANIFEST, "--root", tiny_corpus)
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].startswith("Error: interrupted")


# ---- datasets -------------------------------------------------------------------------------------------------------


def test_no_dataset(fails):
    assert "no dataset under data/; make one with `tfcr prepare-tfrecords`" in fails("train", code=1)


def test_a_folder_that_is_no_dataset(fails, tmp_path):
    assert "does not exist" in fails("train", "--data", tmp_path / "none", code=1)
    assert "not a finished dataset" in fails("train", "--data", tmp_path, code=1)


@pytest.fixture
def copied(workspace, tmp_path):
    """A copy of the workspace's dataset that may be broken."""
    folder = tmp_path / "data" / "synthetic"
    shutil.copytree(workspace.folder / "data" / "synthetic", folder, ignore=shutil.ignore_patterns("corpus"))
    return folder


def test_a_broken_shard_is_named_by_every_command_that_reads_it(fails, copied):
    shard = copied / "synthetic-00002-of-00008.tfrecord"
    good = shard.read_bytes()
    shard.write_bytes(good[:-1])
    for command in (("train",), ("inspect", copied)):
        assert f"{shard.name} has {len(good) - 1} bytes; expected {len(good)}" in fails(*command, code=1)
    shard.write_bytes(good[:1000] + bytes([good[1000] ^ 1]) + good[1001:])
    for command in (("train",), ("inspect", copied)):
        assert f"{shard.name} was changed since it was written" in fails(*command, code=1)
    shard.unlink()
    assert f"{shard.name} is missing" in fails("train", code=1)


def test_an_info_file_of_another_kind(fails, copied):
    (copied / INFO).write_text("{}")
    for command in (("train", "--data", copied), ("inspect", copied)):
        assert f"{INFO} is not of schema {SCHEMA}" in fails(*command, code=1)


# ---- configurations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--fold", 10), "fold must be from 0 to 9"),
        (("--fold", -1), "--fold"),
        (("--fold", 5, "--protocol", "authors"), "fold must be from 0 to 4"),
        (("--alpha", 1.5), "--alpha"),
        (("--alpha", "nan"), "alpha"),
        (("--alpha", 0.1, "--system", "text"), "alpha must be 0 for system 'text'"),
        (("--system", "fusionn"), "there is no system 'fusionn'"),
        (("--protocol", "loso"), "--protocol"),
        (("--epochs", 0), "--epochs"),
        (("--batch-size", 0), "--batch-size"),
        (("--seed", 2**31), "seed"),
        (("--precision", "float16"), "--precision"),
        (("--config", "none.yaml"), "none.yaml does not exist"),
    ],
)
def test_a_training_out_of_range(fails, workspace, arguments, message):
    assert message in fails("train", "--data", workspace.folder / "data" / "synthetic", *arguments, code=2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("apha: 0.1", "unknown config key 'apha'; did you mean 'alpha'?"),
        ("alpha: 1.5", "alpha"),
        ("alpha: true", "alpha"),
        ("alpha: '0.1'", "alpha"),
        ("epochs: true", "epochs"),
        ("fold: 1.5", "fold"),
        ("fold: '1'", "fold"),
        ("seed: [1]", "seed"),
        ("batch-size: 8\nbatch_size: 16", "batch_size"),
        ("alpha: 0.1\nalpha: 0.2", "'alpha' stands twice"),
        ("lstm_units: 0", "lstm_units"),
        ("data: [a, b]", "data"),
        ("data: 5", "data"),
        ("run: {a: b}", "run"),
        ("system: 5", "system"),
        ("emotions: [anger, neutral]", "emotions of the configuration contradicts"),
        ("merge: {}", "merge of the configuration contradicts"),
        ("preset: authors", "preset"),
        (f"dataset_sha256: {'a' * 64}", "the configuration names aaaaaaaaaaaa"),
        ("- alpha", "holds no `name: value` lines"),
    ],
)
def test_a_config_file_that_does_not_fit(fails, workspace, tmp_path, content, message):
    (tmp_path / "c.yaml").write_text(content + "\n")
    dataset = () if content.startswith("data:") else ("--data", workspace.folder / "data" / "synthetic")
    assert message in fails("train", *dataset, "--config", "c.yaml", code=2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("workers: true", "workers"),
        ("workers: 1.5", "workers"),
        ("utterances: 120.5", "utterances"),
        ("conflict_rate: true", "conflict_rate"),
        ("emotions: 5", "emotions"),
        ("emotions: [1, 2]", "emotions"),
        ("merge: [a]", "merge must be a mapping"),
        ("merge: {excitement: 5}", "merge must be a mapping"),
        ("root: 5", "root"),
        ("name: [a]", "name"),
        ("allow_partial: maybe", "allow_partial"),
    ],
)
def test_a_config_file_that_does_not_fit_a_preparation(fails, tmp_path, content, message):
    (tmp_path / "c.yaml").write_text(content + "\n")
    assert message in fails("prepare-tfrecords", "--config", "c.yaml", code=2)


# ---- runs and exports -----------------------------------------------------------------------------------------------


def test_a_run_of_another_configuration(fails, workspace):
    arguments = ("train", "--data", workspace.folder / "data" / "synthetic", "--fold", 3, "--config", workspace.config)
    line = fails(*arguments, "--seed", 1, "--run", workspace.run, code=1, below=workspace.folder / "runs")
    assert "its seed is 0, not 1" in line


def test_a_run_of_another_dataset(fails, tfcr, workspace, tiny_corpus, tmp_path):
    assert tfcr(*MANIFEST, "--root", tiny_corpus, "--out", tmp_path / "data" / "tiny").code == 0
    arguments = ("--protocol", "authors", "--run", workspace.run)
    line = fails("train", "--data", tmp_path / "data" / "tiny", *arguments, code=1, below=workspace.folder / "runs")
    assert "belongs to another dataset" in line and "data/synthetic" in line


def test_a_run_folder_with_something_else_in_it(fails, workspace, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("precious")
    data = workspace.folder / "data" / "synthetic"
    assert "is no run" in fails("train", "--data", data, "--run", tmp_path / "thesis", code=1)


def test_too_few_groups(fails, tfcr, tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepared = tfcr(*MANIFEST, "--root", tiny_corpus)
    assert prepared.err.endswith("\nnext: tfcr train --data data/tiny --protocol authors --fold 0\n")
    assert "at least 3 sessions; this corpus has 2" in fails("train", "--protocol", "session", code=1)
    assert "10 utterances of every emotion; 'neutral' has 4" in fails("train", code=1)


def test_what_needs_a_finished_run(fails, tmp_path):
    (tmp_path / "run").mkdir()
    for command in ("evaluate", "export", "report"):
        fails(command, "run", code=1)
        fails(command, "none", code=1)
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump({"fold": 0}))
    for command in ("evaluate", "export", "report"):
        assert "not finished" in fails(command, "run", code=1)


def test_nonsense_is_inspected(fails, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "7").mkdir()
    assert "is no folder" in fails("inspect", "none", code=1)
    assert "is no folder" in fails("inspect", "file", code=1)
    assert "neither a dataset nor a run nor an export" in fails("inspect", "empty", code=1)
    assert "is no export" in fails("inspect", "7", code=1)
    (tmp_path / "moved" / "assets.extra").mkdir(parents=True)  # a version under a name of its own
    (tmp_path / "moved" / "assets.extra" / "tfcr.json").write_text("[]")
    assert "is not what tfcr wrote" in fails("inspect", "moved", code=1)


@pytest.mark.parametrize("content", ["", "{"])
def test_an_export_that_says_nothing_of_itself(fails, tmp_path, content):
    (tmp_path / "1" / "assets.extra").mkdir(parents=True)
    (tmp_path / "1" / "assets.extra" / "tfcr.json").write_text(content)
    assert "tfcr.json" in fails("inspect", "1", code=1)


def test_a_config_beside_a_run_that_is_no_longer_valid(fails, workspace, tmp_path):
    shutil.copytree(workspace.run, tmp_path / "run")
    path = tmp_path / "run" / "config.yaml"
    path.write_text(path.read_text().replace("lstm_units: 8", "lstm_units: -8"))
    assert "lstm_units must be at least 1" in fails("export", "run", code=1)
    shutil.copy(workspace.run / "config.yaml", path)
    weights = tmp_path / "run" / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:1000])
    for command in ("export", "inspect", "evaluate"):
        assert "model.weights.h5 is missing or was changed" in fails(command, "run", code=1)


def test_a_dataset_of_other_emotions_is_not_evaluated(fails, tfcr, workspace, tiny_corpus, tmp_path):
    manifest = tiny_corpus / "manifest.csv"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace(",anger,", ",fear,"), encoding="utf-8")
    assert tfcr(*MANIFEST, "--root", tiny_corpus, "--emotions", "neutral,fear", "--out", tmp_path / "two").code == 0
    assert open_dataset(tmp_path / "two").emotions == ["neutral", "fear"]
    line = fails("evaluate", workspace.run, "--data", tmp_path / "two", code=1, below=workspace.folder / "runs")
    assert "they share ['neutral'], and a test needs 2" in line


def test_metrics_are_json_without_nan(workspace):
    def refuse(name):
        raise AssertionError(name)

    json.loads((workspace.run / "metrics.json").read_text(), parse_constant=refuse)


def test_vectors_of_which_no_number_of_words_is_asked(fails, tmp_path):
    (tmp_path / "v.yaml").write_text("embeddings: vectors.txt\n")  # which the dataset was prepared with
    for more in ((), ("--vocabulary", "words.txt"), ("--format", "onnx")):
        line = fails("export", "run", "--embeddings", "vectors.txt", *more, code=2)
        assert "--embeddings says where the vectors of --vocabulary N lie, and adds no word by itself" in line
        assert "--embeddings" not in fails("export", "run", "--config", "v.yaml", *more, code=1)
