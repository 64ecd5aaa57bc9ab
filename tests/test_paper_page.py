"""The page that sets the paper beside the code has every equation, and each link to code leads to what it names."""

import ast
import pathlib
import re

_ROOT = pathlib.Path(__file__).parents[1]
_PAGE = (_ROOT / "docs" / "paper.md").read_text(encoding="utf-8")


def test_every_equation_of_the_paper_is_there_once():
    assert re.findall(r"\\quad \((\d)\)", _PAGE) == list("1234567")


def test_the_links_lead_to_what_they_name():
    links = re.findall(r"^\[`([\w.]+)`\]\(\.\./([\w/]+\.py)\)$", _PAGE, re.MULTILINE)
    assert len(links) > 10
    for name, path in links:
        node = ast.parse((_ROOT / path).read_text(encoding="utf-8"))
        for part in name.split("."):
            (node,) = (child for child in node.body if getattr(child, "name", None) == part)
