"""The study of recipes: which cells, in which order, what is kept of them, and its table."""

import csv
import pathlib

import recipes
from recipes import Cell

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

    assert [from_mapping(recipe).head_dropout for recipe in recipes.RECIPES.values()] == [0.0, 0.35, 0.7, 0.7]


def test_every_point_is_one_of_the_code_s_choices_that_reaches_its_systems():
    from tfcr.config import PRESETS, from_mapping

    for point, (fields, systems) in recipes.POINTS.items():
        config = from_mapping(recipes.settings_of(point))
        for field in fields:
            assert getattr(config, field) == getattr(PRESETS["authors"], field) != getattr(PRESETS["paper"], field)
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


def test_the_page_prints_the_table_of_its_cells():
    docs = pathlib.Path(__file__).parents[2] / "docs"
    with open(docs / "recipes" / "emodb.csv", newline="", encoding="utf-8") as file:
        (dataset,) = {row["dataset_sha256"] for row in csv.DictReader(file)}
    found = recipes.read(docs / "recipes" / "emodb.csv", dataset, "speaker")
    assert len(found) == len(list(recipes.cells(recipes.RECIPES, range(10), [0])))
    _, _, *rows = recipes.table(found, recipes.RECIPES).splitlines()
    alone = [row for row in rows if row.startswith(("| authors-unimodal | `audio`", "| authors-unimodal | `text`"))]
    page = (docs / "presets.md").read_text(encoding="utf-8")
    assert "\n".join(row for row in rows if row not in alone) in page


def test_the_page_prints_what_a_fusion_gains_on_speech_alone_by_its_cells():
    docs = pathlib.Path(__file__).parents[2] / "docs"
    with open(docs / "recipes" / "emodb.csv", newline="", encoding="utf-8") as file:
        ua = {
            (r["recipe"], r["system"], r["alpha"], r["fold"]): 100 * float(r["test_ua"]) for r in csv.DictReader(file)
        }
    page = (docs / "presets.md").read_text(encoding="utf-8")
    for recipe in recipes.RECIPES:
        gains = []
        for alpha in ("0.0", "0.1"):
            pairs = [(ua[recipe, "fusion", alpha, str(f)], ua[recipe, "audio", "0.0", str(f)]) for f in range(10)]
            gains.append(recipes._difference(*zip(*pairs, strict=True)))
        assert f"\n| {recipe} | {' | '.join(gains)} |\n" in page
