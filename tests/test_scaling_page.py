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
from tfcr.experiments import progress

_PAGE = (pathlib.Path(__file__).parents[1] / "docs" / "scaling.md").read_text(encoding="utf-8")
_SWEEPS = [line for line in _PAGE.splitlines() if line.startswith("tfcr sweep ")]


def commands(section: str) -> list[str]:
    (text,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", _PAGE, re.MULTILINE | re.DOTALL)
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


@pytest.mark.full
@pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None, reason="Apache Beam is not installed: pip install '.[beam]'"
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


def table(section: str) -> dict[str, list[str]]:
    """First cell → the others, of the rows of a section's tables that have it; headings included."""
    text = _PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows}


def number(text: str) -> float:
    """The first number of a text."""
    return float(re.search(r"[\d,]*\.?\d+", text)[0].replace(",", ""))


def test_a_further_hour_of_speech_costs_what_the_measured_corpora_say():
    rows = table("What it costs")
    for column, name in ((1, "spectrogram"), (2, "all")):
        slopes = []
        for small, large in (
            ("EMO-DB, 339 recordings", "the same eight times over"),
            ("synthetic, 1,200 utterances", "synthetic, 4,800 utterances"),
        ):
            (hours, seconds), (more_hours, more) = (
                (number(rows[row][0]), number(rows[row][column])) for row in (small, large)
            )
            slopes.append((more - seconds) / (more_hours - hours))
        assert number(rows[f"preparation, {name}"][0]) == round(max(slopes), 1)


def test_the_plan_follows_from_the_costs():
    costs = {name: number(cells[0]) for name, cells in table("What it costs").items() if re.search(r"\d", cells[0])}
    plan = table("Three sizes")
    step = (costs["training step"] + costs["input"]) / 1000
    for column, hours in enumerate((12, 400, 100_000)):
        utterances = hours * 3600 / 5
        segments = 5 * utterances
        steps = 0.8 * segments / 64
        epoch = steps * step + 0.2 * segments * costs["forward"] / 27_279
        cell = 30 * epoch + costs["start"] + costs["ends"] * segments / 27_279
        expected = {
            "utterances": utterances,
            "segments": segments,
            "dataset, GB": utterances * (5 * 128 * 128 * 4 + 36_000) / 1e9,
            "`.beam/` without vectors, GB": utterances * 800 / 1e9,
            "preparation, spectrogram, core-hours": hours * costs["preparation, spectrogram"] / 3600,
            "preparation, all, core-hours": hours * costs["preparation, all"] / 3600,
            "steps an epoch": steps,
            "an epoch, hours": epoch / 3600,
            "a cell, hours": cell / 3600,
            "110 cells, core-hours": 110 * cell / 3600,
            "110 cells on 64 cores, hours": 2 * cell / 3600,
        }
        assert expected.keys() == plan.keys() - {"", "---"}
        for name, figure in expected.items():
            assert number(plan[name][column]) == pytest.approx(figure, rel=0.005), (name, hours)


def test_every_option_that_the_page_s_sweeps_type_exists():
    known = {name for option in sweep_command.params for name in option.opts}
    assert len(_SWEEPS) == 2
    for line in _SWEEPS:
        assert {word for word in shlex.split(line) if word.startswith("--")} <= known, line


@pytest.mark.usefixtures("tensorflow")
def test_the_jobs_of_the_array_are_disjoint_and_complete_and_one_of_them_trains(
    small_dataset, small_fields, tmp_path, monkeypatch, capfd
):
    [script] = (block for block in re.findall(r"```sh\n(.*?)```", _PAGE, re.DOTALL) if "#SBATCH" in block)
    [line] = (line for line in script.splitlines() if line.startswith("tfcr "))
    first, last = map(int, re.search(r"--array=(\d+)-(\d+)", script).groups())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "forecast", lambda *arguments: ("a forecast", {}))
    pathlib.Path("data").mkdir()
    pathlib.Path("data/iemocap").symlink_to(small_dataset.folder)
    pathlib.Path("small.yaml").write_text(yaml.safe_dump(small_fields))

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
