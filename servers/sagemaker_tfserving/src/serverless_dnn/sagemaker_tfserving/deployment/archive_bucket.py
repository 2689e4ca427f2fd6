"""Put a model archive into S3."""

from collections.abc import Callable

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from serverless_dnn.runtime.commands.deploying import Call
from serverless_dnn.runtime.errors import FailedPreconditionError, PermissionDeniedError
from serverless_dnn.sagemaker_tfserving.deployment.aws_session import Session, explained
from serverless_dnn.sagemaker_tfserving.deployment.model_archive import Archive
from serverless_dnn.sagemaker_tfserving.deployment.plan import PART_BYTES, Plan


class ArchiveBucket:
    """The bucket of model archives.

    Args:
        session: Whose it is.
    """

    def __init__(self, session: Session) -> None:
        # BUCKET.HOST is a name that only Amazon's servers have.
        config = Config(s3={"addressing_style": "path"}) if session.custom_url else None
        self._s3 = session.client("s3", config=config)

    def ensure(self, plan: Plan) -> bool:
        """Check that the bucket is there and ours; make the default one if it is not there.

        Args:
            plan: The deployment.

        Returns:
            Whether it was made.

        Raises:
            ServingError: There is no such bucket, it is somebody else's, or it cannot be made.
        """
        bucket = plan.parameters("HeadBucket")
        with explained("HeadBucket"):
            try:
                self._s3.head_bucket(**bucket)
            except ClientError as error:
                # The answer to a HEAD has no body, so its status is all there is.
                status = error.response["Error"]["Code"]
                if status == "403":
                    raise PermissionDeniedError(
                        f"the bucket {bucket['Bucket']} is not of the account {bucket['ExpectedBucketOwner']}, or you "
                        "lack s3:ListBucket: pass another --bucket, or get that right"
                    ) from None
                if status != "404":
                    raise
            else:
                return False
        if not plan.has("CreateBucket"):
            raise FailedPreconditionError(f"there is no bucket {bucket['Bucket']}: make it, or leave --bucket out")
        with explained("CreateBucket"):
            self._s3.create_bucket(**plan.parameters("CreateBucket"))
        return True

    def holds(self, plan: Plan, archive: Archive) -> bool:
        """Whether the archive is there already.

        Args:
            plan: The deployment.
            archive: The archive.

        Returns:
            Whether there is an object of its digest and size; False also if one may not look.

        Raises:
            ServingError: The call failed.
        """
        with explained("HeadObject"):
            try:
                head = self._s3.head_object(**plan.parameters("HeadObject"))
            except ClientError as error:
                if error.response["Error"]["Code"] in ("403", "404"):
                    return False
                raise
        return bool(head["ContentLength"] == archive.size_bytes)

    def upload(self, plan: Plan, archive: Archive, on_bytes: Callable[[int], object]) -> None:
        """Upload the archive, in parts if it is large.

        Args:
            plan: The deployment.
            archive: The archive.
            on_bytes: Called with the number of bytes sent since the last call, from any thread.

        Raises:
            ServingError: It failed.
        """
        placed = plan.parameters("HeadObject")
        # Where Amazon's C runtime is installed boto3 would use that, which cuts files into other parts.
        config = TransferConfig(PART_BYTES, multipart_chunksize=PART_BYTES, preferred_transfer_client="classic")
        owner = {"ExpectedBucketOwner": placed["ExpectedBucketOwner"]}
        with explained("upload"):
            self._s3.upload_file(
                str(archive.path), placed["Bucket"], placed["Key"], ExtraArgs=owner, Callback=on_bytes, Config=config
            )

    def delete(self, call: Call) -> None:
        """Delete an archive.

        Args:
            call: Its DeleteObject.

        Raises:
            ServingError: It failed.
        """
        with explained(call.operation):
            self._s3.delete_object(**call.parameters)
