"""What fills the silence of the text: drop rates, stages and initial weights, compared by the validation part alone.

    python benchmarks/recipes.py data/emodb --protocol speaker --folds 0-9 --cells docs/recipes/emodb.csv
    python benchmarks/recipes.py data/synthetic --folds 0-2 --seeds 0-2 --cells docs/recipes/synthetic.csv

Every cell is one training; its figures are a line of the file of cells, and a cell that stands there is not trained
again, so that the study goes on where it was cut off, on another machine too. Folds are outermost: after each, all
recipes have been trained on the same folds. The table is of those folds that every recipe has. Below it stand the
figures that the rule of docs/presets.md goes by: what each gains on validation, over all its systems; a point's are
those without the regulariser.

With `--points` the other silent points, one at a time as the authors' code has it and all else plain:

    python benchmarks/recipes.py data/emodb --protocol speaker --folds 0-9 --cells docs/recipes/emodb.csv --points
    python benchmarks/recipes.py data/synthetic --folds 0-2 --cells docs/recipes/synthetic.csv --points
"""

import csv
import pathlib
import shutil
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import click

from tfcr.config import PRESETS
from tfcr.errors import TfcrError

_DROPPED = ("embedding_dropout", "head_dropout", "audio_head_dropout", "text_head_dropout")
DROP_RATES = {name: getattr(PRESETS["authors"], name) for name in _DROPPED}
PLAIN = {"initializers": "keras"}  # the preset as it was before the study, which all of it is compared with
RECIPES = {
    "none": {},
    "half": {name: rate / 2 for name, rate in DROP_RATES.items()},
    "authors": DROP_RATES,
    "authors-unimodal": {**DROP_RATES, "start": "unimodal"},
    "initial weights": {"initializers": "pytorch"},  # the preset since
}
POINTS = {  # name → fields as the authors' code has them, and the systems that they reach
    "standardization": (("standardization",), ("audio", "fusion")),
    "padding": (("mask_padding",), ("text", "fusion")),
    "initial weights": (("initializers",), ("audio", "text", "fusion")),
    "early stopping": (("stop_on", "patience"), ("audio", "text", "fusion")),
}
SAME_ALONE = {"authors-unimodal": "authors"}  # speech alone and words alone are trained alike by both
SYSTEMS = (("audio", 0.0), ("text", 0.0), ("fusion", 0.0), ("fusion", 0.1))
COLUMNS = (
    *("dataset_sha256", "protocol", "recipe", "system", "alpha", "fold", "seed"),
    *("validation_ua", "test_ua", "test_wa", "best_epoch", "processor_seconds", "version"),
)


@dataclass(frozen=True)
class Cell:
    """One training of the study."""

    recipe: str
    system: str
    alpha: float
    fold: int
    seed: int


def cells(
    recipes: Iterable[str],
    folds: Iterable[int],
    seeds: Iterable[int],
    systems: Iterable[str] = ("audio", "text", "fusion"),
) -> Iterator[Cell]:
    """All cells in the order in which a part of them is useful: fold after fold with every recipe."""
    recipes, folds = list(recipes), list(folds)
    for seed in seeds:
        for fold in folds:
            for recipe in recipes:
                for system, alpha in SYSTEMS:
                    if system in systems:
                        yield Cell(recipe, system, alpha, fold, seed)


def cells_of_points(folds: Iterable[int], seeds: Iterable[int]) -> Iterator[Cell]:
    """The trainings of `POINTS`, without the regulariser, fold after fold; what they are compared with is `none`."""
    folds = list(folds)
    for seed in seeds:
        for fold in folds:
            for point, (_, systems) in POINTS.items():
                for system in systems:
                    yield Cell(point, system, 0.0, fold, seed)


def settings_of(recipe: str) -> dict:
    """The fields that make a recipe or a point."""
    if recipe in POINTS:
        return PLAIN | {field: getattr(PRESETS["authors"], field) for field in POINTS[recipe][0]}
    return PLAIN | RECIPES[recipe]


