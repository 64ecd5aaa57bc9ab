"""The commands of docs/scaling.md work as they stand, on small corpora: those on Apache Beam, and the job array."""

import importlib.util
import os
import pathlib
import re
import shlex

import pytest
import yaml

from tfcr import cli, runs
from tfcr.cli.sweep import command as sweep_command

_PAGE = (pathlib.Path(__file__).parents[1] / "docs" / "scaling.md").read_text(encoding="utf-8")
_SWEEPS = [line for line in _PAGE.splitlines() if line.startswith("tfcr sweep ")]


def commands(section: str) -> list[str]:
    (text,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", _PAGE, re.MULTILINE | re.DOTALL)
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


@pytest.mark.full
@pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None, reason="Apache Beam is not installed: pip install 'tfcr[beam]'"
)
def test_the_commands_on_apache_beam_work(tensorflow, tiny_corpus, tmp_path, monkeypatch, capfd):
    tiny_corpus.rename(tmp_path / "my-corpus")
    monkeypatch.chdir(tmp_path)
    for line in commands("Preparation on Apache Beam"):
        with pytest.raises(SystemExit) as end:
            cli.main(shlex.split(line)[1:])
        said = capfd.readouterr()
        assert end.value.code == 0, (line, said.err)
    assert len(commands("Preparation on Apache Beam")) == 3
    assert "16 utterances" in said.out and "features mel" in said.out


def test_every_option_that_the_page_s_sweeps_type_exists():
    known = {name for option in sweep_command.params for name in option.opts}
    assert len(_SWEEPS) == 2
    for line in _SWEEPS:
        assert {word for word in shlex.split(line) if word.startswith("--")} <= known, line


@pytest.mark.usefixtures("tensorflow")
def test_the_jobs_of_the_array_are_disjoint_and_complete_and_one_of_them_trains(
    small_dataset, small_config, tmp_path, monkeypatch, capfd
):
    [script] = (block for block in re.findall(r"```sh\n(.*?)```", _PAGE, re.DOTALL) if "#SBATCH" in block)
    [line] = (line for line in script.splitlines() if line.startswith("tfcr "))
    first, last = map(int, re.search(r"--array=(\d+)-(\d+)", script).groups())
    monkeypatch.chdir(tmp_path)
    pathlib.Path("data").mkdir()
    pathlib.Path("data/iemocap").symlink_to(small_dataset.folder)
    names = ("conv_filters", "lstm_layers", "lstm_units", "discriminator_units", "batch_size", "shuffle_buffer")
    pathlib.Path("small.yaml").write_text(yaml.safe_dump({name: getattr(small_config, name) for name in names}))

    def job(number, *further):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(number))
        with pytest.raises(SystemExit) as end:
            cli.main([*shlex.split(os.path.expandvars(line))[1:], "--config", "small.yaml", *further])
        assert end.value.code == 0, capfd.readouterr().err
        return capfd.readouterr().out.splitlines()

    listed = [job(number, "--dry-run") for number in range(first, last + 1)]
    everything = [each for part in listed for each in part]
    assert len(set(everything)) == len(everything) == 11 * 10  # alphas × folds
    assert {len(part) for part in listed} == {9, 10}  # 110 / 12

    tiny = ("--systems", "text", "--folds", "0,1", "--seeds", "0-5", "--epochs", "1")  # twelve cells: one for each job
    [folder] = job(last, *tiny)
    assert [path.parent.name for path in pathlib.Path(folder).glob(f"*/{runs.METRICS}")] == ["random-text-a0-f1-s5"]
