"""Draining: how a server stops without losing a request.

New requests are rejected as UNAVAILABLE, which tells senders to try another instance; requests in flight are answered;
then connections are closed. Closing them at once would lose requests that were received but not yet dispatched.
"""

import time

from serverless_dnn.runtime.inference.admission import Admission

# No request within this time means that senders have noticed.
_QUIET_S = 0.1
_LOOK_S = 0.01


def drain(admission: Admission, grace_s: float) -> bool:
    """Reject new requests until those in flight are answered and no more arrive.

    Args:
        admission: Counts the requests.
        grace_s: How long that may take.

    Returns:
        Whether all were answered within that time.
    """
    end_s = time.monotonic() + grace_s
    admission.refuse_new()
    while admission.quiet_s() < _QUIET_S:
        if time.monotonic() > end_s:
            return not admission.in_work
        time.sleep(_LOOK_S)
    return True