def read(path: pathlib.Path, dataset_sha256: str, protocol: str) -> dict[Cell, dict[str, str]]:
    """The lines of a file of cells that are of this dataset's folds by this protocol; empty where there is no file.

    Raises:
        TfcrError: a line is none of a cell, in a file of another kind perhaps.
    """
    if not path.is_file():
        return {}
    found = {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                cell = Cell(row["recipe"], row["system"], float(row["alpha"]), int(row["fold"]), int(row["seed"]))
                known = row["dataset_sha256"], row["protocol"]
                _ = [float(row[part]) for part in _PARTS]
            except (KeyError, TypeError, ValueError):
                raise TfcrError(
                    f"{path}, line {number} is no line of a cell; name another file, or remove that line"
                ) from None
            if known == (dataset_sha256, protocol):
                found[cell] = row
    return found


def append(path: pathlib.Path, row: dict) -> None:
    """Adds a line to the file of cells, which begins with the names of its columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def table(found: dict[Cell, dict[str, str]], recipes: Iterable[str]) -> str:
    """Mean UA in percent of each recipe and system on validation and test, and its difference from `none`, in Markdown.

    A fold and seed counts where every recipe has the system trained on it. The difference's error is that of the mean
    over these cells.
    """
    recipes = list(recipes)
    lines = [
        "| recipe | system | α | cells | validation UA | against `none` | test UA | against `none` |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for system, alpha in SYSTEMS:
        common = set.intersection(
            *({(c.fold, c.seed) for c in _of(found, r, system, alpha)} for r in {"none", *recipes})
        )
        for recipe in recipes if common else ():
            validation, test = (_values(found, recipe, system, alpha, common, part) for part in _PARTS)
            base_validation, base_test = (_values(found, "none", system, alpha, common, part) for part in _PARTS)
            lines.append(
                f"| {recipe} | `{system}` | {alpha:g} | {len(common)} "
                f"| {statistics.mean(validation):.1f} | {_difference(validation, base_validation)} "
                f"| {statistics.mean(test):.1f} | {_difference(test, base_test)} |"
            )
    return "\n".join(lines)


def gains(found: dict[Cell, dict[str, str]], names: Iterable[str]) -> str:
    """What recipes or points gain beside `none` in validation UA, in Markdown.

    The mean over the systems that one reaches is a fold's and seed's own figure; of these mean and standard error.
    """
    lines = ["| | cells | gain in validation UA |", "|---|---|---|"]
    for name in names:
        systems = [(system, 0.0) for system in POINTS[name][1]] if name in POINTS else SYSTEMS
        each = [{(c.fold, c.seed) for c in _of(found, which, *s)} for s in systems for which in ("none", name)]
        if common := set.intersection(*each):
            ours, base = (
                [_values(found, which, *s, common, "validation_ua") for s in systems] for which in (name, "none")
            )
            means = [[statistics.mean(cell) for cell in zip(*values, strict=True)] for values in (ours, base)]
            lines.append(f"| {name} | {len(common)} | {_difference(*means)} |")
    return "\n".join(lines)


def table_of_points(found: dict[Cell, dict[str, str]]) -> str:
    """Mean UA in percent as the plainest reading has each point and as the authors' code has it, in Markdown.

    Of the folds and seeds that have both, with the difference's standard error over them.
    """
    lines = [
        "| point | system | cells | validation UA: plain | code | difference | test UA: plain | code | difference |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for point, (_, systems) in POINTS.items():
        for system in systems:
            names = ("none", point)
            common = set.intersection(*({(c.fold, c.seed) for c in _of(found, n, system, 0.0)} for n in names))
            columns = []
            for part in _PARTS if common else ():
                plain, code = (_values(found, name, system, 0.0, common, part) for name in names)
                columns += [f"{statistics.mean(plain):.1f}", f"{statistics.mean(code):.1f}", _difference(code, plain)]
            if common:
                lines.append(f"| {point} | `{system}` | {len(common)} | {' | '.join(columns)} |")
    return "\n".join(lines)


_PARTS = ("validation_ua", "test_ua")


def _of(found, recipe, system, alpha):
    return [cell for cell in found if (cell.recipe, cell.system, cell.alpha) == (recipe, system, alpha)]


def _values(found, recipe, system, alpha, common, column):
    """Percent, by fold and seed."""
    return [100 * float(found[Cell(recipe, system, alpha, fold, seed)][column]) for fold, seed in sorted(common)]


def _difference(values: list[float], base: list[float]) -> str:
    """The mean difference and its standard error; a dash of one with itself."""
    differences = [value - other for value, other in zip(values, base, strict=True)]
    if not any(differences):
        return "–"
    mean = statistics.mean(differences)
    if len(differences) == 1:
        return f"{mean:+.1f}"
    return f"{mean:+.1f} ± {statistics.stdev(differences) / len(differences) ** 0.5:.1f}"


@click.command("recipes.py", help=__doc__.partition("\n\n")[0])
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=pathlib.Path))
@click.option("--protocol", default="random", show_default=True)
@click.option("--folds", default="0-2", show_default=True)
@click.option("--seeds", default="0", show_default=True)
@click.option("--recipes", default=",".join(RECIPES), show_default=True)
@click.option("--systems", default="audio,text,fusion", show_default=True)
@click.option("--points", is_flag=True, help="The other silent points in place of the recipes.")
@click.option("--cells", "path", required=True, type=click.Path(path_type=pathlib.Path), help="The file of cells.")
@click.option("--out", default="runs/recipes", show_default=True, type=click.Path(path_type=pathlib.Path))
@click.option("--table-only", is_flag=True, help="Train nothing.")
def command(data, protocol, folds, seeds, recipes, systems, points, path, out, table_only):
    from tfcr.dataset_info import open_dataset
    from tfcr.experiments.ranges import whole_numbers

    recipes = recipes.split(",")
    if unknown := set(recipes) - set(RECIPES):
        raise click.BadParameter(f"there is no recipe {min(unknown)!r}; expected some of {', '.join(RECIPES)}")
    systems = systems.split(",")
    if unknown := set(systems) - {system for system, _ in SYSTEMS}:
        raise click.BadParameter(f"there is no system {min(unknown)!r} in this study; expected audio, text or fusion")
    dataset = open_dataset(data)
    folds, seeds = whole_numbers("--folds", folds), whole_numbers("--seeds", seeds)
    wanted = list(cells_of_points(folds, seeds) if points else cells(recipes, folds, seeds, systems))
    for number, cell in enumerate(() if table_only else wanted, start=1):
        if cell not in read(path, dataset.sha256, protocol):
            row = _trained(cell, data, protocol, out / dataset.name)
            append(path, {"dataset_sha256": dataset.sha256, "protocol": protocol, **row})
            print(f"{number}/{len(wanted)}", *row.values(), file=sys.stderr, flush=True)
    found = read(path, dataset.sha256, protocol)
    asked = {*wanted, *(replace(cell, recipe="none") for cell in wanted)}
    asked = {cell: row for cell, row in found.items() if cell in asked}
    click.echo(table_of_points(asked) if points else table(asked, recipes))
    click.echo()
    click.echo(gains(asked, POINTS if points else [recipe for recipe in recipes if recipe != "none"]))


def _trained(cell: Cell, data: pathlib.Path, protocol: str, out: pathlib.Path) -> dict:
    """The line of a cell, trained now, by one thread."""
    import keras

    import tfcr
    from tfcr.config import from_mapping
    from tfcr.training.experiment import plan
    from tfcr.training.train import train_fold

    def planned(system: str, alpha: float):
        settings = {"system": system, "alpha": alpha, "fold": cell.fold, "seed": cell.seed}
        return plan(from_mapping({"protocol": protocol, "threads": 1, **settings, **settings_of(cell.recipe)}), data)

    for alone in ("audio", "text") if cell.recipe in SAME_ALONE else ():
        name = planned(alone, 0.0).folder.name
        run, twin = out / cell.recipe / name, out / SAME_ALONE[cell.recipe] / name
        if not run.is_dir() and (twin / "metrics.json").is_file():
            shutil.copytree(twin, run)
    experiment = planned(cell.system, cell.alpha)
    run = out / cell.recipe / experiment.folder.name
    begin = time.process_time()
    metrics = train_fold(experiment, run).metrics
    keras.backend.clear_session()
    return {
        **vars(cell),
        "validation_ua": metrics["validation"]["ua"],
        "test_ua": metrics["test"]["ua"],
        "test_wa": metrics["test"]["wa"],
        "best_epoch": metrics["best_epoch"],
        "processor_seconds": round(time.process_time() - begin),
        "version": tfcr.__version__,
    }


if __name__ == "__main__":
    from tfcr.cli import run
    from tfcr.cli.tensorflow import import_quietly

    import_quietly()
    run(command)
