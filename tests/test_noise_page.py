"""The page on noise works as it stands: its commands run in their order, and its tables are those of the code."""

import pathlib
import re
import shlex

import pytest
import yaml

from tfcr import cli
from tfcr.config import from_mapping
from tfcr.noise import words
from tfcr.noise.grades import KINDS
from tfcr.noise.speech import PINK_FROM, TELEPHONE_BAND
from tfcr.noise.voices import POOL, VOICES
from tfcr.training_noise import TrainingNoise

_PAGE = (pathlib.Path(__file__).parents[1] / "docs" / "noise.md").read_text(encoding="utf-8")
_SMALL = (
    "lstm_units: 4\nconv_filters: 1\nepochs: 1\ndiscriminator_units: 4\nthreads: 2\nshuffle_buffer: 64\n"
    "utterances: 120\n"
)


def rows(heading: str) -> list[list[str]]:
    """The rows of the table whose header begins with `heading`."""
    lines = _PAGE[_PAGE.index(f"\n| {heading} |") + 1 :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_page_names_every_kind_with_its_grades():
    found = {name.strip("`"): levels for name, _, levels in rows("kind | what it does")}
    expected = {}
    for kind in KINDS.values():
        levels = [100 * level if kind.unit == "share" else level for level in kind.levels]
        unit = {"dB": "dB", "s": "s", "share": "%"}.get(kind.unit)
        expected[kind.name] = f"{', '.join(f'{level:g}' for level in levels)} {unit}" if unit else ""
    assert found == expected
    assert (VOICES, POOL, words.NEIGHBOURS, PINK_FROM, TELEPHONE_BAND) == (6, 24, 10, 50.0, (300.0, 3400.0))


def test_the_tolerances_are_those_of_the_tests():
    code = (pathlib.Path(__file__).parent / "noise" / "test_speech.py").read_text(encoding="utf-8")
    held = re.findall(r'^    "(\w+)": \(([\d.]+), ([\d.]+), ([\d.]+)\),$', code, re.MULTILINE)
    shown = rows("kind | means differ by less than, dB")
    assert [(name, *map(float, limits)) for name, *limits in shown] == [(n, *map(float, limits)) for n, *limits in held]


def test_training_under_noise_has_the_defaults_shown():
    (block,) = re.findall(r"```yaml\n(.*?)```", _PAGE, re.DOTALL)
    assert from_mapping(yaml.safe_load(block)).noise == TrainingNoise()


@pytest.mark.full
def test_the_commands_work(tensorflow, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    small = tmp_path / "small.yaml"
    small.write_text(_SMALL)
    (block, *_) = re.findall(r"```sh\n(.*?)```", _PAGE, re.DOTALL)
    for line in block.splitlines():
        arguments = shlex.split(line)[1:]
        more = {"prepare-tfrecords": ["--features", "spectrogram"], "sweep": ["--workers", "1"]}
        more["evaluate"] = ["--kinds", "pink,deleted", "--list"]
        config = ["--config", str(small)] if arguments[0] in ("prepare-tfrecords", "sweep") else []
        with pytest.raises(SystemExit) as end:
            cli.main([*arguments, *more.get(arguments[0], []), *config])
        said = capfd.readouterr()
        assert end.value.code == 0, (line, said.err)
        if arguments[0] == "evaluate":
            assert "Noise was added to the spectrograms" in said.err
            assert "\ndeleted-0.4,Ses01" in said.out
    assert "is right" in (tmp_path / "report" / "noise.md").read_text(encoding="utf-8")


def test_noises_options_belong_to_noise(capfd, tmp_path):
    # one file serves several commands: corpus for `tfcr prepare-tfrecords`, noise for `tfcr train`
    for shared in ("root: corpora/mine\nkinds: [white]\npart: test2\nnoise: {share: 0.5}\n", "noise: {}\n"):
        (tmp_path / "shared.yaml").write_text(shared)
        for noise in ([], ["--noise"]):
            with pytest.raises(SystemExit) as end:
                cli.main(["evaluate", "runs/none", "--config", str(tmp_path / "shared.yaml"), *noise])
            assert end.value.code == 1 and "runs/none is not a run" in capfd.readouterr().err
    for option in (["--kinds", "white"], ["--root", "x"], ["--list"], ["--noise-seed", "1"], ["--noise-seed", "0"]):
        with pytest.raises(SystemExit) as end:
            cli.main(["evaluate", "runs/none", *option])
        assert end.value.code == 2 and f"{option[0]} belongs to --noise" in capfd.readouterr().err
