"""The study of recipes: which cells, in which order, what is kept of them, and its table."""

import csv
import pathlib
import re
import statistics
import subprocess
import sys

import pytest
import recipes
from recipes import Cell

from tfcr.errors import TfcrError

SHA = "a" * 64


def line(cell: Cell, validation: float, test: float, dataset: str = SHA, protocol: str = "random") -> dict:
    return {
        **dict.fromkeys(recipes.COLUMNS, ""),
        **vars(cell),
        "dataset_sha256": dataset,
        "protocol": protocol,
        "validation_ua": validation,
        "test_ua": test,
    }


def test_after_each_fold_every_recipe_has_been_trained_on_the_same_folds():
    order = list(recipes.cells(recipes.RECIPES, folds=[0, 1], seeds=[0, 1]))
    per_fold = len(recipes.RECIPES) * len(recipes.SYSTEMS)
    assert len(order) == len(set(order)) == 4 * per_fold
    for number, (seed, fold) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        assert {(c.seed, c.fold) for c in order[number * per_fold : (number + 1) * per_fold]} == {(seed, fold)}


def test_every_recipe_is_a_configuration_that_is_accepted():
    from tfcr.config import from_mapping

    configs = [from_mapping(recipes.settings_of(recipe)) for recipe in recipes.RECIPES]
    assert [config.head_dropout for config in configs] == [0.0, 0.35, 0.7, 0.7, 0.0]
    assert [config.initializers for config in configs] == [*["keras"] * 4, "pytorch"]


def test_the_recipe_that_passed_is_the_preset():
    from tfcr.config import PRESETS, from_mapping

    assert from_mapping(recipes.settings_of("initial weights")) == PRESETS["paper"]


def test_every_point_is_one_of_the_code_s_choices_that_reaches_its_systems():
    from tfcr.config import PRESETS, from_mapping

    plain = from_mapping(recipes.PLAIN)
    for point, (fields, systems) in recipes.POINTS.items():
        config = from_mapping(recipes.settings_of(point))
        for field in fields:
            assert getattr(config, field) == getattr(PRESETS["authors"], field) != getattr(plain, field)
        assert "fusion" in systems
    order = list(recipes.cells_of_points([0, 1], [0]))
    assert len(order) == len(set(order)) == 2 * sum(len(systems) for _, systems in recipes.POINTS.values())
    assert [cell.fold for cell in order] == sorted(cell.fold for cell in order)


def test_the_table_of_points_compares_each_with_the_preset_on_the_folds_that_have_both():
    figures = {("none", 0): 0.5, ("none", 1): 0.7, ("padding", 1): 0.8, ("padding", 2): 0.1}
    found = {
        cell: line(cell, value, value / 2)
        for (recipe, fold), value in figures.items()
        for cell in [Cell(recipe, "text", 0.0, fold, 0)]
    }
    _, _, *rows = recipes.table_of_points(found).splitlines()
    assert rows == ["| padding | `text` | 1 | 70.0 | 80.0 | +10.0 | 35.0 | 40.0 | +5.0 |"]


def test_a_gain_is_the_mean_over_systems_and_then_over_folds():
    """Of `half`, by fold: gains of 2, 4, 0 and 2 points, whose mean is 2, and of 4 in all four; the mean is 3 ± 1."""
    by_fold = {0: (0.02, 0.04, 0.0, 0.02), 1: (0.04, 0.04, 0.04, 0.04), 2: (0.5, 0.5, 0.5)}
    found = {}
    for fold, systems in by_fold.items():
        for (system, alpha), gain in zip(recipes.SYSTEMS, systems, strict=False):
            for recipe, value in (("none", 0.5), ("half", 0.5 + gain)):
                cell = Cell(recipe, system, alpha, fold, 0)
                found[cell] = line(cell, value, 0.0)
    assert recipes.gains(found, ["half", "authors"]).splitlines()[2:] == ["| half | 2 | +3.0 ± 1.0 |"]


