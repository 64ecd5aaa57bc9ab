"""A configuration is checked once, and its errors name the field."""

import dataclasses
import json
import pathlib
import re

import pytest
import yaml

from tfcr import published
from tfcr.config import FIELDS, PRESETS, Config, from_mapping, read_yaml
from tfcr.errors import UsageError
from tfcr.experiments.ranges import decimals
from tfcr.features import presets as features
from tfcr.models import systems
from tfcr.training_noise import TrainingNoise

CONFIGS = pathlib.Path(__file__).parent.parent / "configs"

_AT_LEAST_ONE = (
    *("negatives_per_anchor", "conv_blocks", "conv_filters", "lstm_layers", "lstm_units", "discriminator_units"),
    *("batch_size", "epochs", "patience", "shuffle_buffer", "threads", "op_threads", "max_frames", "max_token_ids"),
    *("recurrent_units", "hidden_layers", "hidden_units", "projection_units", "halve_every", "halvings"),
)
_DROPOUTS = (
    *("embedding_dropout", "head_dropout", "audio_head_dropout", "text_head_dropout"),
    *("audio_dropout", "text_dropout"),
)
_WRONG = {
    "freq_mask": [-1, 128, 0.5, True, "3", None],  # 128 would hide every bin
    "time_mask": [-1, 128, 0.5, True, "3", None],
    "noise": [1, True, "white", [0.5]],
    "preset": ["papers", "", None, 1],
    "protocol": ["loso", None],
    "subset": [0, True, ["improvised"], "", "improvise", "emotion=anger", "speaker=", "speaker=a,", "speaker"],
    "fold": [-1, 2**31, "0", None, True, 1.0],
    "fold_seed": [-1, 2**31, "0", True],
    "system": [None, 1, ["fusion"]],
    "seed": [-1, 2**31, "0", True],
    "alpha": [-0.1, 1.5, float("nan"), float("inf"), "0.1", True, [0.1]],
    "negatives": ["others", None],
    "negative_weights": ["balance", 1],
    "head_bias": [0, 1, "no", None],
    "segments": ["one", 1],
    "learning_rate": [0, -0.001, float("nan"), float("inf"), "0.001", True, None],
    "stop_on": ["wa", "macro_f1", "cross_entropy", None],
    "precision": ["float16", "bfloat16", None],
    "distribution": ["mirror", None, True],
    "negatives_scope": ["local", None, 1],
    "dataset_sha256": [0, True, ["a"]],
    "features_sha256": [0, True, ["a"]],
    "split_sha256": [0, True, ["a"], "ab" * 32],  # of a file that stands for another protocol than `file`
    "audio_features": [0, True, ["a"]],
    "text_features": [0, True, ["a"]],
    "pooling": ["max", None],
    "decision_weights": ["test", None],
    "classification_loss": ["hinge", None],
    "class_weights": ["balance", None, 1],
    **{name: [0, -1.0, float("nan"), float("inf"), "1", True] for name in ("clip_value", "clip_norm")},
    "discriminator": ["cos", None],
    "standardization": ["bin", None, True],
    "start": ["end-to-end", None],
    "mask_padding": [0, 1, "no", None],
    "initializers": ["torch", None],
    "adam_epsilon": [0, -1e-8, float("nan"), float("inf"), "1e-8", True, None],
    "text_norm_penalty": [-0.1, float("nan"), "0", True, None],
    **{name: [-0.1, 1, 1.5, float("nan"), "0", True, None] for name in _DROPOUTS},
    **{name: [0, -1, 1.5, "8", True] for name in _AT_LEAST_ONE},
}


def test_every_field_has_wrong_values_here():
    assert set(_WRONG) == set(FIELDS)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in _WRONG.items() for value in values])
def test_a_wrong_value_names_its_field_and_what_was_received(name, value):
    with pytest.raises(UsageError) as raised:
        from_mapping({name: value})
    assert name in str(raised.value)
    assert repr(value) in str(raised.value)


@pytest.mark.parametrize("field", dataclasses.fields(Config), ids=lambda field: field.name)
def test_every_default_is_valid(field):
    assert from_mapping({field.name: field.default}) == Config()


@pytest.mark.parametrize(
    ("name", "value"),
    [("alpha", 0), ("alpha", 1), ("learning_rate", 1), ("negatives_per_anchor", 64), ("fold", 2**31 - 1)],
)
def test_the_ends_of_a_range_belong_to_it(name, value):
    assert getattr(from_mapping({name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("share", value) for value in (-0.1, 1.1, "0.5", None, True, float("nan"))),
        *(("words", value) for value in (-0.1, 1.1, None)),
        *(("kinds", value) for value in ([], ["brown"], "white", None, [["white"]], ["pink", "pink"])),
        *(("snr", value) for value in ([20, 0], [0], 5, [0, "5"], [0, float("inf")], None, [True, 3])),
        *(("snr", value) for value in ([-31, 0], [0, 61], [-400, 0])),
    ],
)
def test_a_wrong_value_within_noise_names_its_field(name, value):
    with pytest.raises(UsageError, match=f"noise: {name} must be .*; received {re.escape(repr(value))}"):
        from_mapping({"noise": {name: value}})


def test_the_same_noise_is_the_same_however_it_is_written():
    one = {"share": 1, "kinds": ["pink", "white"], "snr": [-0.0, 60], "words": -0.0}
    other = {"share": 1.0, "kinds": ["white", "pink"], "snr": [0, 60.0], "words": 0}
    found = [json.dumps(from_mapping({"noise": noise}).to_dict()["noise"]) for noise in (one, other)]
    assert found[0] == found[1] == '{"share": 1.0, "kinds": ["white", "pink"], "snr": [0.0, 60.0], "words": 0.0}'


