"""Audio and text embeddings of one test part in two dimensions, before and after the regulariser."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from sklearn.decomposition import PCA

from tfcr.report.figures.drawing import Drawing, new_figure, saved, styled
from tfcr.report.findings.conditions import Cell, Group
from tfcr.runs import PREDICTIONS, Run, read_predictions

# Okabe and Ito's colours, which every kind of colour vision tells apart; shapes tell the same once more
_LOOKS = tuple(
    zip(("#0072b2", "#e69f00", "#009e73", "#cc3377", "#56b4e9", "#7f5f00", "#555555"), "os^DvPX", strict=True)
)
_MODALITIES = {"audio": "speech, $e_a$", "text": "words, $e_t$"}
_LEAST_UTTERANCES = 3
_MOST_DRAWN = 2000  # utterances, each a shape of its own in the SVG; more become an image there


@dataclass(frozen=True)
class Projection:
    """Embeddings on their first two principal components.

    Attributes:
        points: float [utterances, 2].
        explained: of the variance, by each component, from 0 to 1.
    """

    points: np.ndarray
    explained: tuple[float, float]


def project(embeddings: np.ndarray) -> Projection | None:
    """The first two principal components, each with its largest weight positive; None where there are not two.

    Args:
        embeddings: float [utterances, dimension].
    """
    if len(embeddings) < _LEAST_UTTERANCES or embeddings.shape[1] < 2 or not np.ptp(embeddings, axis=0).any():
        return None
    # centred, so that single precision will do for products; this solver makes no other matrix of all utterances
    pca = PCA(n_components=2, svd_solver="covariance_eigh")
    points = pca.fit_transform(embeddings - embeddings.mean(axis=0, dtype=np.float64).astype(embeddings.dtype))
    weights = pca.components_[np.arange(2), np.abs(pca.components_).argmax(axis=1)]
    first, second = pca.explained_variance_ratio_.tolist()
    return Projection(points * np.where(weights < 0, -1.0, 1.0), (first, second))


def draw_embeddings(name: str, title: str, groups: list[tuple[str, Group]]) -> Drawing | None:
    """A row per modality and a column per condition, all of the same fold and seed; None without embeddings.

    Args:
        groups: a heading and the runs of each condition; one or two.
    """
    cell = _common_cell([group for _, group in groups])
    if cell is None:
        return None
    emotions = groups[0][1].emotions
    labels = [group.predictions[cell].label for _, group in groups]
    panels = {modality: [_projection(group.runs[cell], modality) for _, group in groups] for modality in _MODALITIES}
    panels = {modality: found for modality, found in panels.items() if all(found)}
    if not panels:
        return None
    with styled():
        figure = new_figure(4.1 * len(groups) + 0.4, 3.5 * len(panels) + 0.9)
        rows = figure.subplots(len(panels), len(groups), squeeze=False)
        for row, (modality, projections) in zip(rows, panels.items(), strict=True):
            for axis, projection, label in zip(row, projections, labels, strict=True):
                _draw_projection(axis, projection, label, emotions)
            row[0].annotate(
                _MODALITIES[modality],
                xy=(0, 0.5),
                xytext=(-4, 0),
                xycoords=row[0].yaxis.label,
                textcoords="offset points",
                ha="right",
                va="center",
                rotation=90,
                fontsize=10,
            )
        for axis, (heading, _) in zip(rows[0], groups, strict=True):
            axis.set_title(heading, fontsize=10, parse_math=False)
        _add_legend(figure, emotions)
        return saved(figure, name, title, _caption(cell, len(labels[0])))


def _caption(cell: Cell, utterances: int) -> str:
    return (
        f"The {utterances:,} test utterances of fold {cell[0]}, seed {cell[1]}, as each encoder embeds them, coloured "
        "by true emotion, on the first two principal components of that model's own embeddings (the share of "
        "variance that each explains stands at its axis). Axes differ between panels: compare how emotions group, "
        "not where they lie."
    )


def _common_cell(groups: list[Group]) -> Cell | None:
    """The first fold and seed that all have."""
    return min(set.intersection(*(set(group.runs) for group in groups)), default=None)


def _projection(run: Run, modality: str) -> Projection | None:
    """Of one modality's embeddings, which alone are read: they are large."""
    name = f"{modality}_embedding"
    embeddings = getattr(read_predictions(run.folder / PREDICTIONS, embeddings=[name]), name)
    return None if embeddings is None else project(embeddings)


def _draw_projection(axis: Axes, projection: Projection, label: np.ndarray, emotions: list[str]) -> None:
    for k in range(len(emotions)):
        colour, marker = _look(k)
        axis.plot(
            *projection.points[label == k].T,
            marker,
            color=colour,
            markersize=3.5,
            alpha=0.65,
            markeredgewidth=0,
            rasterized=len(label) > _MOST_DRAWN,
        )
    axis.set_xlabel(f"component 1 ({100 * projection.explained[0]:.0f} % of variance)", fontsize=8)
    axis.set_ylabel(f"component 2 ({100 * projection.explained[1]:.0f} %)", fontsize=8)
    axis.tick_params(labelsize=7, labelcolor="#555555")
    axis.locator_params(nbins=5)


def _add_legend(figure, emotions: list[str]) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for k, emotion in enumerate(emotions):
        colour, marker = _look(k)
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle="none", label=emotion))
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=min(len(emotions), 6), frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _look(k: int) -> tuple[str, str]:
    return _LOOKS[k % len(_LOOKS)]
