"""The page on the presets says of every field what the presets are."""

import dataclasses
import pathlib
import re

import yaml

from tfcr.config import PRESETS

_PAGE = (pathlib.Path(__file__).parents[1] / "docs" / "presets.md").read_text(encoding="utf-8")
_ROWS = re.findall(r"^\| [^|]+ \| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", _PAGE, re.MULTILINE)


def test_the_table_has_the_presets_values():
    assert len(_ROWS) > 15
    for field, *printed in _ROWS:
        for preset, text in zip(("paper", "authors"), printed, strict=True):
            value = getattr(PRESETS[preset], field)
            read = float(text) if isinstance(value, float) else yaml.safe_load(text)
            assert read == value, (field, preset)


def test_the_table_has_every_field_in_which_the_presets_differ():
    paper, authors = (dataclasses.asdict(PRESETS[preset]) for preset in ("paper", "authors"))
    different = {field for field in paper if paper[field] != authors[field]}
    assert {field for field, *_ in _ROWS} == different - {"preset"}
