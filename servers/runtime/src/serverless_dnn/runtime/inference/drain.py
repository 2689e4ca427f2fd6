"""The drain: how a server stops without losing a request.

New requests are refused as UNAVAILABLE, which tells their senders to try another instance; those in work are answered;
then connections are closed. A server that closed them at once would cut off what was received and not yet handed out.
"""

import time

from serverless_dnn.runtime.inference.admission import Admission

# No request within this time means that senders know.
_QUIET_S = 0.1
_LOOK_S = 0.01


def drain(admission: Admission, grace_s: float) -> bool:
    """Refuse new requests until those in work are answered and no more come.

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
