"""The front door of the local Lambda, a process of its own: a function URL, the Invoke API, and the instances behind.

It is apart from the process that generates load, so that neither slows the other down. ``LocalLambda`` starts it as
``python -m serverless_dnn.bench.platforms.lambda_door CONFIG``. It listens on two loopback ports, which it writes into
the ready file: one for callers, one for whoever wants to know the function's facts. The instances die with it.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
from pathlib import Path

import orjson
from aiohttp import web

from serverless_dnn.bench.errors import StartError
from serverless_dnn.bench.platforms.front_door import listen
from serverless_dnn.bench.platforms.instance_pool import InstancePool
from serverless_dnn.bench.platforms.lambda_environment import EnvironmentLost, ExecutionEnvironment, RuntimeGone
from serverless_dnn.bench.platforms.lambda_front import LambdaFront
from serverless_dnn.bench.platforms.lambda_function import FACTS_PATH, FunctionConfig, FunctionFacts, Invocation
from serverless_dnn.bench.platforms.lambda_runtime import Event, FunctionResult

# Parameters of glibc's mallopt, and the largest value the second accepts (malloc.h, malloc.c: HEAP_MAX_SIZE / 2).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_GREATEST_MMAP_THRESHOLD = 32 << 20
# Some of the largest events, and what they are made of.
_KEPT_BYTES = 256 << 20


class Function:
    """A function's instances, and what has happened to them.

    Args:
        config: The function.
    """

    def __init__(self, config: FunctionConfig) -> None:
        self._config = config
        self._invocations: list[Invocation] = []
        self._pool = InstancePool(
            self._start, config.instances, throttle=config.throttle, idle_timeout_s=config.idle_timeout_s
        )

    async def run(self, event: Event) -> FunctionResult:
        """Run an event.

        Args:
            event: The event.

        Returns:
            The function's result, or the error that the caller is told.

        Raises:
            Throttled: All instances are busy, and requests beyond the cap are refused.
        """
        return await self._run(event, always_waits=False)

    async def run_later(self, event: Event) -> FunctionResult:
        """Run an event as soon as there is an instance for it: Lambda queues asynchronous invocations.

        Args:
            event: The event.

        Returns:
            The function's result, or the error.
        """
        return await self._run(event, always_waits=True)

    def facts(self) -> FunctionFacts:
        """What the function has done so far."""
        pids = (environment.pid for environment in self._pool.members)
        return FunctionFacts(tuple(pid for pid in pids if pid is not None), tuple(self._invocations))

    async def stop(self) -> None:
        """Kill all instances."""
        await self._pool.stop()

    async def _run(self, event: Event, *, always_waits: bool) -> FunctionResult:
        while True:
            try:
                async with self._pool.instance(always_waits=always_waits) as environment:
                    return await environment.invoke(event)
            except RuntimeGone:
                continue
            except EnvironmentLost as lost:
                return lost.result
            except StartError as error:
                kind = "Runtime.InvalidEntrypoint"
                message = f"RequestId: {event.request_id} Error: {error}"
                return FunctionResult(orjson.dumps({"errorType": kind, "errorMessage": message}), kind)

    async def _start(self, number: int) -> ExecutionEnvironment:
        environment = ExecutionEnvironment(self._config, number, self._invocations.append, self._pool.discard)
        try:
            await environment.start()
        except BaseException:
            await environment.stop()
            raise
        return environment


async def serve(config: FunctionConfig, ready_file: Path) -> None:
    """Serve a function until SIGTERM.

    Args:
        config: The function.
        ready_file: Where the ports are written.
    """
    function = Function(config)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)

    async def tell_facts(_request: web.Request) -> web.Response:
        return web.Response(body=function.facts().to_json(), content_type="application/json")

    control = web.Application()
    control.router.add_get(FACTS_PATH, tell_facts)
    control_runner, control_port = await listen(control)
    # A compressed body is the function's own to decompress.
    front = LambdaFront(function.run, function.run_later).application()
    runner, port = await listen(front, auto_decompress=False)
    aside = ready_file.with_name(f"{ready_file.name}.partial")
    aside.write_text(json.dumps({"port": port, "control_port": control_port}), encoding="utf-8")
    aside.rename(ready_file)
    await stopping.wait()
    # First, so that nobody is left waiting for an answer.
    await function.stop()
    await runner.cleanup()
    await control_runner.cleanup()


def _keep_freed_memory() -> None:
    """Otherwise every event of some megabytes is a thousand page faults: half of what the door does with it."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _GREATEST_MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


if __name__ == "__main__":
    _keep_freed_memory()
    asyncio.run(serve(FunctionConfig.from_json(sys.argv[1]), Path(os.environ["SDNN_READY_FILE"])))
