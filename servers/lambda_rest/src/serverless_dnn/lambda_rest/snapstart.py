"""SnapStart: what is done before Lambda takes a snapshot of the process, and after each restore of it.

https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
"""

import os
import random
import uuid
from collections.abc import Callable, Mapping

from serverless_dnn.runtime.timing import Instance


def register_hooks(
    instance: Instance, wait_ready: Callable[[], object], environment: Mapping[str, str] = os.environ
) -> bool:
    """Register the hooks, where there is SnapStart.

    Args:
        instance: Gets a new identity with every restore.
        wait_ready: Waits until models are loaded and warmed up, so that they are part of the snapshot.
        environment: ``AWS_LAMBDA_INITIALIZATION_TYPE`` says whether there is.

    Returns:
        Whether they are registered.
    """
    if environment.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
        return False
    from snapshot_restore_py import register_after_restore, register_before_snapshot

    def after_restore() -> None:
        # All restores of a snapshot begin with the same state.
        instance.id = uuid.uuid4().hex[:12]
        random.seed()
        import numpy as np

        np.random.seed()  # noqa: NPY002 - the generator that all code in the process shares

    register_before_snapshot(wait_ready)
    register_after_restore(after_restore)
    return True
