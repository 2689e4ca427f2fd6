"""The front door of the local Lambda: a function URL, the Invoke API, and the instances behind."""

import orjson

from serverless_dnn.bench.errors import StartError
from serverless_dnn.bench.targets.door_config import DoorConfig
from serverless_dnn.bench.targets.door_process import Ledger, listen, make_pool, run_door
from serverless_dnn.bench.targets.local_lambda.environment import EnvironmentLost, ExecutionEnvironment, RuntimeGone
from serverless_dnn.bench.targets.local_lambda.front import LambdaFront
from serverless_dnn.bench.targets.local_lambda.runtime_api import Event, FunctionResult


class LambdaDoor:
    """A function's instances, and their front door.

    Args:
        config: The function.

    Attributes:
        ledger: What has happened.
    """

    def __init__(self, config: DoorConfig) -> None:
        self.ledger = Ledger()
        self._config = config
        self._pool = make_pool(config, self._start)

    async def start(self) -> int:
        """Listen for callers, and return the port."""
        # A compressed body is the function's own to decompress.
        front = LambdaFront(self.run, self.run_later).application()
        self._runner, port = await listen(front, auto_decompress=False)
        return port

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

    async def scale_to_zero(self) -> None:
        """Wait until all requests have been answered, and kill all instances."""
        await self._pool.scale_to_zero()

    async def stop(self) -> None:
        """Kill all instances, so that nobody is left waiting for an answer; then stop listening."""
        await self._pool.stop()
        await self._runner.cleanup()

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
        environment = ExecutionEnvironment(self._config, number, self.ledger, self._pool.discard)
        try:
            await environment.start()
        except BaseException:
            await environment.stop("stopped")
            raise
        return environment


if __name__ == "__main__":
    run_door(LambdaDoor)
