"""What a front door's process is told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, get_args, get_type_hints

import orjson

from serverless_dnn.bench.targets.base import DeployOptions
from serverless_dnn.bench.targets.limits import Limits


@dataclass(frozen=True)
class DoorConfig:
    """How a front door runs its instances.

    Attributes:
        options: What is deployed.
        command: The command that starts an instance.
        environment: Variables of all instances, besides those of the options.
        timeout_s: How long a request may take.
        requests_per_instance: How many requests an instance takes at a time.
        init_timeout_s: How long Lambda's init phase may take before it is run again as part of the first invocation.
    """

    options: DeployOptions
    command: tuple[str, ...]
    environment: Mapping[str, str]
    timeout_s: float
    requests_per_instance: int = 1
    init_timeout_s: float = 10.0

    @property
    def limits(self) -> Limits:
        """What an instance gets."""
        return Limits(self.options.memory_mb, self.options.cpus, self.options.is_pinned)

    def variables(self, **of_instance: str) -> dict[str, str]:
        """An instance's variables.

        Args:
            of_instance: Those that it alone has.

        Returns:
            All of them.
        """
        return {**self.options.environment(), **self.environment, **of_instance}

    def to_json(self) -> str:
        """Write it for another process."""
        return orjson.dumps(self, default=str).decode()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote.

        Args:
            text: The JSON.

        Returns:
            The configuration.
        """
        fields = orjson.loads(text)
        hints = get_type_hints(DeployOptions)
        options = {name: _typed(hints[name], value) for name, value in fields["options"].items()}
        return cls(**{**fields, "options": DeployOptions(**options), "command": tuple(fields["command"])})


def _typed(hint: Any, value: Any) -> Any:
    return Path(value) if value is not None and Path in (hint, *get_args(hint)) else value
