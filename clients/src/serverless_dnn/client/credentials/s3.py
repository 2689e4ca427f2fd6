"""Tensors that are too large for a request, in a bucket and reached by pre-signed URLs; needs the extra ``aws``."""

import uuid
from dataclasses import dataclass
from typing import Any, Self

from serverless_dnn.client.errors import ClientError, ConnectError, RequestError, ResponseError
from serverless_dnn.client.options import ClientOptions, S3Storage
from serverless_dnn.client.wire.bodies import CONTENT_TYPES


@dataclass(frozen=True)
class StoredTensors:
    """The objects of one call.

    Attributes:
        inputs_url: Reads the inputs; a secret.
        outputs_url: Writes the outputs; a secret.
    """

    inputs_url: str
    outputs_url: str
    _s3: Any
    _bucket: str
    _keys: tuple[str, str]

    @classmethod
    def put(cls, storage: S3Storage, options: ClientOptions, body: bytes) -> Self:
        """Store the inputs.

        Args:
            storage: Where.
            options: The client's options.
            body: The bytes of a PredictRequest.

        Raises:
            RequestError: boto3 is not installed, or the bucket cannot be used.
        """
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
            from botocore.exceptions import ClientError as S3Error
        except ImportError:
            raise RequestError("storage needs boto3: pip install 'serverless-dnn-client[aws]'") from None
        name = f"{storage.prefix}{uuid.uuid4().hex}"
        inputs, outputs = f"{name}/inputs", f"{name}/outputs"
        content_type = CONTENT_TYPES["protobuf"]
        try:
            session = boto3.session.Session(profile_name=options.aws_profile)
            s3 = session.client(
                "s3",
                region_name=storage.region or options.aws_region,
                endpoint_url=storage.endpoint_url,
                config=Config(
                    signature_version="s3v4",
                    connect_timeout=options.connect_timeout_s,
                    # Not every storage knows AWS's checksums, or has a host name for each bucket.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    s3={"addressing_style": "auto" if storage.endpoint_url is None else "path"},
                ),
            )
            read = {"Bucket": storage.bucket, "Key": inputs}
            write = {"Bucket": storage.bucket, "Key": outputs, "ContentType": content_type}
            inputs_url = s3.generate_presigned_url("get_object", Params=read, ExpiresIn=storage.expires_s)
            outputs_url = s3.generate_presigned_url("put_object", Params=write, ExpiresIn=storage.expires_s)
            s3.put_object(**read, Body=body, ContentType=content_type)
        except (BotoCoreError, S3Error) as error:
            raise _error(f"the tensors cannot be stored in the bucket {storage.bucket}", error) from None
        return cls(inputs_url, outputs_url, s3, storage.bucket, (inputs, outputs))

    def read_outputs(self, max_bytes: int) -> bytes:
        """Read what the server wrote.

        Args:
            max_bytes: The largest object to read.

        Raises:
            ResponseError: It is not there, or too large.
        """
        from botocore.exceptions import BotoCoreError
        from botocore.exceptions import ClientError as S3Error

        try:
            found = self._s3.get_object(Bucket=self._bucket, Key=self._keys[1])
            if found["ContentLength"] > max_bytes:
                raise ResponseError(f"the answer has {found['ContentLength']} bytes, and this client takes {max_bytes}")
            body: bytes = found["Body"].read()
        except (BotoCoreError, S3Error) as error:
            raise ResponseError(f"the outputs cannot be read from the bucket {self._bucket}: {error}") from None
        return body

    def delete(self) -> None:
        """Delete both objects; what cannot be deleted is left to the bucket's lifecycle."""
        from botocore.exceptions import BotoCoreError
        from botocore.exceptions import ClientError as S3Error

        for key in self._keys:
            try:
                self._s3.delete_object(Bucket=self._bucket, Key=key)
            except (BotoCoreError, S3Error):
                continue


def _error(what: str, error: Exception) -> ClientError:
    kind = ConnectError if "connect" in type(error).__name__.lower() else RequestError
    return kind(f"{what}: {error}")