def test_lines_come_back_and_those_of_another_dataset_or_protocol_do_not(tmp_path):
    path = tmp_path / "new" / "cells.csv"
    cell, other = Cell("none", "fusion", 0.1, 3, 0), Cell("half", "audio", 0.0, 0, 1)
    assert recipes.read(path, SHA, "random") == {}
    recipes.append(path, line(cell, 0.5, 0.25))
    recipes.append(path, line(other, 0.5, 0.25, dataset="b" * 64))
    recipes.append(path, line(other, 0.5, 0.25, protocol="speaker"))
    found = recipes.read(path, SHA, "random")
    assert list(found) == [cell]
    assert found[cell]["validation_ua"] == "0.5"


@pytest.mark.parametrize(
    "content", ["dataset,protocol,place\nab,random,0\n", "\xff\n\xff\n", f"{','.join(recipes.COLUMNS)}\n1,2\n"]
)
def test_a_file_of_another_kind_is_one_line(tmp_path, content):
    path = tmp_path / "cells.csv"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(TfcrError, match=r"cells\.csv, line 2 is no line of a cell; name another file"):
        recipes.read(path, SHA, "random")


def test_the_table_compares_on_the_folds_that_every_recipe_has():
    figures = {("none", 0): 0.5, ("none", 1): 0.7, ("none", 2): 0.1, ("half", 0): 0.6, ("half", 1): 0.9}
    found = {
        cell: line(cell, value, value / 2)
        for (recipe, fold), value in figures.items()
        for cell in [Cell(recipe, "audio", 0.0, fold, 0)]
    }
    [_, _, none, half] = recipes.table(found, ["none", "half"]).splitlines()
    assert none == "| none | `audio` | 0 | 2 | 60.0 | – | 30.0 | – |"
    # differences 10 and 20: mean 15, standard error √50 / √2 = 5; half of that on the test part
    assert half == "| half | `audio` | 0 | 2 | 75.0 | +15.0 ± 5.0 | 37.5 | +7.5 ± 2.5 |"


def test_without_the_recipe_that_others_are_compared_with_there_is_no_row():
    cell = Cell("half", "audio", 0.0, 0, 0)
    assert len(recipes.table({cell: line(cell, 0.5, 0.5)}, ["half"]).splitlines()) == 2  # the header


DOCS = pathlib.Path(__file__).parents[2] / "docs"
STUDY = {"emodb": ("speaker", range(10), [0]), "synthetic": ("random", range(3), range(3))}  # protocol, folds, seeds


def studied(name: str) -> dict[Cell, dict[str, str]]:
    """The committed cells of a corpus."""
    path = DOCS / "recipes" / f"{name}.csv"
    with open(path, newline="", encoding="utf-8") as file:
        (dataset,) = {row["dataset_sha256"] for row in csv.DictReader(file)}
    return recipes.read(path, dataset, STUDY[name][0])


def rows_of(table: str) -> list[str]:
    """Without the header."""
    return table.splitlines()[2:]


@pytest.fixture(scope="module")
def page() -> str:
    return (DOCS / "presets.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", STUDY)
def test_the_page_prints_the_table_of_its_cells(name, page):
    _, folds, seeds = STUDY[name]
    found = {cell: row for cell, row in studied(name).items() if cell.recipe in recipes.RECIPES}
    assert set(found) == set(recipes.cells(recipes.RECIPES, folds, seeds))
    alone = "| authors-unimodal | `audio`", "| authors-unimodal | `text`"
    rows = [row for row in rows_of(recipes.table(found, recipes.RECIPES)) if not row.startswith(alone)]
    assert "\n" + "\n".join(rows) + "\n" in page


@pytest.mark.parametrize("names", [[name for name in recipes.RECIPES if name != "none"], list(recipes.POINTS)])
def test_the_page_prints_the_gains_that_its_rule_goes_by(names, page):
    """And what gains more than its standard error on both corpora is the one point that the page says it of."""
    assert "By the rule PyTorch's initial weights take the place of Keras's" in " ".join(page.split())
    by_corpus = [
        {row.split(" | ")[0]: row.removesuffix(" |").split(" | ")[1:] for row in rows_of(recipes.gains(found, names))}
        for found in map(studied, STUDY)
    ]
    for name in (f"| {name}" for name in names if any(f"| {name}" in by_name for by_name in by_corpus)):
        cells = [by_name.get(name, ["0", "–"]) for by_name in by_corpus]
        assert f"\n{name} | {' | '.join(gain for _, gain in cells)} |\n" in page
        gains = [gain.split(" ± ") for _, gain in cells]
        passes = all(len(each) == 2 and float(each[0]) > float(each[1]) for each in gains)
        assert passes is (name == "| initial weights")