def test_noise_comes_back_from_a_file_as_it_was(written):
    config = from_mapping({"noise": {"snr": [5, 10], "kinds": ["pink"]}})
    assert config.noise == TrainingNoise(kinds=("pink",), snr=(5.0, 10.0))
    content = yaml.safe_dump(config.to_dict(), sort_keys=False)
    assert read_yaml(written(content)) == config.to_dict() and from_mapping(read_yaml(written(content))) == config
    assert from_mapping({"noise": {}}).noise == TrainingNoise()
    with pytest.raises(UsageError, match="unknown config key 'shares'; did you mean 'share'"):
        from_mapping({"noise": {"shares": 0.5}})
    with pytest.raises(UsageError, match="unknown config key '1'; expected one of kinds, share, snr, words"):
        from_mapping({"noise": {1: 2}})
    with pytest.raises(UsageError, match="preset 'authors' has other pictures"):
        from_mapping({"noise": {}}, "authors")


def test_a_configuration_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().alpha = 0.5


def test_to_dict_and_back_is_the_identity():
    config = Config(alpha=0.3, fold=7, negatives_per_anchor=64)
    assert from_mapping(config.to_dict()) == config
    assert list(config.to_dict()) == list(FIELDS)


def test_an_unknown_key_hears_of_the_one_that_is_near():
    with pytest.raises(UsageError, match="unknown config key 'apha'; did you mean 'alpha'"):
        from_mapping({"apha": 0.1})


def test_an_unknown_key_near_to_none_hears_of_all():
    with pytest.raises(UsageError, match=f"'xyzzy'.*{', '.join(sorted(FIELDS))}"):
        from_mapping({"xyzzy": 1})


# ---- files ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path):
    def write(content: str | bytes) -> pathlib.Path:
        path = tmp_path / "config.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_a_file_that_spells_it_out(preset):
    content = read_yaml(CONFIGS / f"{preset}.yaml")
    assert tuple(content) == FIELDS  # every field, in the class's order
    assert content["preset"] == preset
    assert from_mapping(content) == Config(**content) == PRESETS[preset]


def test_presets_have_features_and_every_file_is_known():
    assert set(PRESETS) == set(features.PRESETS)
    assert {path.stem for path in CONFIGS.glob("*.yaml")} == {*PRESETS, "table1", "pretrained"}


def test_table_1_has_every_system_of_the_page_and_every_row_of_the_paper():
    content = read_yaml(CONFIGS / "table1.yaml")
    page = (CONFIGS.parent / "docs" / "systems.md").read_text(encoding="utf-8")
    table, _ = page[page.index("| `--system` |") :].split("\n\n", 1)
    first_columns = "".join(row.split(" | ")[0] for row in table.splitlines()[2:])
    assert sorted(content["systems"]) == sorted(re.findall(r"`(.*?)`", first_columns))
    assert set(content["systems"]) <= set(systems.names())
    alphas = decimals("alphas", content["alphas"])
    for row in published.TABLE_1:
        assert row.system in content["systems"] and row.alpha in alphas


def test_what_is_left_open_is_the_presets():
    assert from_mapping({"preset": "authors", "epochs": 3}).batch_size == 128
    assert from_mapping({"epochs": 3}, preset="authors") == dataclasses.replace(PRESETS["authors"], epochs=3)
    assert from_mapping({"preset": "paper"}, preset="authors") == Config()  # what is named counts


@pytest.mark.parametrize("text", ["1e-3", "1.e-3", "0.001", "1E-03", ".1e-2", "+1e-3"])
def test_a_number_with_an_exponent_is_a_number(written, text):
    assert from_mapping(read_yaml(written(f"learning_rate: {text}\n"))).learning_rate == 0.001


@pytest.mark.parametrize("text", ["1e", "e3", "1e-3x", "'1e-3'", "v1e5"])
def test_what_only_looks_like_a_number_stays_a_word(written, text):
    assert read_yaml(written(f"name: {text}\n")) == {"name": text.strip("'")}


def test_a_key_that_stands_twice_is_an_error(written):
    with pytest.raises(UsageError, match="'alpha' stands twice"):
        read_yaml(written("alpha: 0.1\nfold: 1\nalpha: 0.2\n"))


def test_a_key_that_stands_twice_in_a_nested_mapping_is_an_error(written):
    with pytest.raises(UsageError, match="'excitement' stands twice"):
        read_yaml(written("merge:\n  excitement: happiness\n  excitement: anger\n"))


def test_an_empty_file_is_an_empty_configuration(written):
    assert read_yaml(written("# nothing\n")) == {}


@pytest.mark.parametrize(
    "content",
    [
        *("- alpha\n", "alpha", "1: 2\n", "alpha: [\n", "a: b: c\n", "alpha: \x00\n", b"name: \xff\n", "[" * 20_000),
        *("created: 2021-99-99\n", f"seed: {'9' * 5000}\n", "seed: 0b_\n"),
        *("alpha: !!python/object/apply:os.getcwd []\n", "? [a]\n: 1\n", "a: &x [*x]\n? *x\n: 1\n"),
    ],
    ids=lambda content: repr(content)[:20],
)
def test_a_file_that_is_no_mapping_is_named_in_one_line(written, content):
    path = written(content)
    with pytest.raises(UsageError) as raised:
        read_yaml(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_does_not_exist_is_named(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(UsageError, match=str(path)):
            read_yaml(path)


def test_a_subset_is_the_same_in_whatever_order_its_groups_stand():
    assert {Config(subset=subset) for subset in ("session=1,2", "session=2,1", "session=1,1,2")} == {
        Config(subset="session=1,2")
    }
