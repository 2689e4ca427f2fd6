"""A figure of the paper's page as an SVG file that can be read alone, on a light and on a dark ground; pure."""

from collections.abc import Iterator

from markupsafe import Markup

from serverless_dnn.bench.report.paper_results import Figure, Mark, Panel, Row
from serverless_dnn.bench.report.svg import Scale, scale_of
from serverless_dnn.bench.report.wording import number

_WIDTH, _MARGIN, _LABELS, _NOTES = 900, 16, 232, 198
_LEFT, _RIGHT = _MARGIN + _LABELS, _WIDTH - _MARGIN - _NOTES
_ROW, _BAR, _POINT, _TITLE, _AXIS, _KEY = 25, 17, 6, 30, 40, 20
_LETTER = 6.6
_LINE_LETTERS = 124
# Narrower parts of a bar have no room for their value.
_LEAST_LABELLED_PX = 36
_STYLE = Markup(
    """
.pf-ground{fill:#fff}
.pf text{font:12.5px system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;fill:#1b1d22}
.pf .pf-title{font-size:17px;font-weight:700}.pf .pf-panel{font-weight:700;font-size:13.5px}.pf .pf-muted{fill:#5a6070}
.pf .pf-tick{fill:#5a6070;font-size:11.5px}.pf line.pf-grid{stroke:#d9dce2}.pf line.pf-range{stroke-width:2}
.pf text.pf-on-dark{fill:#fff;font-size:11px}.pf text.pf-on-light{fill:#1b1d22;font-size:11px}
@media (prefers-color-scheme:dark){.pf-ground{fill:#15171c}.pf text{fill:#eceef2}
.pf .pf-muted,.pf .pf-tick{fill:#a7adba}
.pf line.pf-grid{stroke:#343945}}
"""
)


