"""An HTTP server in its own thread, in place of a platform's endpoint."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import web

_ResultT = TypeVar("_ResultT")
# Once a platform is being stopped, nobody is waiting for its responses.
_SHUTDOWN_TIMEOUT_S = 1.0


async def listen(application: web.Application, *, auto_decompress: bool = True) -> tuple[web.AppRunner, int]:
    """Serve an application on a free loopback port.

    Args:
        application: The application.
        auto_decompress: Whether it gets compressed bodies decompressed.

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
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, int(runner.addresses[0][1])


class FrontDoor:
    """An application served from a thread.

    Args:
        make_application: Creates it, in the thread's event loop.
        on_stop: Releases what the application holds.
    """

    def __init__(
        self,
        make_application: Callable[[], Awaitable[web.Application]],
        on_stop: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="front-door", daemon=True)
        self._thread.start()
        self._on_stop = on_stop

        async def start() -> tuple[web.AppRunner, int]:
            return await listen(await make_application())

        self._runner, self.port = self.run(start())

    def run(self, work: Coroutine[Any, Any, _ResultT]) -> _ResultT:
        """Run a coroutine in the thread and wait for it.

        Args:
            work: The coroutine.

        Returns:
            What it returns.
        """
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        """Stop the server, release what it holds, and end the thread."""
        self.run(self._on_stop())
        self.run(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
