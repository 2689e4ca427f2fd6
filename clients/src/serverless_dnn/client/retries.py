"""When to send a call again, and after how long."""

import json
import random

from serverless_dnn.client.errors import ClientError, ConnectError, ServerError
from serverless_dnn.client.options import RetryPolicy

_FACTOR = 2.0
_JITTER = 0.2


def delay_before_retry(policy: RetryPolicy, error: ClientError, sent: int, left_s: float) -> float | None:
    """How long to wait before a call is sent again.

    Args:
        policy: When calls are repeated.
        error: How the last attempt failed.
        sent: How often the call was sent.
        left_s: What is left of its time-out.

    Returns:
        Seconds; ``None`` if it must not be sent again, or would come too late.
    """
    if sent >= policy.attempts:
        return None
    if isinstance(error, ServerError):
        if error.code not in policy.codes:
            return None
    elif not (isinstance(error, ConnectError) and error.retry_is_safe):
        return None
    delay_s = min(policy.max_delay_s, policy.initial_delay_s * _FACTOR ** (sent - 1))
    delay_s *= random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - it spreads load, it keeps no secret
    if error.retry_after_s is not None:
        delay_s = max(delay_s, error.retry_after_s)
    return delay_s if delay_s < left_s else None


def service_config(policy: RetryPolicy) -> str:
    """GRPC's service config for a policy (https://grpc.io/docs/guides/retry).

    Args:
        policy: When calls are repeated.

    Returns:
        JSON text, for the channel option ``grpc.service_config``.
    """
    return json.dumps(
        {
            "methodConfig": [
                {
                    "name": [{}],
                    "retryPolicy": {
                        "maxAttempts": policy.attempts,
                        "initialBackoff": f"{policy.initial_delay_s:.3f}s",
                        "maxBackoff": f"{policy.max_delay_s:.3f}s",
                        "backoffMultiplier": _FACTOR,
                        "retryableStatusCodes": [code.name for code in policy.codes],
                    },
                }
            ]
        }
    )
