"""Axes, lines and points as inline SVG that fills its box at any width: only paths stretch, text and dots do not."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup, escape

Side = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Scale:
    """From a value to a place between 0 and 1.

    Attributes:
        low: The value at 0.
        high: The value at 1.
        is_log: Whether equal distances are equal ratios.
    """

    low: float
    high: float
    is_log: bool = False

    def at(self, value: float) -> float:
        """The place of a value.

        Args:
            value: The value; above 0 on a logarithmic scale.
        """
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int = 6) -> list[float]:
        """Round values on the scale.

        Args:
            most: How many there may be.

        Returns:
            Multiples of 1, 2 or 5 and a power of ten.
        """
        if self.is_log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for steps in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
                values = [step * 10.0**power for power in powers for step in steps]
                ticks = [value for value in values if self.low <= value <= self.high]
                if len(ticks) <= most:
                    break
            return ticks
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
        count = math.floor((self.high - self.low) / step * (1 + 1e-9))
        return [self.low + step * index for index in range(count + 1)]


def scale_of(values: Iterable[float], *, log_from: float = 10.0) -> Scale:
    """A scale that holds values: from 0, or logarithmic where they differ much.

    Args:
        values: At least one, above 0 or 0.
        log_from: The ratio of the largest to the smallest from which it is logarithmic.

    Returns:
        The scale, with some room beyond the largest.
    """
    known = list(values)
    low, high = min(known), max(known)
    if low > 0 and high / low >= log_from:
        return Scale(low / 1.15, high * 1.15, is_log=True)
    return Scale(0.0, high * 1.08 if high > 0 else 1.0)


@dataclass(frozen=True)
class Line:
    """A line through points.

    Attributes:
        points: In values of the axes.
        color: A CSS colour.
        dash: An SVG dash array; empty for a solid line.
        is_steps: Whether it goes up in steps.
    """

    points: Sequence[tuple[float, float]]
    color: str
    dash: str = ""
    is_steps: bool = False


@dataclass(frozen=True)
class Point:
    """A point that tells its values when it is pointed at or has the keyboard's focus.

    Attributes:
        x: In values of the axis.
        y: In values of the axis.
        color: A CSS colour.
        tip: What it tells.
        is_hollow: Whether it is drawn as a ring.
        is_marked: Whether a second ring stands around it.
        low: The lower end of its interval on the y axis.
        high: The upper end.
        label: A text beside it.
        label_side: ``start`` puts the text to the right of the point, ``end`` to the left, ``middle`` above it.
        label_lift_px: How far the text is moved up.
        is_visible: Whether it is drawn at rest.
    """

    x: float
    y: float
    color: str
    tip: str
    is_hollow: bool = False
    is_marked: bool = False
    low: float | None = None
    high: float | None = None
    label: str = ""
    label_side: Side = "start"
    label_lift_px: int = 0
    is_visible: bool = True


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        scale: Its scale.
        title: What it shows, with the unit.
        ticks: The marked values with their texts; without them round values.
    """

    scale: Scale
    title: str
    ticks: Sequence[tuple[float, str]] = ()

    def marked(self) -> Sequence[tuple[float, str]]:
        """The marked values with their texts."""
        return self.ticks or [(value, f"{value:,.10g}") for value in self.scale.ticks()]

    @property
    def full_title(self) -> str:
        """The title, which says so if equal distances are ratios."""
        return f"{self.title}, log scale" if self.scale.is_log and not self.ticks else self.title


@dataclass(frozen=True)
class Plot:
    """What is drawn.

    Attributes:
        title: What it shows, for whoever cannot see it.
        x: The horizontal axis.
        y: The vertical axis.
        lines: The lines.
        points: The points.
        limit: A horizontal line with its text.
        height_px: The height of the area between the axes.
        heading: Its heading; empty for none.
    """

    title: str
    x: Axis
    y: Axis
    lines: Sequence[Line] = ()
    points: Sequence[Point] = ()
    limit: tuple[float, str] | None = None
    height_px: int = 240
    heading: str = ""


_SIZE = 1000


def draw(plot: Plot) -> Markup:
    """Draw a plot.

    Args:
        plot: What.

    Returns:
        An HTML element with inline SVG.
    """
    parts = [*_grid(plot), *_limit(plot), _paths(plot), *(_point(plot, point) for point in plot.points)]
    heading = Markup("<p class='plot-heading'>{}</p>").format(plot.heading) if plot.heading else Markup()
    return Markup(
        "<div class='plot'>{heading}<p class='axis-y'>{y}</p><div class='plot-area' style='height:{height}px'>"
        "<svg role='group' aria-label='{title}' width='100%' height='100%'><title>{title}</title>{parts}</svg></div>"
        "<p class='axis-x'>{x}</p></div>"
    ).format(
        heading=heading,
        y=plot.y.full_title,
        x=plot.x.full_title,
        height=plot.height_px,
        title=plot.title,
        parts=Markup().join(parts),
    )