def draw_figure(figure: Figure) -> str:
    """Draw a figure.

    Args:
        figure: The figure.

    Returns:
        An SVG document.
    """
    parts: list[Markup] = []
    top = float(_MARGIN)
    for line in _wrapped(figure.title, _LINE_LETTERS * 3 // 4):
        top += 20
        parts.append(_text(_MARGIN, top, line, "pf-title"))
    for line in _wrapped(figure.note, _LINE_LETTERS):
        top += 18
        parts.append(_text(_MARGIN, top, line, "pf-muted"))
    key, top = _key(figure, top + 8)
    parts += key
    for panel in figure.panels:
        drawn, top = _panel(panel, figure, top + 10)
        parts += drawn
    height = round(top + _MARGIN)
    return str(
        Markup(
            "<svg xmlns='http://www.w3.org/2000/svg' class='pf' role='img' viewBox='0 0 {w} {h}' width='{w}' "
            "height='{h}' aria-label='{title}'><title>{title}</title><style>{style}</style>"
            "<rect class='pf-ground' width='100%' height='100%'/>{parts}</svg>\n"
        ).format(w=_WIDTH, h=height, title=figure.title, style=_STYLE, parts=Markup("\n").join(parts))
    )


def _wrapped(text: str, letters: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= letters:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _key(figure: Figure, top: float) -> tuple[list[Markup], float]:
    shown = {mark.name for panel in figure.panels for row in panel.rows for mark in row.marks}
    parts, left, top = [], float(_MARGIN), top + _KEY / 2
    for name in (each for each in figure.colors if each in shown):
        width = 22 + len(name) * _LETTER
        if left + width > _WIDTH - _MARGIN:
            left, top = float(_MARGIN), top + _KEY
        parts.append(
            Markup("<rect x='{:.0f}' y='{:.0f}' width='12' height='12' rx='2' fill='{}'/>").format(
                left, top - 1, figure.colors[name]
            )
        )
        parts.append(_text(left + 17, top + 9, name, "pf-muted"))
        left += width + 14
    return parts, top + _KEY


def _panel(panel: Panel, figure: Figure, top: float) -> tuple[list[Markup], float]:
    is_bars = panel.kind == "bars"
    values = [value for row in panel.rows for value in _extent(row, is_bars=is_bars)]
    scale = scale_of([0.0, *values] if is_bars else values)
    body = top + _TITLE
    height = max(_ROW, 0 if is_bars else _POINT * (max(len(row.marks) for row in panel.rows) + 1.5))
    bottom = body + height * len(panel.rows)
    unit = f"{panel.unit}, log scale" if scale.is_log else panel.unit
    parts = [_text(_MARGIN, top + 18, panel.title, "pf-panel"), _text(_RIGHT, bottom + 32, unit, "pf-muted", "end")]
    for value in scale.ticks():
        x = _x(scale, value)
        parts.append(
            Markup("<line class='pf-grid' x1='{0:.1f}' x2='{0:.1f}' y1='{1:.1f}' y2='{2:.1f}'/>").format(
                x, body, bottom
            )
        )
        parts.append(_text(x, bottom + 15, f"{value:,.10g}", "pf-tick", "middle"))
    for index, row in enumerate(panel.rows):
        middle = body + height * (index + 0.5)
        parts.append(_text(_LEFT - 10, middle + 4, row.label, "", "end"))
        parts += _bar(row, scale, figure, middle) if is_bars else _points(row, scale, figure, middle)
        note = row.note or " / ".join(number(mark.value) for mark in row.marks)
        parts.append(_text(_RIGHT + 10, middle + 4, note, ""))
    return parts, bottom + _AXIS


def _extent(row: Row, *, is_bars: bool) -> list[float]:
    if is_bars:
        return [sum(mark.value for mark in row.marks)]
    return [end for mark in row.marks for end in (mark.value, mark.low, mark.high) if end is not None and end > 0]


def _bar(row: Row, scale: Scale, figure: Figure, middle: float) -> Iterator[Markup]:
    end = 0.0
    for mark in row.marks:
        left, end = _x(scale, end), end + mark.value
        width = _x(scale, end) - left
        color = figure.colors[mark.name]
        yield Markup(
            "<rect x='{:.1f}' y='{:.1f}' width='{:.1f}' height='{}' fill='{}'><title>{}</title></rect>"
        ).format(left, middle - _BAR / 2, max(width - 1, 0.3), _BAR, color, _tip(row, mark))
        if width >= _LEAST_LABELLED_PX:
            on = "pf-on-dark" if _is_dark(color) else "pf-on-light"
            yield _text(left + width / 2, middle + 4, number(mark.value), on, "middle")


def _points(row: Row, scale: Scale, figure: Figure, middle: float) -> Iterator[Markup]:
    for index, mark in enumerate(row.marks):
        # Side by side, so that equal values are seen to be several.
        y = middle + (index - (len(row.marks) - 1) / 2) * _POINT
        color = figure.colors[mark.name]
        if mark.low is not None and mark.high is not None and mark.low > 0:
            yield Markup(
                "<line class='pf-range' x1='{:.1f}' x2='{:.1f}' y1='{y:.1f}' y2='{y:.1f}' stroke='{}'/>"
            ).format(_x(scale, mark.low), _x(scale, mark.high), color, y=y)
        yield Markup("<circle cx='{:.1f}' cy='{:.1f}' r='4.2' fill='{}'><title>{}</title></circle>").format(
            _x(scale, mark.value), y, color, _tip(row, mark)
        )


def _x(scale: Scale, value: float) -> float:
    return _LEFT + scale.at(value) * (_RIGHT - _LEFT)


def _tip(row: Row, mark: Mark) -> str:
    between = "" if mark.low is None or mark.high is None else f" ({number(mark.low)} to {number(mark.high)})"
    return f"{row.label}: {mark.name} {number(mark.value)}{between}"


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> Markup:
    return Markup("<text x='{:.1f}' y='{:.1f}' class='{}' text-anchor='{}'>{}</text>").format(x, y, kind, anchor, text)


def _is_dark(color: str) -> bool:
    red, green, blue = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue < 140
