"""Letterboxing, suppression of overlapping boxes, and texts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from serverless_dnn.models.object_detection import COCO_NAMES, detect_objects, letterbox, non_maximum_suppression
from serverless_dnn.models.text_classification import hash_words, sentiment


@pytest.mark.parametrize("size", [(640, 640), (1280, 720), (33, 500), (1, 1)])
def test_a_picture_keeps_its_proportions(size: tuple[int, int]) -> None:
    array, fitted = letterbox(Image.new("RGB", size, (255, 0, 0)))

    assert array.shape == (1, 640, 640, 3)
    assert array.dtype == np.float32
    red = (array[0] == [1, 0, 0]).all(-1)
    rows, columns = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
    assert (columns[0], rows[0]) == (fitted.left, fitted.top)
    assert len(columns) == pytest.approx(size[0] * fitted.scale, abs=1)
    assert len(rows) == pytest.approx(size[1] * fitted.scale, abs=1)
    np.testing.assert_allclose(array[0][~red], 114 / 255, atol=1e-6)


def test_objects_are_found_where_they_are_in_the_photograph() -> None:
    _, fitted = letterbox(Image.new("RGB", (1280, 720)))
    predictions = np.zeros((5, 85), np.float32)
    dog, car = COCO_NAMES.index("dog"), COCO_NAMES.index("car")
    # A dog of 200x100 pixels at the photograph's centre, seen twice; a car at the same place; one too unlikely.
    predictions[:4, :4] = [0.5, 0.5, 200 / 1280, 100 / 1280]
    predictions[1, 0] += 0.005
    predictions[:, 4] = [0.9, 0.8, 0.7, 0.2, 0.9]
    predictions[[0, 1, 3], 5 + dog] = 1
    predictions[2, 5 + car] = 1

    found = detect_objects(predictions, fitted)

    assert [(item.name, round(item.score, 4)) for item in found] == [("dog", 0.9), ("car", 0.7)]
    assert found[0].box == pytest.approx((540, 310, 740, 410), abs=0.01)


def _obvious(boxes: NDArray, scores: NDArray, max_overlap: float) -> list[int]:
    def overlap(a: NDArray, b: NDArray) -> float:
        width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        shared = max(0, width) * max(0, height)
        return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)

    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda index: -scores[index]):
        if all(overlap(boxes[index], boxes[other]) <= max_overlap for other in kept):
            kept.append(index)
    return kept


@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.sampled_from([0.3, 0.45, 0.7]))
def test_suppression_is_the_obvious_one(seed: int, count: int, max_overlap: float) -> None:
    random = np.random.default_rng(seed)
    corners = random.random((count, 2))
    boxes = np.concatenate([corners, corners + random.uniform(0.1, 0.6, (count, 2))], 1)
    scores = random.random(count)

    assert non_maximum_suppression(boxes, scores, max_overlap) == _obvious(boxes, scores, max_overlap)


def test_there_are_80_classes() -> None:
    assert len(set(COCO_NAMES)) == 80


def test_words_become_tokens_and_the_rest_padding() -> None:
    inputs = hash_words("a b a", 8)

    ids = inputs["input_ids"][0]
    assert ids[0] == 101
    assert ids[1] == ids[3] != ids[2]
    assert ids[4:].tolist() == [102, 0, 0, 0]
    assert inputs["input_masks"].tolist() == [[1, 1, 1, 1, 1, 0, 0, 0]]
    assert all(array.dtype == np.int32 and array.shape == (1, 8) for array in inputs.values())
    assert hash_words("word " * 100, 8)["input_masks"].all()


def test_scores_have_names() -> None:
    assert sentiment(np.array([[0.1], [0.9]])) == ["negative", "positive"]