def _percent(place: float) -> str:
    return f"{place * 100:.2f}%"


def _x(plot: Plot, value: float) -> str:
    return _percent(plot.x.scale.at(value))


def _y(plot: Plot, value: float) -> str:
    return _percent(1 - plot.y.scale.at(value))


def _grid(plot: Plot) -> list[Markup]:
    parts = []
    for value, text in plot.y.marked():
        place = _y(plot, value)
        parts.append(
            Markup("<line class='grid' x1='0' x2='100%' y1='{0}' y2='{0}'/>"
                   "<text class='tick' x='-8' y='{0}' dy='.32em' text-anchor='end'>{1}</text>").format(place, text)
        )  # fmt: skip
    for value, text in plot.x.marked():
        place = _x(plot, value)
        parts.append(
            Markup("<line class='grid' y1='0' y2='100%' x1='{0}' x2='{0}'/>"
                   "<text class='tick' x='{0}' y='100%' dy='1.4em' text-anchor='middle'>{1}</text>").format(place, text)
        )  # fmt: skip
    return parts


def _limit(plot: Plot) -> list[Markup]:
    if plot.limit is None or not 0 <= plot.y.scale.at(plot.limit[0]) <= 1:
        return []
    return [
        Markup("<line class='limit' x1='0' x2='100%' y1='{0}' y2='{0}'/>"
               "<text class='limit-text' x='100%' y='{0}' dy='-.4em' text-anchor='end'>{1}</text>")
        .format(_y(plot, plot.limit[0]), plot.limit[1])
    ]  # fmt: skip


def _paths(plot: Plot) -> Markup:
    paths = []
    for line in plot.lines:
        places = [(plot.x.scale.at(x) * _SIZE, (1 - plot.y.scale.at(y)) * _SIZE) for x, y in line.points]
        if not places:
            continue
        command = f"M{places[0][0]:.1f} {places[0][1]:.1f}"
        for x, y in places[1:]:
            command += f"H{x:.1f}V{y:.1f}" if line.is_steps else f"L{x:.1f} {y:.1f}"
        dash = Markup(" stroke-dasharray='{}'").format(line.dash) if line.dash else Markup()
        paths.append(Markup("<path class='line' d='{}' style='stroke:{}'{}/>").format(command, line.color, dash))
    # The only part that stretches; strokes keep their width.
    return Markup(
        "<svg viewBox='0 0 {0} {0}' preserveAspectRatio='none' width='100%' height='100%' overflow='visible'>{1}</svg>"
    ).format(_SIZE, Markup().join(paths))


def _point(plot: Plot, point: Point) -> Markup:
    place = {"x": _x(plot, point.x), "y": _y(plot, point.y), "color": point.color}
    parts = []
    if point.low is not None and point.high is not None:
        parts.append(
            Markup("<line class='whisker' x1='{x}' x2='{x}' y1='{low}' y2='{high}' style='stroke:{color}'/>")
            .format(low=_y(plot, point.low), high=_y(plot, point.high), **place)
        )  # fmt: skip
    if point.is_marked:
        parts.append(Markup("<circle class='mark' cx='{x}' cy='{y}' r='10'/>").format(**place))
    fill = "var(--ground)" if point.is_hollow else point.color
    kind = "dot" if point.is_visible else "dot hidden"
    parts.append(
        Markup(
            "<circle class='{kind}' cx='{x}' cy='{y}' r='5' style='fill:{fill};stroke:{color}' tabindex='0' role='img' "
            "aria-label='{tip}' data-tip='{tip}'/>"
        ).format(kind=kind, fill=fill, tip=point.tip, **place)
    )
    if point.label:
        shift = {"start": 10, "end": -10, "middle": 0}[point.label_side]
        classes = "label strong" if point.is_marked else "label"
        parts.append(
            Markup("<text class='{c}' x='{x}' y='{y}' dx='{dx}' dy='{dy}' text-anchor='{side}'>{label}</text>").format(
                c=classes, x=place["x"], y=place["y"], dx=shift, dy=4 - point.label_lift_px, side=point.label_side,
                label=escape(point.label),
            )
        )  # fmt: skip
    return Markup().join(parts)
