"""Fetch the code of a multi-model endpoint from S3: one ``inference.py`` for all its models."""

import logging
import tempfile
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

from serverless_dnn.runtime.errors import FailedPreconditionError, NotFoundError, UnavailableError

_log = logging.getLogger(__name__)


def fetch_code(bucket: str, prefix: str, running: ExitStack) -> Path:
    """Download every object below a prefix.

    Args:
        bucket: The bucket.
        prefix: The key prefix that stands for ``/opt/ml/models``; ``inference.py`` lies below it, in ``code/`` or not.
        running: Removes the files at its end.

    Returns:
        The path of ``inference.py``.

    Raises:
        FailedPreconditionError: boto3 is not installed.
        NotFoundError: There is no ``inference.py`` below the prefix.
        UnavailableError: S3 does not answer, or refuses.
    """
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise FailedPreconditionError(
            "SAGEMAKER_MULTI_MODEL_UNIVERSAL_BUCKET needs boto3: pip install 'serverless-dnn-sagemaker[s3]'"
        ) from None
    folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="sdnn-code-")))
    try:
        _download(boto3.client("s3"), bucket, prefix.strip("/"), folder)
    except (BotoCoreError, ClientError) as error:
        raise UnavailableError(f"cannot fetch s3://{bucket}/{prefix}: {error}") from None
    found = sorted(folder.rglob("inference.py"), key=lambda path: len(path.parts))
    if not found:
        raise NotFoundError(f"there is no inference.py below s3://{bucket}/{prefix}")
    return found[0]


def _download(s3: Any, bucket: str, prefix: str, folder: Path) -> None:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/"):
        for item in page.get("Contents", ()):
            name = PurePosixPath(item["Key"].removeprefix(f"{prefix}/"))
            # A key may hold anything, also a way out of the folder.
            if item["Key"].endswith("/") or ".." in name.parts or name.is_absolute():
                continue
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, item["Key"], str(path))
            _log.info("fetched", extra={"key": item["Key"]})
