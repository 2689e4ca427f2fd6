"""Sign AWS requests with the environment's credentials; needs the extra ``aws``."""

from collections.abc import Mapping

from serverless_dnn.client.errors import RequestError
from serverless_dnn.client.rest_clients import Signer


def sigv4_signer(service: str, region: str) -> Signer:
    """Make a signer (Signature Version 4) with the credentials that AWS's SDK finds.

    Args:
        service: ``lambda`` or ``sagemaker``.
        region: For example ``us-east-1``.

    Returns:
        A signer for ``HttpOptions``.

    Raises:
        RequestError: botocore is not installed, or there are no credentials.
    """
    try:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.session import Session
    except ImportError:
        raise RequestError("signing needs botocore: pip install 'serverless-dnn-client[aws]'") from None
    credentials = Session().get_credentials()
    if credentials is None:
        raise RequestError("no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")

    def sign(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        request = AWSRequest(method, url, dict(headers), body)
        # Frozen per call: temporary credentials are renewed in between.
        SigV4Auth(credentials.get_frozen_credentials(), service, region).add_auth(request)
        return dict(request.headers)

    return sign
