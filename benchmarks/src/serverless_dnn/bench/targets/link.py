"""A network link: how it is written, and when what is sent over it arrives; pure.

**Latency is the round trip**, what ``ping`` shows: each direction takes half of it. Bandwidth is the link's, shared by
all connections, in bits a second as networks are sold: ``down`` is what the client receives, ``up`` what it sends.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType

from serverless_dnn.bench.errors import OptionError

_NS_OF = {"us": 10**3, "ms": 10**6, "s": 10**9}
_BITS_OF = {"kbit": 10**3, "Mbit": 10**6, "Gbit": 10**9}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")
_MAX_ROUND_TRIP_NS = 10 * 10**9
# Slower ones carry no model's inputs within a client's time-out.
_MIN_BITS_PER_S = 10**4
# On the way one way, at most: the link's process holds them.
_MAX_BYTES_ON_THE_WAY = 64 << 20
# What one connection may have waiting for the bottleneck, as a router's buffer.
_QUEUED_BYTES = 64 << 10
_UNLIMITED_WINDOW_BYTES = 16 << 20
_SEGMENT_NS = 10**6
_MIN_SEGMENT_BYTES, _MAX_SEGMENT_BYTES = 1460, 64 << 10


@dataclass(frozen=True)
class Direction:
    """One direction of a link.

    Attributes:
        delay_ns: How long each byte travels.
        bits_per_s: The bandwidth; ``None`` without a limit.
    """

    delay_ns: int
    bits_per_s: int | None

    @property
    def bytes_on_the_way(self) -> int:
        """How much the direction holds when it is busy: bandwidth times delay."""
        return 0 if self.bits_per_s is None else self.bits_per_s * self.delay_ns // (8 * 10**9)

    @property
    def window_bytes(self) -> int:
        """How much of one connection may be on the way and waiting; enough to keep the direction busy."""
        return _UNLIMITED_WINDOW_BYTES if self.bits_per_s is None else self.bytes_on_the_way + _QUEUED_BYTES

    @property
    def segment_bytes(self) -> int:
        """The size of the pieces that data travels in, a millisecond each if that is within bounds."""
        if self.bits_per_s is None:
            return _MAX_SEGMENT_BYTES
        worth = self.bits_per_s * _SEGMENT_NS // (8 * 10**9)
        return min(max(worth, _MIN_SEGMENT_BYTES), _MAX_SEGMENT_BYTES)


@dataclass(frozen=True)
class Link:
    """A network between a client and a server.

    Attributes:
        round_trip_ns: The latency there and back; half of it each way.
        down_bits_per_s: The bandwidth towards the client; ``None`` without a limit.
        up_bits_per_s: The bandwidth towards the server.
    """

    round_trip_ns: int = 0
    down_bits_per_s: int | None = None
    up_bits_per_s: int | None = None

    def __post_init__(self) -> None:
        """Reject what cannot be shaped."""
        if not 0 <= self.round_trip_ns <= _MAX_ROUND_TRIP_NS:
            raise OptionError(f"a link's latency must be 0 to 10 s, there and back: got {self.round_trip_ns / 1e9:g} s")
        for name, bits_per_s in (("down", self.down_bits_per_s), ("up", self.up_bits_per_s)):
            if bits_per_s is not None and bits_per_s < _MIN_BITS_PER_S:
                raise OptionError(f"a link's {name} must be at least 10kbit: got {bits_per_s} bits a second")
        held = max(self.down.bytes_on_the_way, self.up.bytes_on_the_way)
        if held > _MAX_BYTES_ON_THE_WAY:
            raise OptionError(
                f"the link {self} has {held >> 20} MiB on the way, and 64 can be held: give less bandwidth or latency"
            )

    @property
    def down(self) -> Direction:
        """The direction towards the client."""
        return Direction(self._one_way_ns, self.down_bits_per_s)

    @property
    def up(self) -> Direction:
        """The direction towards the server."""
        return Direction(self._one_way_ns, self.up_bits_per_s)

    @property
    def _one_way_ns(self) -> int:
        # Rounded up: two ways are never less than the round trip.
        return (self.round_trip_ns + 1) // 2

    def __str__(self) -> str:
        """As ``parse_link`` reads it."""
        parts = [f"latency={_printed(self.round_trip_ns, _NS_OF)}"]
        if self.down_bits_per_s is not None:
            parts.append(f"down={_printed(self.down_bits_per_s, _BITS_OF)}")
        if self.up_bits_per_s is not None:
            parts.append(f"up={_printed(self.up_bits_per_s, _BITS_OF)}")
        return ",".join(parts)


LINKS: Mapping[str, Link] = MappingProxyType(
    {
        "loopback": Link(),
        "lan": Link(1 * 10**6, 10**9, 10**9),
        "broadband": Link(20 * 10**6, 100 * 10**6, 100 * 10**6),
        "mobile": Link(60 * 10**6, 20 * 10**6, 20 * 10**6),
    }
)
"""Common links by name. ``loopback`` adds nothing but what the link's process itself takes."""
_FORM = f"a name ({', '.join(LINKS)}), or such as latency=20ms,down=100Mbit,up=20Mbit (latency is the round trip)"