def test_the_page_says_what_the_initial_weights_gain_with_the_regularised_fusion_too(page):
    gains = []
    for name, (_, folds, seeds) in STUDY.items():
        found, common = studied(name), {(fold, seed) for fold in folds for seed in seeds}
        ours, base = (
            [recipes._values(found, recipe, *system, common, "validation_ua") for system in recipes.SYSTEMS]
            for recipe in ("initial weights", "none")
        )
        means = [[statistics.mean(cell) for cell in zip(*values, strict=True)] for values in (ours, base)]
        gains.append(recipes._difference(*means))
    assert f"are {' and '.join(gains)}." in " ".join(page.split())


@pytest.mark.parametrize("name", STUDY)
def test_the_page_prints_the_table_of_points(name, page):
    rows = rows_of(recipes.table_of_points(studied(name)))
    assert all(f"\n{row}\n" in page for row in rows)


def test_the_page_prints_what_a_fusion_gains_on_each_modality_alone_by_its_cells(page):
    for name, others in (("emodb", ("audio",)), ("synthetic", ("audio", "text"))):
        found, (_, folds, seeds) = studied(name), STUDY[name]
        for recipe in recipes.RECIPES:
            gains = []
            for alpha in (0.0, 0.1):
                for other in others:
                    pairs = [
                        [
                            100 * float(found[Cell(recipe, *system, fold, seed)]["test_ua"])
                            for fold in folds
                            for seed in seeds
                        ]
                        for system in (("fusion", alpha), (other, 0.0))
                    ]
                    gains.append(recipes._difference(*pairs))
            assert f"\n| {recipe} | {' | '.join(gains)} |\n" in page


def test_the_page_says_what_the_test_parts_would_have_chosen(page):
    """The initial weights without the regulariser, and the preset's fusions beside speech alone by Keras's."""
    text = " ".join(page.split())
    gains = []
    for name, (_, folds, seeds) in STUDY.items():
        found, common = studied(name), {(fold, seed) for fold in folds for seed in seeds}
        ours, base = (
            [recipes._values(found, recipe, system, 0.0, common, "test_ua") for system in ("audio", "text", "fusion")]
            for recipe in ("initial weights", "none")
        )
        means = [[statistics.mean(cell) for cell in zip(*values, strict=True)] for values in (ours, base)]
        gains.append(recipes._difference(*means))
    assert f"is {gains[0]} on EMO-DB and {gains[1]} on the synthetic corpus" in text
    found, common = studied("emodb"), {(fold, 0) for fold in range(10)}
    best = recipes._values(found, "none", "audio", 0.0, common, "test_ua")
    beside = [
        recipes._difference(recipes._values(found, "initial weights", "fusion", alpha, common, "test_ua"), best)
        for alpha in (0.0, 0.1)
    ]
    assert f"the preset's fusions are {' and '.join(beside)} beside that" in text


def test_the_page_prints_what_the_regulariser_gains_by_each_recipe(page):
    for recipe in recipes.RECIPES:
        gains = []
        for name, (_, folds, seeds) in STUDY.items():
            found = studied(name)
            with_it, without = (
                [
                    100 * float(found[Cell(recipe, "fusion", alpha, fold, seed)]["test_ua"])
                    for fold in folds
                    for seed in seeds
                ]
                for alpha in (0.1, 0.0)
            )
            gains.append(recipes._difference(with_it, without))
        assert f"\n| {recipe} | {' | '.join(gains)} |\n" in page


