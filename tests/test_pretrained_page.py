"""The commands of docs/pretrained.md: they parse as they stand, and with random small models they lead to a report."""

import csv
import importlib.util
import pathlib
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from test_features_page import write_manifest

from tfcr import cli
from tfcr.runs import open_run

_ROOT = pathlib.Path(__file__).parents[1]
_PAGE = (_ROOT / "docs" / "pretrained.md").read_text(encoding="utf-8")
_COMMANDS = [shlex.split(line)[1:] for line in re.search(r"```sh\n(.*?)```", _PAGE, re.DOTALL)[1].splitlines()]
_LACKING = [name for name in ("torch", "transformers", "opensmile") if importlib.util.find_spec(name) is None]
_SMALL = "conv_filters: 1\nlstm_units: 4\nprojection_units: 4\ndiscriminator_units: 4\nepochs: 1\nthreads: 1\n"


def test_every_command_takes_its_options(monkeypatch):
    monkeypatch.chdir(_ROOT)
    for name, *arguments in _COMMANDS:
        command = cli.cli.get_command(None, name)
        assert command.make_context(name, list(arguments)).params, name
    sweep = cli.cli.get_command(None, "sweep").make_context("sweep", list(_COMMANDS[5][1:])).params
    assert list(sweep["systems"]) == ["audio", "text", "fusion"] and list(sweep["alphas"]) == [0, 0.1]
    assert (sweep["audio_features"], sweep["text_features"], sweep["protocol"]) == ("speech", "words", "speaker")


@pytest.mark.full
@pytest.mark.skipif(
    bool(_LACKING), reason=f"not installed: {', '.join(_LACKING)} (pip install '.[pretrained,opensmile]')"
)
def test_the_page_leads_from_a_manifest_to_a_report(tensorflow, small_corpus, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write_manifest(tmp_path / "my-corpus", small_corpus)
    (tmp_path / "configs").symlink_to(_ROOT / "configs")
    (tmp_path / "small.yaml").write_text(_SMALL)
    _save_models(tmp_path / "models")
    for name, *arguments in _COMMANDS:
        _type(name, *arguments, capfd=capfd)
    text = "".join(table.read_text() for table in (tmp_path / "report").rglob("table1.csv"))
    for features in ("speech", "words", "eGeMAPSv02"):
        assert features in text
    _recordings_are_answered_as_the_run_was_tested(tmp_path, capfd)


def _type(name, *arguments, capfd):
    if name == "sweep":
        arguments = *arguments, "--folds", "0", "--workers", "1", "--config", "small.yaml"
    if name in ("extract", "predict"):
        # in a process of its own, as a user types it: openSMILE aborts beside TensorFlow
        subprocess.run([sys.executable, "-c", "from tfcr.cli import main; main()", name, *arguments], check=True)
        return
    with pytest.raises(SystemExit) as end:
        cli.main([name, *arguments])
    assert end.value.code == 0, (name, arguments, capfd.readouterr().err)


def _recordings_are_answered_as_the_run_was_tested(folder, capfd):
    folders = [metrics.parent for metrics in sorted((folder / "sweeps").rglob("metrics.json"))]
    run = next(
        run for run in map(open_run, folders) if run.metrics["system"] == "fusion" and "speech" in str(run.folder)
    )
    _type("export", str(run.folder), "--out", "serving/my-model", capfd=capfd)
    _type("predict", "serving/my-model", "my-corpus", "--out", "answers.csv", capfd=capfd)
    with open("answers.csv", encoding="utf-8", newline="") as file:
        answers = {row["id"]: [float(row[f"p_{emotion}"]) for emotion in run.emotions] for row in csv.DictReader(file)}
    powers = np.exp(run.predictions.logits)
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose([answers[id] for id in run.predictions.id], expected, atol=1e-4)


def _save_models(folder: pathlib.Path) -> None:
    """A random small wav2vec 2.0 and a random small BERT."""
    import transformers

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    convolutions = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2}
    transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**sizes, **convolutions)).save_pretrained(folder / "speech")
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder / "speech")
    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    config = transformers.BertConfig(**sizes, vocab_size=len(words))
    transformers.BertModel(config).save_pretrained(folder / "words")
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder / "words")
