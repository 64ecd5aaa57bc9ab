"""LaTeX tables: every row whole, every special character escaped."""

import pathlib
import re
import shutil
import subprocess

import pytest
from fabricated_sweeps import fabricated_sweep

from tfcr.report.findings.conditions import group_by_condition
from tfcr.report.findings.sections import divide
from tfcr.report.tables.latex import alpha_latex, escape, modalities_latex, table_1_latex
from tfcr.runs import find_runs

# What a table may contain beside escaped characters: commands, groups, math and column separators.
_UNESCAPED = re.compile(r"(?<!\\)[%#_]|(?<!\\)\^|(?<!\\)~")


def sections_of(*runs):
    return divide(group_by_condition(runs))


def body(table: str) -> list[str]:
    """The lines between the rules."""
    inner = table.split("\\midrule\n")[1].split("\\bottomrule")[0]
    return inner.strip().split("\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50 % & #1_a", r"50 \% \& \#1\_a"),
        ("{x}$", r"\{x\}\$"),
        ("a\\b~c^d", r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d"),
        ("α = 0.1 ± 2", r"$\alpha$~=~0.1 $\pm$ 2"),
        ("−0.40", "$-$0.40"),
        ("<b>", r"\textless{}b\textgreater{}"),
        ("[1, 2]", "{[}1, 2{]}"),
        ("悲しみ", "悲しみ"),
    ],
)
def test_characters_that_latex_reads_are_escaped(text, expected):
    assert escape(text) == expected


def test_table_1_has_the_papers_rows_and_ours_with_their_protocol(make_run):
    table = table_1_latex(sections_of(make_run("a"), make_run("b", alpha=0.1, predicted=[0, 0, 1, 1, 2, 2, 3, 3])))
    lines = body(table)
    assert len(lines) == 5 + 2
    split = "one speaker-dependent split, 1,107 test utterances"
    published, ours = (rf"\raggedright Model-level fusion ({name})" for name in ("Baseline", "baseline"))
    assert (
        lines[0] == rf"{published} & published & 74.62 & 75.92 & \raggedright {split} \tabularnewline\addlinespace[3pt]"
    )
    # 7 of 8 right; recalls 1, 1, 1, 1/2.
    assert lines[1].startswith(rf"{ours} & ours & 87.50 & 87.50 & \raggedright protocol random, 1 of 10 folds")
    assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {4}
    assert "Protocol random: 10 stratified folds" in table.split("\\label")[0]
    assert table.count("\\toprule") == table.count("\\begin{tabular}") == table.count("\\end{table}") == 1
    assert "usepackage{booktabs}" in table


def test_hostile_names_stay_text(make_run):
    name = r"50%_&\input{x}#^~$"
    table = table_1_latex(sections_of(make_run(dataset=name, settings={"note": name})))
    assert r"50\%\_\&\textbackslash{}input\{x\}\#\textasciicircum{}\textasciitilde{}\$" in table
    content = "\n".join(line for line in table.split("\n") if not line.startswith("%")).replace("$~=~", "$ = ")
    assert not _UNESCAPED.search(content)
    depth = content.replace("\\{", "").replace("\\}", "")
    assert depth.count("{") == depth.count("}")


def test_the_grid_says_how_many_folds_chose_each_alpha(make_run):
    runs = [
        make_run(f"{alpha}-{fold}", alpha=alpha, fold=fold, validation={"ua": 0.9 if alpha == best else 0.5})
        for fold, best in ((0, 0.1), (1, 0.1), (2, 0.2))
        for alpha in (0.0, 0.1, 0.2)
    ]
    lines = body(alpha_latex(sections_of(*runs)))
    assert [line.split(" & ")[0] for line in lines] == ["0", "0.1", "0.2", "per fold"]
    assert [line.removesuffix(r" \tabularnewline").split(" & ")[-1] for line in lines] == ["0", "2", "1", "--"]


def test_without_a_grid_the_file_says_so(make_run):
    assert "No setting has three values of alpha" in alpha_latex(sections_of(make_run()))


_DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs}
\begin{document}
\input{%s}
\end{document}
"""


def compiled(table: str, folder: pathlib.Path) -> str:
    """Sets a table in a document with nothing but what its first line asks for; the log, without its line ends."""
    (folder / "table.tex").write_text(table, encoding="utf-8")
    (folder / "paper.tex").write_text(_DOCUMENT % "table.tex", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "paper.pdf").stat().st_size > 10_000
    return (folder / "paper.log").read_text(encoding="utf-8", errors="replace").replace("\n", "")


@pytest.mark.full
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX on this machine")
@pytest.mark.parametrize("write", [table_1_latex, alpha_latex, modalities_latex])
def test_latex_sets_the_tables_within_the_page_and_without_a_warning(write, make_run, tmp_path):
    hostile = r"50%_&\input{x}#^~$ <b> “é” Δ – … × ±"
    fabricated_sweep(
        tmp_path / "runs", systems=["fusion"], alphas=[0, 0.1, 0.5], folds=3, seeds=2, utterances=60, epochs=6
    )
    fabricated_sweep(
        tmp_path / "alone", systems=["audio", "text"], alphas=[0], folds=3, seeds=2, utterances=60, epochs=6
    )
    sections = sections_of(
        *find_runs([tmp_path / "alone"]), *find_runs([tmp_path / "runs"]), *hostile_grid(make_run, hostile)
    )
    log = compiled(write(sections), tmp_path)
    assert "Overfull" not in log
    assert "Missing character" not in log


def hostile_grid(make_run, name):
    """Three alphas on a dataset with a name that no TeX likes."""
    return [
        make_run(f"hostile-{alpha}", alpha=alpha, dataset=name, dataset_sha256="cd" * 32) for alpha in (0.0, 0.1, 0.2)
    ]
