"""The process of a link: relays TCP connections, late and at the link's bandwidth.

What it models: the latency (half of the round trip each way), the bandwidth of each direction, which all connections
share, first come, first served, and the round trip that a new connection takes before anything is sent over it. A relay
cannot delay the handshake itself: a caller's ``connect`` returns at once, and its first bytes wait instead.

What it does not model: TCP's slow start, loss, jitter, and the headers of packets (some 5 % on Ethernet). The relay's
own work, some tenths of a millisecond there and back, comes on top; the link ``loopback`` shows it.

``LinkShaper`` starts it with ``python -m serverless_dnn.bench.targets.link_relay HOST PORT LINK``. It listens on a
loopback port, which it writes into the ready file.
"""

import asyncio
import signal
import socket
import struct
import sys
import time
from collections import deque
from enum import Enum, auto
from typing import cast

from serverless_dnn.bench.targets.link import Link, Pace, parse_link
from serverless_dnn.bench.targets.precise_alarm import PreciseAlarm
from serverless_dnn.bench.targets.ready_file import announce_ready

_BACKLOG = 1024
_WRITE_BUFFER_BYTES = 64 << 10
# SO_LINGER, switched on, for no time: closing the socket resets its connection (socket(7)).
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class _Signal(Enum):
    """What travels beside bytes."""

    END = auto()
    RESET = auto()


class _Way:
    """One direction of one connection: what is on the way, and waiting, from a socket to another."""

    def __init__(self, pace: Pace, alarm: PreciseAlarm) -> None:
        self._pace, self._alarm = pace, alarm
        self._coming: deque[tuple[int, bytes | _Signal]] = deque()
        self._coming_bytes = 0
        self._is_awaited = False
        self._is_dropped = False
        self.source: _End
        self.destination: _End

    def send(self, data: bytes | _Signal) -> None:
        """Send something, in pieces that let other connections in between."""
        if self._is_dropped:
            return
        now_ns = time.monotonic_ns()
        if isinstance(data, _Signal):
            self._coming.append((self._pace.arrival_ns(0, now_ns), data))
        else:
            size = self._pace.direction.segment_bytes
            for begin in range(0, len(data), size):
                segment = data[begin : begin + size]
                self._coming.append((self._pace.arrival_ns(len(segment), now_ns), segment))
            self._coming_bytes += len(data)
            if self._coming_bytes > self._pace.direction.window_bytes:
                self.source.hold()
        self.deliver()

    def deliver(self) -> None:
        """Hand over what has arrived, as far as the destination takes it, and come back for what follows."""
        now_ns = time.monotonic_ns()
        while self._coming and self._coming[0][0] <= now_ns and self.destination.takes_more:
            _, data = self._coming.popleft()
            if isinstance(data, bytes):
                self._coming_bytes -= len(data)
            self.destination.take(data)
        if self._coming_bytes <= self._pace.direction.window_bytes:
            self.source.go_on()
        if self._coming and self.destination.takes_more and not self._is_awaited:
            self._is_awaited = True
            self._alarm.at(self._coming[0][0], self._arrive)

    def drop(self) -> None:
        """Lose what is on the way, and whatever is sent from now on: the destination is gone."""
        self._is_dropped = True
        self._coming.clear()
        self._coming_bytes = 0
        self.source.go_on()

    def _arrive(self) -> None:
        self._is_awaited = False
        self.deliver()


class _End(asyncio.Protocol):
    """A socket at one end of a link: the caller's or the server's."""

    def __init__(self, outgoing: _Way, incoming: _Way) -> None:
        self._outgoing, self._incoming = outgoing, incoming
        outgoing.source = incoming.destination = self
        self._transport: asyncio.Transport | None = None
        self._is_congested = self._is_held = self._has_ended = self._was_told_end = self._is_over = False

    @property
    def takes_more(self) -> bool:
        """Whether it is connected, and its peer keeps up."""
        return self._transport is not None and not self._is_congested

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with what has arrived already."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        if self._is_held:
            self._transport.pause_reading()
        self._incoming.deliver()

    def data_received(self, data: bytes) -> None:
        """Send it on."""
        self._outgoing.send(data)

    def eof_received(self) -> bool:
        """Send that on, and keep the other direction open."""
        self._has_ended = True
        self._outgoing.send(_Signal.END)
        self._close_if_done()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the other end, unless it knows."""
        if not self._is_over and (error is not None or not self._has_ended):
            self._outgoing.send(_Signal.RESET)
        self._is_over = True
        self._incoming.drop()

    def pause_writing(self) -> None:
        """The peer is slower than the link."""
        self._is_congested = True

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._is_congested = False
        self._incoming.deliver()

    def take(self, data: bytes | _Signal) -> None:
        """Pass on to the peer what came over the link."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if isinstance(data, bytes):
            transport.write(data)
        elif data is _Signal.RESET:
            self.reset()
        else:
            self._was_told_end = True
            transport.write_eof()
            self._close_if_done()

    def reset(self) -> None:
        """Break the connection off."""
        self._is_over = True
        if self._transport is not None:
            connection: socket.socket = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            self._transport.abort()

    def hold(self) -> None:
        """Read nothing for now: more than enough is on the way."""
        if not self._is_held:
            self._is_held = True
            if self._transport is not None:
                self._transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        if self._is_held:
            self._is_held = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

    def _close_if_done(self) -> None:
        if self._has_ended and self._was_told_end and self._transport is not None:
            self._transport.close()


class _Relay:
    """Relays connections to a server; all of them share the link."""

    def __init__(self, host: str, port: int, link: Link) -> None:
        self._host, self._port, self._link = host, port, link
        self._up, self._down = Pace(link.up), Pace(link.down)
        self._alarm = PreciseAlarm()
        self._connecting: set[asyncio.Task[None]] = set()

    def accept(self) -> asyncio.Protocol:
        """Take a connection, and return the protocol of its caller's end."""
        up, down = _Way(self._up, self._alarm), _Way(self._down, self._alarm)
        caller, server = _End(up, down), _End(down, up)

        def connect() -> None:
            task = asyncio.get_running_loop().create_task(self._connect(server, down))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

        # SYN and its answer, then what the caller sends, from which the server learns that it is there.
        open_ns = time.monotonic_ns() + self._link.round_trip_ns
        caller.hold()
        self._alarm.at(open_ns, caller.go_on)
        self._alarm.at(open_ns + self._link.up.delay_ns, connect)
        return caller

    async def _connect(self, server: _End, down: _Way) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: server, self._host, self._port)
        except OSError:
            down.send(_Signal.RESET)


async def _serve(host: str, port: int, link: Link) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    server = await loop.create_server(_Relay(host, port, link).accept, "127.0.0.1", 0, backlog=_BACKLOG)
    announce_ready(port=server.sockets[0].getsockname()[1])
    await stopping.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), parse_link(sys.argv[3])))
