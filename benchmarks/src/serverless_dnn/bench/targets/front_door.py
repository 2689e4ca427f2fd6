"""A local platform as the benchmark sees it: a front door in a process of its own, which starts the instances."""

import http.client
import json
import sys
from collections.abc import Mapping

import orjson

from serverless_dnn.bench.errors import BenchError
from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.targets.base import TargetFacts
from serverless_dnn.bench.targets.door_config import DoorConfig
from serverless_dnn.bench.targets.limits import enforcement
from serverless_dnn.bench.targets.processes import STOP_GRACE_S, start_server
from serverless_dnn.bench.targets.records import InstanceRecord, Invocation, PlatformRecords

# A door needs less than a second; this is for a machine that has much else to do.
_START_TIMEOUT_S = 60.0
# Only local facts are asked for, so an answer that takes longer will not come.
_RECORDS_TIMEOUT_S = 10.0
# For the door itself, after its last instance has had the platform's grace period.
_SPARE_S = 5.0


class LocalPlatform:
    """A platform on this machine. Its front door and the instances die with this process, however it ends.

    Args:
        name: The platform's name.
        door: The module of its front door.
        config: How the front door runs the instances.
        limits: The platform's own limits by name, beside those that all platforms have.

    Attributes:
        facts: What a result must record about it.
        port: Where the front door listens for callers.
        log_path: Where the front door's own messages go.

    Raises:
        StartError: The front door failed to start.
    """

    def __init__(self, name: str, door: str, config: DoorConfig, limits: Mapping[str, object]) -> None:
        platform = PLATFORMS[name]
        is_null = config.options.null_reply is not None
        self.facts = TargetFacts(
            platform=name,
            title=f"{platform.title}, local",
            customization=platform.customization,
            protocol=platform.protocol,
            model_server=f"{platform.model_server}, null server" if is_null else platform.model_server,
            limits={**_common_limits(config), "cpus_from": platform.cpu_note, **limits},
        )
        self._longest_request_s = config.timeout_s + config.options.start_timeout_s
        self._invocations: list[Invocation] = []
        self.log_path = config.options.log_folder / f"door-of-{name}.log"
        self._door = start_server([sys.executable, "-m", door, config.to_json()], {}, self.log_path)
        try:
            self.port = self._door.wait_ready(_START_TIMEOUT_S)
            self._control_port = int(json.loads(self._door.ready_file.read_text(encoding="utf-8"))["control_port"])
        except BaseException:
            self._door.stop(0)
            raise

    def records(self) -> PlatformRecords:
        """What the platform itself knows: only what is new since the last time is asked for.

        Raises:
            BenchError: The front door does not answer.
        """
        told = orjson.loads(self._ask("GET", f"/records?since={len(self._invocations)}", _RECORDS_TIMEOUT_S))
        self._invocations += [Invocation(**fields) for fields in told["invocations"]]
        instances = tuple(InstanceRecord(**fields) for fields in told["instances"])
        return PlatformRecords(tuple(told["server_pids"]), tuple(self._invocations), instances)

    def scale_to_zero(self) -> bool:
        """Wait until all requests have been answered, and end all instances.

        Returns:
            True: it can be done, and they are gone.

        Raises:
            BenchError: The front door does not answer.
        """
        self._ask("POST", "/scale-to-zero", self._longest_request_s + STOP_GRACE_S + _SPARE_S)
        return True

    def server_pids(self) -> tuple[int, ...]:
        """The processes of the running instances, without the front door.

        Raises:
            BenchError: The front door does not answer.
        """
        return self.records().server_pids

    def stop(self) -> None:
        """Stop all instances and the front door."""
        self._door.stop(STOP_GRACE_S + _SPARE_S)

    def _ask(self, method: str, path: str, timeout_s: float) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._control_port, timeout=timeout_s)
        try:
            connection.request(method, path)
            return connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            raise BenchError(f"the front door of {self.facts.title} does not answer: {error}", self.log_path) from None
        finally:
            connection.close()


def _common_limits(config: DoorConfig) -> dict[str, object]:
    options, enforced = config.options, enforcement()
    return {
        "instances": options.instances,
        "requests_per_instance": config.requests_per_instance,
        "beyond_instances": "refused" if options.throttle else "wait",
        "timeout_s": config.timeout_s,
        "idle_timeout_s": "none" if options.idle_timeout_s is None else options.idle_timeout_s,
        "memory_mb": "not limited" if options.memory_mb is None else f"{options.memory_mb}, {enforced.memory}",
        "cpus": "not limited" if options.cpus is None else f"{options.cpus:.3g}, {enforced.cpu}",
    }