def test_the_page_prints_what_the_order_of_the_records_changed(page):
    """On EMO-DB, by the same folds and seed: 0.2.0, whose records stood in the order of their ids, and two recipes."""
    with open(DOCS / "recipes" / "emodb-0.2.0.csv", newline="", encoding="utf-8") as file:
        before = {
            (row["system"], float(row["alpha"]), int(row["fold"])): row["test_ua"] for row in csv.DictReader(file)
        }
    now = studied("emodb")
    assert len(before) == 40
    for system, alpha in recipes.SYSTEMS:
        old = [100 * float(before[system, alpha, fold]) for fold in range(10)]
        cells = [f"{statistics.mean(old):.1f}"]
        for recipe in ("none", "initial weights"):
            new = [100 * float(now[Cell(recipe, system, alpha, fold, 0)]["test_ua"]) for fold in range(10)]
            cells += [f"{statistics.mean(new):.1f}", recipes._difference(new, old)]
        assert f"\n| `{system}` | {alpha:g} | {' | '.join(cells)} |\n" in page


def test_the_page_prints_what_stages_change_beside_the_authors_drop_rates(page):
    for alpha in (0.0, 0.1):
        cells = []
        for name, (_, folds, seeds) in STUDY.items():
            found = studied(name)
            for part in ("validation_ua", "test_ua"):
                staged, without = (
                    [
                        100 * float(found[Cell(recipe, "fusion", alpha, fold, seed)][part])
                        for fold in folds
                        for seed in seeds
                    ]
                    for recipe in ("authors-unimodal", "authors")
                )
                cells.append(recipes._difference(staged, without))
        assert f"\n| {alpha:g} | {' | '.join(cells)} |\n" in page


def test_the_page_prints_what_names_of_recordings_decide(page):
    """Speech alone under two namings of EMO-DB, before the study and by the preset: three folds, three seeds."""
    with open(DOCS / "recipes" / "namings.csv", newline="", encoding="utf-8") as file:
        by_naming: dict[str, dict[tuple, float]] = {}
        for row in csv.DictReader(file):
            cell = row["recipe"], int(row["fold"]), int(row["seed"])
            by_naming.setdefault(row["dataset_sha256"], {})[cell] = 100 * float(row["test_ua"])
    (own, renamed) = by_naming.values()
    names = "none", "initial weights"
    assert set(own) == set(renamed) == {(name, fold, seed) for name in names for fold in range(3) for seed in range(3)}
    for recipe in names:
        for ids, found in (("its own names", own), ("emotions first", renamed)):
            means = [statistics.mean(found[recipe, fold, seed] for fold in range(3)) for seed in range(3)]
            cells = " | ".join(f"{mean:.1f}" for mean in (*means, statistics.mean(means)))
            assert f"\n| {recipe} | {ids} | {cells} |\n" in page
    all_pairs, *by_recipe = (
        recipes._difference([renamed[cell] for cell in own if cell[0] in those], [own[c] for c in own if c[0] in those])
        for those in (names, *((name,) for name in names))
    )
    sentence = f"The difference over the {len(own)} pairs is {all_pairs}, by recipe {' and '.join(by_recipe)};"
    assert sentence in " ".join(page.split())


def test_the_pages_other_naming_puts_emotions_first(page, tmp_path):
    """The page's own code, on a manifest of three recordings."""
    (tmp_path / "emodb").mkdir()
    (tmp_path / "emodb" / "manifest.csv").write_text(
        "id,path,transcript,emotion,speaker,session\na,wav/a.wav,One.,sadness,03,\nb,wav/b.wav,Two.,anger,08,\n"
        "c,wav/c.wav,Three.,anger,03,\n"
    )
    [block] = re.findall(r"```python\n(.+?)```", page.partition("### What names decide")[2], re.DOTALL)
    subprocess.run([sys.executable, "-c", block], cwd=tmp_path, check=True)
    assert (tmp_path / "emodb-renamed" / "manifest.csv").read_text().splitlines() == [
        "id,path,transcript,emotion,speaker,session",
        f"anger_08_000,{tmp_path}/emodb/wav/b.wav,Two.,anger,08,",
        f"anger_03_001,{tmp_path}/emodb/wav/c.wav,Three.,anger,03,",
        f"sadness_03_002,{tmp_path}/emodb/wav/a.wav,One.,sadness,03,",
    ]
