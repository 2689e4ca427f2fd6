"""Where the labels of points go; pure."""

from collections.abc import Sequence
from dataclasses import replace

from serverless_dnn.bench.report.svg import Point, Scale, Side

# The plot on a narrow page: a wide one has more room.
_WIDTH_PX, _HEIGHT_PX = 300, 320
_LETTER_PX = 7.5
_MARGIN_PX = 12
_PLACES: tuple[tuple[Side, int], ...] = (
    *(("start", 0), ("end", 0), ("start", 16), ("end", 16), ("start", -16), ("end", -16), ("middle", 18)),
)


def placed(points: Sequence[Point], x: Scale, y: Scale) -> list[Point]:
    """Put each label where it meets no other label and covers no point, as far as that can be.

    Args:
        points: The points; those without a label stay as they are.
        x: The horizontal scale.
        y: The vertical scale.

    Returns:
        The points in the same order.
    """
    dots = [(x.at(point.x) * _WIDTH_PX, (1 - y.at(point.y)) * _HEIGHT_PX) for point in points]
    taken: list[_Box] = []
    result = []
    for point, dot in zip(points, dots, strict=True):
        if not point.label:
            result.append(point)
            continue
        boxes = {place: _box(dot, place, len(point.label) * _LETTER_PX) for place in _PLACES}
        side, lift = min(_PLACES, key=lambda place: _badness(boxes[place], taken, dots))
        taken.append(boxes[side, lift])
        result.append(replace(point, label_side=side, label_lift_px=lift))
    return result


_Box = tuple[float, float, float, float]


def _box(dot: tuple[float, float], place: tuple[Side, int], width: float) -> _Box:
    left, top = dot
    side, lift = place
    begin = {"start": left + 10, "end": left - 10 - width, "middle": left - width / 2}[side]
    return (begin, top - lift - 8, begin + width, top - lift + 8)


def _badness(box: _Box, taken: Sequence[_Box], dots: Sequence[tuple[float, float]]) -> float:
    left, top, right, bottom = box
    outside = max(0.0, -left - _MARGIN_PX, right - _WIDTH_PX - _MARGIN_PX)
    meets = sum(left < other[2] and other[0] < right and top < other[3] and other[1] < bottom for other in taken)
    covers = sum(left - 6 < x < right + 6 and top - 4 < y < bottom + 4 for x, y in dots)
    return outside * 10 + meets * 100 + covers * 50