def parse_link(text: str) -> Link:
    """Read a link.

    Args:
        text: A name of ``LINKS``, or settings such as ``latency=20ms,down=100Mbit,up=20Mbit``, or both, as in
            ``mobile,up=5Mbit``. ``latency`` (us, ms, s) is the round trip. ``down`` and ``up`` (kbit, Mbit, Gbit) are
            bits a second; one that is left out is not limited.

    Returns:
        The link.

    Raises:
        OptionError: It is neither.
    """
    link, given = Link(), set()
    for number, part in enumerate(text.strip().split(",")):
        name, equals, value = (each.strip().lower() for each in part.partition("="))
        if not equals and not number and name in LINKS:
            link = LINKS[name]
            continue
        if not equals or name not in ("latency", "down", "up") or name in given:
            raise OptionError(f"a link is {_FORM}: got {part.strip()!r} in {text!r}")
        given.add(name)
        if name == "latency":
            link = replace(link, round_trip_ns=_quantity(name, value, _NS_OF, "20ms"))
        elif name == "down":
            link = replace(link, down_bits_per_s=_quantity(name, value, _BITS_OF, "100Mbit"))
        else:
            link = replace(link, up_bits_per_s=_quantity(name, value, _BITS_OF, "20Mbit"))
    return link


@dataclass
class Pace:
    """When what is sent in one direction arrives: one piece after another, whichever connection it belongs to.

    Attributes:
        direction: The direction.
    """

    direction: Direction
    _free_ns: int = field(default=0, init=False)

    def arrival_ns(self, size_bytes: int, sent_ns: int) -> int:
        """Send a piece, and learn when its last byte arrives.

        Args:
            size_bytes: Its size; 0 for what takes no bandwidth, such as the end of a stream.
            sent_ns: When it is sent, on any clock; a piece must not be sent before an earlier one.

        Returns:
            When it has arrived whole, on the same clock.
        """
        begin_ns = max(sent_ns, self._free_ns)
        if self.direction.bits_per_s is not None:
            # Rounded up: nothing arrives before its time.
            begin_ns -= -size_bytes * 8 * 10**9 // self.direction.bits_per_s
        self._free_ns = begin_ns
        return begin_ns + self.direction.delay_ns


def _quantity(name: str, value: str, units: Mapping[str, int], example: str) -> int:
    found = _QUANTITY.fullmatch(value)
    size = {unit.lower(): size for unit, size in units.items()}.get(found[2]) if found else None
    if found is None or size is None:
        raise OptionError(f"a link's {name} is a number and one of {', '.join(units)}, as in {example}: got {value!r}")
    return round(Decimal(found[1]) * size)


def _printed(quantity: int, units: Mapping[str, int]) -> str:
    unit, size = next(((unit, size) for unit, size in reversed(list(units.items())) if quantity >= size), ("us", 1000))
    return f"{(Decimal(quantity) / size).normalize():f}{unit}"
