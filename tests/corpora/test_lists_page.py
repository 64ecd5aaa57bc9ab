"""The page on corpora makes files for `--split` of EmoBox's lists and of a paper's, as it says."""

import json
import pathlib
import re
import subprocess

import pytest

from tfcr import split_file
from tfcr.errors import TfcrError

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "corpora.md").read_text(encoding="utf-8")
LISTS = re.search(r"^## Lists of others\n.*?(?=^## )", PAGE, re.DOTALL | re.MULTILINE).group()
(EMOBOX,) = re.findall(r"```python\n(.*?)```", LISTS, re.DOTALL)
JOINED, VALIDATED, KNOWN = re.findall(r"^awk .*$", LISTS, re.MULTILINE)
IDS = [f"Ses0{session}F_impro01_F{number:03d}" for session in range(1, 6) for number in range(8)]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> pathlib.Path:
    """A folder with the index of a dataset, EmoBox's repository and a paper's lists."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "iemocap").mkdir(parents=True)
    (tmp_path / "data" / "iemocap" / "utterances.csv").write_text(
        "id,emotion\n" + "".join(f"{id},anger\n" for id in IDS)
    )
    for session in range(1, 6):
        fold = tmp_path / "EmoBox" / "data" / "iemocap" / f"fold_{session}"
        fold.mkdir(parents=True)
        recordings = (
            {"key": f"iemocap-{id}", "wav": f"downloads/iemocap/Session{session}/sentences/wav/{id[:14]}/{id}.wav"}
            for id in IDS
            if id.startswith(f"Ses0{session}")
        )
        lines = "".join(json.dumps(each) + "\n" for each in recordings)
        (fold / f"iemocap_test_fold_{session}.jsonl").write_text(lines)
    for name, ids in (("train", IDS[:30]), ("val", IDS[30:35]), ("test", [*IDS[35:], "Ses01F_impro01_F999"])):
        (tmp_path / f"{name}.txt").write_text("".join(f"{id}\n" for id in ids))
    return tmp_path


def typed(command: str) -> None:
    assert subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False).stderr == ""


def test_emoboxs_folds_become_a_file(folder):
    exec(compile(EMOBOX, "corpora.md", "exec"), {})
    listed = split_file.read(folder / "emobox.csv").listed(IDS, IDS)
    assert listed == [str(int(id[4]) - 1) for id in IDS]


def test_a_papers_lists_become_a_file(folder):
    typed(JOINED)
    with pytest.raises(TfcrError, match="1 id is not in the dataset: 'Ses01F_impro01_F999'"):
        split_file.read(folder / "paper.csv").listed(IDS, IDS)
    typed(KNOWN)
    assert (folder / "of-dataset.csv").read_text().startswith("id,part\n")
    listed = split_file.read(folder / "of-dataset.csv").listed(IDS, IDS)
    assert listed == ["train"] * 30 + ["validation"] * 5 + ["test"] * 5


def test_a_papers_ids_may_hold_spaces_and_its_lines_end_as_windows_has_them(folder):
    for name, id in (("train", "clip 1"), ("val", "clip 2"), ("test", "clip 3")):
        (folder / f"{name}.txt").write_bytes(f"{id}\r\n".encode())
    typed(JOINED)
    ids = ["clip 1", "clip 2", "clip 3"]
    assert split_file.read(folder / "paper.csv").listed(ids, ids) == ["train", "validation", "test"]


def test_every_tenth_training_utterance_validates(folder):
    (folder / "val.txt").write_text("")
    (folder / "test.txt").write_text("".join(f"{id}\n" for id in IDS[30:]))
    typed(JOINED)
    typed(VALIDATED)
    listed = split_file.read(folder / "with-validation.csv").listed(IDS, IDS)
    assert [number for number, part in enumerate(listed) if part == "validation"] == [9, 19, 29]
    assert listed.count("train") == 27 and listed.count("test") == 10
