"""Tensors that are too large for a request, in a bucket and reached by pre-signed URLs; needs the extra ``aws``."""

import uuid
from dataclasses import dataclass
from typing import Any, Self

from serverless_dnn.client.errors import ClientError, ConnectError, RequestError, ResponseError
from serverless_dnn.client.options import ClientOptions, S3Storage
from serverless_dnn.client.wire.bodies import CONTENT_TYPES


@dataclass(frozen=True)
class Bucket:
    """A bucket, and AWS's client for it, whose connections all calls share.

    Attributes:
        storage: Where it is.
    """

    storage: S3Storage
    _s3: Any

    @classmethod
    def open(cls, storage: S3Storage, options: ClientOptions) -> Self:
        """Make AWS's client, which takes some 0.2 s; nothing is sent.

        Args:
            storage: Where the bucket is.
            options: The client's options.

        Raises:
            RequestError: boto3 is not installed, or not configured.
        """
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
        except ImportError:
            raise RequestError("storage needs boto3: pip install 'serverless-dnn-client[aws]'") from None
        key_id, secret = storage.access_key or (None, None)
        try:
            session = boto3.session.Session(profile_name=options.aws_profile)
            s3 = session.client(
                "s3",
                region_name=storage.region or options.aws_region,
                endpoint_url=storage.endpoint_url,
                aws_access_key_id=key_id,
                aws_secret_access_key=secret,
                verify=storage.ca_file,
                config=Config(
                    signature_version="s3v4",
                    connect_timeout=options.connect_timeout_s,
                    max_pool_connections=options.connections,
                    # Not every storage knows AWS's checksums, or has a host name for each bucket.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    s3={"addressing_style": "auto" if storage.endpoint_url is None else "path"},
                ),
            )
        except BotoCoreError as error:
            raise _cannot_store(storage, error) from None
        return cls(storage, s3)

    def put(self, body: bytes) -> "StoredTensors":
        """Store the inputs of a call.

        Args:
            body: The bytes of a PredictRequest.

        Returns:
            Its objects.

        Raises:
            ConnectError: The storage cannot be reached.
            RequestError: The bucket cannot be used.
        """
        from botocore.exceptions import BotoCoreError
        from botocore.exceptions import ClientError as S3Error

        name = f"{self.storage.prefix}{uuid.uuid4().hex}"
        inputs, outputs = f"{name}/inputs", f"{name}/outputs"
        content_type = CONTENT_TYPES["protobuf"]
        read = {"Bucket": self.storage.bucket, "Key": inputs}
        write = {"Bucket": self.storage.bucket, "Key": outputs, "ContentType": content_type}
        expires_s = self.storage.expires_s
        try:
            inputs_url = self._s3.generate_presigned_url("get_object", Params=read, ExpiresIn=expires_s)
            outputs_url = self._s3.generate_presigned_url("put_object", Params=write, ExpiresIn=expires_s)
            self._s3.put_object(**read, Body=body, ContentType=content_type)
        except (BotoCoreError, S3Error) as error:
            raise _cannot_store(self.storage, error) from None
        return StoredTensors(inputs_url, outputs_url, self._s3, self.storage.bucket, (inputs, outputs))

    def close(self) -> None:
        """Close the connections."""
        self._s3.close()


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


def _cannot_store(storage: S3Storage, error: Exception) -> ClientError:
    kind = ConnectError if "connect" in type(error).__name__.lower() else RequestError
    return kind(f"the tensors cannot be stored in the bucket {storage.bucket}: {error}")
