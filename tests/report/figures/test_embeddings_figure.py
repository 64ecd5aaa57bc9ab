"""The projection: principal components, with a sign that is always the same."""

import numpy as np
import pytest

from tfcr.report.figures.embeddings_figure import draw_embeddings, project
from tfcr.report.findings.conditions import group_by_condition


def test_points_lie_on_the_axes_of_largest_variance_with_the_largest_weight_positive():
    # Variance 4 along the 2nd of three dimensions and 1 along the 1st: the components are these, in this order.
    points = np.array([[0.0, 2, 7], [0, -2, 7], [1, 0, 7], [-1, 0, 7]])
    projection = project(points)
    np.testing.assert_allclose(projection.points, [[2, 0], [-2, 0], [0, 1], [0, -1]], atol=1e-12)
    assert projection.explained == pytest.approx((0.8, 0.2))  # 8 and 2 of 10


def test_turning_the_embeddings_over_turns_nothing_else(make_run):
    points = np.random.default_rng(0).normal(size=(20, 5)) * [5, 3, 1, 1, 1]
    assert np.abs(project(points).points + project(-points).points).max() < 1e-9


def test_components_are_those_of_the_singular_value_decomposition():
    points = np.random.default_rng(0).normal(7, 1, (40, 6)) * [5, 3, 1, 1, 1, 0.1]
    centred = points - points.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    projection = project(points)
    np.testing.assert_allclose(np.abs(projection.points), np.abs(left * sizes)[:, :2], atol=1e-9)
    assert projection.explained == pytest.approx(tuple(sizes[:2] ** 2 / (sizes**2).sum()))


@pytest.mark.parametrize("points", [np.ones((8, 4)), np.eye(2), np.arange(6.0).reshape(6, 1)], ids=str)
def test_what_has_no_two_components_is_not_drawn(points):
    assert project(points) is None


def test_the_caption_names_fold_and_seed_and_a_system_without_embeddings_has_no_figure(make_run):
    random = np.random.default_rng(0)
    embeddings = (random.normal(size=(8, 6)), random.normal(size=(8, 4)))
    runs = [
        make_run("f3", fold=3, seed=1, embeddings=embeddings),
        make_run("f5", fold=5, seed=1, embeddings=embeddings),
    ]
    (group,) = group_by_condition(runs)
    drawing = draw_embeddings("name", "title", [("heading", group)])
    assert "The 8 test utterances of fold 3, seed 1" in drawing.caption
    assert "of variance" in drawing.svg.decode()
    (bare,) = group_by_condition([make_run("bare")])
    assert draw_embeddings("name", "title", [("heading", bare)]) is None


def test_thousands_of_utterances_are_an_image_in_the_svg_and_the_letters_stay_text(make_run):
    random = np.random.default_rng(0)
    drawings = {}
    for count in (2000, 2001):
        said = dict.fromkeys(("label", "predicted", "audio", "text"), np.arange(count) % 4)
        run = make_run(f"of{count}", **said, embeddings=(random.normal(size=(count, 6)), None))
        (group,) = group_by_condition([run])
        drawings[count] = draw_embeddings("name", "title", [("heading", group)])
    shapes, image = (drawing.svg.decode() for drawing in drawings.values())
    assert shapes.count("<use") > 2000 and "<image" not in shapes
    assert image.count("<use") < 100 and "<image" in image and "of variance" in image
    assert len(drawings[2001].png) == pytest.approx(len(drawings[2000].png), rel=0.1)


def test_one_modality_alone_is_drawn(make_run):
    run = make_run(system="text", audio=None, embeddings=(None, np.random.default_rng(0).normal(size=(8, 4))))
    (group,) = group_by_condition([run])
    drawing = draw_embeddings("name", "title", [("heading", group)])
    assert "words" in drawing.svg.decode() and "speech" not in drawing.svg.decode()


def test_single_precision_will_do_for_embeddings_far_from_zero():
    points = np.random.default_rng(0).normal(100, 1, (200, 6)) * [5, 3, 1, 1, 1, 0.1]
    exact, found = project(points), project(points.astype(np.float32))
    np.testing.assert_allclose(found.points, exact.points, atol=1e-3)
    assert found.explained == pytest.approx(exact.explained, rel=1e-4)
