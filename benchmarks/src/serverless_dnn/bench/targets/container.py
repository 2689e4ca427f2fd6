"""A container of a local platform: one server process, which takes requests at a port."""

import asyncio
from collections.abc import Callable

from serverless_dnn.bench.errors import StartError
from serverless_dnn.bench.targets.door_config import DoorConfig
from serverless_dnn.bench.targets.door_process import Ledger
from serverless_dnn.bench.targets.instance_process import InstanceProcess, RunningInvocation
from serverless_dnn.bench.targets.processes import STOP_GRACE_S, start_server
from serverless_dnn.bench.targets.records import OUT_OF_MEMORY, Status

_POLL_S = 0.002


class ContainerGone(Exception):  # noqa: N818 - an outcome
    """The process had ended before it got the request, which is for another container now."""


class Container:
    """A container.

    Args:
        name: Its name, and that of its log.
        config: How it is run.
        ledger: What is recorded.
        on_exit: Called when its process has ended by itself, once it could take requests.

    Attributes:
        port: The port it listens on.
    """

    def __init__(self, name: str, config: DoorConfig, ledger: Ledger, on_exit: Callable[[], None]) -> None:
        self._name, self._config, self._ledger, self._on_exit = name, config, ledger, on_exit
        self._history = ledger.new_instance(name)
        self._process: InstanceProcess | None = None
        self._is_ready = False
        self._is_stopping = False
        self._has_begun = False
        self.port = 0

    async def start(self, variables: dict[str, str]) -> None:
        """Start it, and wait until it is ready.

        Args:
            variables: Its variables, besides those of the configuration.

        Raises:
            StartError: It failed to start; the message says why.
        """
        config = self._config
        log_path = config.options.log_folder / f"{self._name}.log"
        server = start_server(list(config.command), config.variables(**variables), log_path, config.limits)
        self._process = process = InstanceProcess(server, self._ended)
        self._history.spawned(process)
        try:
            async with asyncio.timeout(config.options.start_timeout_s):
                while (port := server.ready_port()) is None:  # noqa: ASYNC110 - it is a file that tells
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            limit = f"{config.options.start_timeout_s:g} s"
            await self.stop(f"not ready within {limit}")
            raise StartError(f"the container was not ready within {limit}", log_path) from None
        except StartError:
            await self.stop("")
            if self.is_out_of_memory():
                raise StartError(self.memory_exceeded(), log_path) from None
            raise
        except BaseException:
            await self.stop("stopped")
            raise
        self.port = port

    def ready(self) -> None:
        """It can take requests."""
        self._is_ready = True
        self._history.ready()

    async def has_exited(self, within_s: float) -> bool:
        """Whether its process has ended.

        Args:
            within_s: How long to wait for that.
        """
        assert self._process is not None
        await asyncio.wait((self._process.exited,), timeout=within_s)
        return self._process.exited.done()

    def why_exited(self) -> str:
        """How its process ended by itself, for whoever waits for an answer."""
        assert self._process is not None
        return (
            self.memory_exceeded() if self.is_out_of_memory() else f"the container ended: {self._process.why_exited()}"
        )

    def is_out_of_memory(self) -> bool:
        """Whether it was killed because its memory was used up."""
        return self._process is not None and self._process.why_exited() == OUT_OF_MEMORY

    def memory_exceeded(self) -> str:
        """What its platform says if it is out of memory."""
        return f"memory limit of {self._config.options.memory_mb} MiB exceeded: choose more memory"

    async def stop(self, reason: str, grace_s: float = STOP_GRACE_S) -> None:
        """Stop it: SIGTERM, then SIGKILL after the grace period.

        Args:
            reason: Why, unless it has ended before by itself.
            grace_s: The grace period.
        """
        if self._process is None:
            return
        if self._process.is_running():
            self._is_stopping = True
        await self._process.stop(grace_s)
        self._history.ended(reason)

    def begin(self, request_id: str, arrival_ns: int) -> RunningInvocation:
        """It gets a request.

        Args:
            request_id: The request's id.
            arrival_ns: When the front door had it.

        Raises:
            ContainerGone: It had ended before; it must be stopped.
        """
        assert self._process is not None
        # One that ends before its very first request would do so every time: that is its first caller's to know.
        if self._has_begun and not self._process.is_running():
            raise ContainerGone
        self._has_begun = True
        return self._history.begin(request_id, arrival_ns)

    def end(self, running: RunningInvocation, status: Status, error_type: str | None) -> None:
        """It has answered a request, or will not.

        Args:
            running: The request.
            status: How it ended.
            error_type: The error's type; ``None`` after a success.
        """
        self._ledger.add(running.end(status, error_type, self._config.options.memory_mb))

    def _ended(self) -> None:
        assert self._process is not None
        if not self._is_stopping:
            self._history.ended(self._process.why_exited())
            if self._is_ready:
                self._on_exit()
