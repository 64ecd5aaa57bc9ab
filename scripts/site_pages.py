"""What mkdocs.yml takes from elsewhere in the repository: pages at its root, the package's modules, and formulas.

Links lead to the same place on a forge and in the pages: what lies beside `docs/` is found under its name there.
"""

import ast
import pathlib
import re

import latex2mathml.converter
from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parents[1]
AT_THE_ROOT = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_SOURCE = re.compile(r"^\[`(\w+(?:\.\w+)?)`\]\(\.\./(tfcr/[\w/]+\.py)\)$", re.MULTILINE)
_FORMULA = re.compile(r'<(div|span) class="arithmatex">(?:\\\[|\\\()(.*?)(?:\\\]|\\\))</\1>', re.DOTALL)


def on_config(config):
    """Every package of tfcr has a page of the reference."""
    (reference,) = (entry["Reference"] for entry in config.nav if "Reference" in entry)
    reference.extend({name: f"reference/{name}.md"} for name in _packages())
    return config


def on_files(files, config):
    """The pages that lie elsewhere, and those made of the package."""
    for name, page in AT_THE_ROOT.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_moved_into_docs(text)))
    licence = f"# Licence\n\n```text\n{(ROOT / 'LICENSE').read_text()}```\n"
    files.append(File.generated(config, "licence.md", content=licence))
    for name, modules in _packages().items():
        content = f"# {name}\n\n" + "\n\n".join(f"::: {module}" for module in modules)
        files.append(File.generated(config, f"reference/{name}.md", content=content + "\n"))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links to code become the code; those to pages at the root lead to their place in the site."""
    if _SOURCE.search(markdown):
        page.meta["hide"] = ["navigation", "toc"]  # code needs the room
    markdown = _SOURCE.sub(lambda link: _code(ROOT / link[2], link[1], link[2]), markdown)
    for name, place in AT_THE_ROOT.items():
        markdown = re.sub(rf"\]\(((?:\.\./)*)\.\./{re.escape(name)}", rf"](\1{place}", markdown)
    return re.sub(r"^--8<-- (\S+)$", lambda line: (ROOT / line[1]).read_text(encoding="utf-8"), markdown, flags=re.M)


def on_page_content(html, page, config, files):
    """Formulas in MathML, which browsers show without a script; and what click calls a default that there is not."""
    html = html.replace("<code>Sentinel.UNSET</code>", "–")
    return _FORMULA.sub(lambda formula: _mathml(formula[2], "block" if formula[1] == "div" else "inline"), html)


def _moved_into_docs(text: str) -> str:
    """A page at the root as it would stand in docs/."""
    text = text.replace("](docs/", "](").replace("](LICENSE)", "](licence.md)")
    for name, place in AT_THE_ROOT.items():
        text = text.replace(f"]({name}", f"]({place}")
    return text


def _packages() -> dict[str, list[str]]:
    """Package → itself and its own public modules; the command line has a page of another kind."""
    found = {}
    for folder in sorted({path.parent for path in (ROOT / "tfcr").rglob("__init__.py")}):
        parts = folder.relative_to(ROOT).parts
        if "cli" in parts:
            continue
        name = ".".join(parts)
        modules = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
        found[name] = [name, *(f"{name}.{module}" for module in modules)]
    return found


def _code(path: pathlib.Path, name: str, shown: str) -> str:
    """The source of a function, class or method, as a block with its file's name."""
    source = path.read_text(encoding="utf-8")
    node = ast.parse(source)
    for part in name.split("."):
        (node,) = (child for child in node.body if getattr(child, "name", None) == part)
    lines = source.splitlines()[node.lineno - 1 : node.end_lineno]
    indent = len(lines[0]) - len(lines[0].lstrip())
    body = "\n".join(line[indent:] for line in lines)
    return f'```python title="{shown}"\n{body}\n```'


def _mathml(formula: str, display: str) -> str:
    formula = formula.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return latex2mathml.converter.convert(formula.strip(), display=display)
