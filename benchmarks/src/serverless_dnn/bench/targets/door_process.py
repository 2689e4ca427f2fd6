"""What all front doors share: their records, their control port, and how they start and stop.

A front door is apart from the process that generates load, so that neither slows the other down. ``LocalPlatform``
starts it with ``python -m MODULE CONFIG``. It listens on two loopback ports, which it writes into the ready file: one
for callers, one that tells its records and scales to zero. The instances die with it.
"""

import asyncio
import ctypes
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable
from typing import Protocol

import orjson
from aiohttp import web

from serverless_dnn.bench.targets.door_config import DoorConfig
from serverless_dnn.bench.targets.instance_pool import InstancePool, InstanceT
from serverless_dnn.bench.targets.instance_process import InstanceHistory
from serverless_dnn.bench.targets.ready_file import announce_ready
from serverless_dnn.bench.targets.records import Invocation, PlatformRecords

# Once a platform is being stopped, nobody is waiting for its responses.
_SHUTDOWN_TIMEOUT_S = 1.0
# Parameters of glibc's mallopt, and the largest value the second accepts (malloc.h, malloc.c: HEAP_MAX_SIZE / 2).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_GREATEST_MMAP_THRESHOLD = 32 << 20
# Some of the largest requests, and what they are made of.
_KEPT_BYTES = 256 << 20


class Ledger:
    """What has happened to a deployment so far."""

    def __init__(self) -> None:
        self._histories: list[InstanceHistory] = []
        self._invocations: list[Invocation] = []

    def new_instance(self, instance: str) -> InstanceHistory:
        """Begin an instance's history.

        Args:
            instance: The platform's id of it.
        """
        history = InstanceHistory(instance)
        self._histories.append(history)
        return history

    def add(self, invocation: Invocation) -> None:
        """Record an invocation that has ended.

        Args:
            invocation: The invocation.
        """
        self._invocations.append(invocation)

    def records(self, since: int) -> PlatformRecords:
        """What has happened.

        Args:
            since: How many invocations are known and left out.
        """
        return PlatformRecords(
            tuple(pid for history in self._histories if (pid := history.pid) is not None),
            tuple(self._invocations[since:]),
            tuple(record for history in self._histories if (record := history.record()) is not None),
        )


def make_pool(
    config: DoorConfig,
    start: Callable[[int], Awaitable[InstanceT]],
    *,
    reusable_after: tuple[type[BaseException], ...] = (),
) -> InstancePool[InstanceT]:
    """Make the pool of a deployment's instances.

    Args:
        config: How they are run.
        start: Starts one, given its number, and returns it once it is ready.
        reusable_after: What a request may end with that does not end its instance.

    Returns:
        The pool; none is running yet.
    """
    return InstancePool(
        start,
        config.options.instances,
        requests_per_instance=config.requests_per_instance,
        throttle=config.options.throttle,
        idle_timeout_s=config.options.idle_timeout_s,
        reusable_after=reusable_after,
    )


class Door(Protocol):
    """A platform's front door.

    Attributes:
        ledger: What has happened.
    """

    ledger: Ledger

    async def start(self) -> int:
        """Listen for callers, and return the port."""
        ...

    async def scale_to_zero(self) -> None:
        """Wait until all requests have been answered, and end all instances."""
        ...

    async def stop(self) -> None:
        """End all instances, then stop listening."""
        ...


def run_door(make: Callable[[DoorConfig], Door]) -> None:
    """Serve until SIGTERM: the whole of a front door's process.

    Args:
        make: Creates the door, in the event loop.
    """
    _keep_freed_memory()
    config = DoorConfig.from_json(sys.argv[1])
    asyncio.run(_serve(make, config))


async def listen(
    application: web.Application, *, auto_decompress: bool = True, tls: ssl.SSLContext | None = None
) -> tuple[web.AppRunner, int]:
    """Serve an application on a free loopback port.

    Args:
        application: The application.
        auto_decompress: Whether it gets compressed bodies decompressed.
        tls: Its certificate; ``None`` listens without TLS.

    Returns:
        The runner to clean up at the end, and the port.
    """
    runner = web.AppRunner(
        application,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=_SHUTDOWN_TIMEOUT_S,
        auto_decompress=auto_decompress,
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    return runner, int(runner.addresses[0][1])


async def _serve(make: Callable[[DoorConfig], Door], config: DoorConfig) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    door = make(config)
    control, control_port = await listen(_control(door))
    port = await door.start()
    announce_ready(port=port, control_port=control_port)
    await stopping.wait()
    await door.stop()
    await control.cleanup()


def _control(door: Door) -> web.Application:
    async def tell_records(request: web.Request) -> web.Response:
        records = door.ledger.records(int(request.query.get("since", "0")))
        return web.Response(body=orjson.dumps(records), content_type="application/json")

    async def scale_to_zero(_request: web.Request) -> web.Response:
        await door.scale_to_zero()
        return web.Response()

    application = web.Application()
    application.router.add_get("/records", tell_records)
    application.router.add_post("/scale-to-zero", scale_to_zero)
    return application


def _keep_freed_memory() -> None:
    """Otherwise every request of some megabytes is a thousand page faults: half of what a door does with it."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _GREATEST_MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
