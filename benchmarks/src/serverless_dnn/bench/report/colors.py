"""Colours, each with one meaning on the whole page, as CSS custom properties.

A platform has its own (``platforms.PLATFORMS``). What a request does is violet, what a start does is ochre, and what
happens outside the server is grey. Nothing good is coloured; what is wrong is crimson.
"""

from collections.abc import Iterable, Mapping

from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.report.view import OTHER

# Of Okabe and Ito's palette, those that no platform has: for remote targets that are none of them.
_REMOTE = ("#CC79A7", "#56B4E9", "#8A6D3B")
_WHITE, _INK = "#FFFFFF", "#1B1D22"
PHASES: Mapping[str, tuple[str, str]] = {
    "client encode": ("#DDD3F3", _INK),
    "client decode": ("#CDBFEC", _INK),
    "server decode": ("#B5A1E0", _INK),
    "server encode": ("#C3B2E6", _INK),
    "queue": ("#EFE9FA", _INK),
    "compute": ("#5B3E96", _WHITE),
    "first inference": ("#5B3E96", _WHITE),
    "wait for an instance": ("#E3E6EB", _INK),
    "network and platform": ("#A9AEB8", _INK),
    "front-door floor": ("#7F8694", _INK),
    "platform start": ("#7F8694", _INK),
    "request": ("#A9AEB8", _INK),
    "interpreter": ("#F4E3AE", _INK),
    "imports": ("#E6C768", _INK),
    "engine import": ("#C9A227", _INK),
    "model load": ("#8A6A0A", _WHITE),
    "warm-up": ("#EBD58B", _INK),
    "other start": ("#D8CBA0", _INK),
    OTHER: ("#CBD0D8", _INK),
}
"""Background and text of each part and phase; contrast at least 4.5 in each pair."""


def variable(kind: str, name: str) -> str:
    """The custom property of a colour.

    Args:
        kind: ``platform``, ``phase`` or ``on-phase``.
        name: Of the platform or phase.

    Returns:
        Such as ``--phase-client-encode``.
    """
    return f"--{kind}-{''.join(letter if letter.isalnum() else '-' for letter in name.lower())}"


def palette(platforms: Iterable[str], *, dark: bool) -> str:
    """The declarations of all colours that carry a meaning.

    Args:
        platforms: The platforms of a run; those that are not declared get a colour in order.
        dark: Whether they are shown on a dark ground.

    Returns:
        CSS declarations.
    """
    remote = [name for name in dict.fromkeys(platforms) if name not in PLATFORMS]
    colors = {name: platform.color for name, platform in PLATFORMS.items()}
    colors |= {name: _REMOTE[index % len(_REMOTE)] for index, name in enumerate(remote)}
    lines = [f"{variable('platform', name)}:{_lighter(color) if dark else color}" for name, color in colors.items()]
    for name, (background, text) in PHASES.items():
        lines += [f"{variable('phase', name)}:{background}", f"{variable('on-phase', name)}:{text}"]
    return ";".join(lines)


def _lighter(color: str, share: float = 0.3) -> str:
    channels = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(channel + (255 - channel) * share):02X}" for channel in channels)
