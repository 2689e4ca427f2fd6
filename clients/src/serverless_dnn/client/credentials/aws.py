"""Sign requests with AWS's credentials, and find its APIs; needs the extra ``aws``."""

from collections.abc import Mapping
from typing import Any

from serverless_dnn.client.errors import RequestError
from serverless_dnn.client.options import ClientOptions, Signer

_NEEDED = "this needs botocore: pip install 'serverless-dnn-client[aws]'"
_HOSTS = {"lambda": "lambda", "sagemaker": "runtime.sagemaker"}


def sigv4_signer(service: str, region: str, *, profile: str | None = None) -> Signer:
    """Make a signer (Signature Version 4) with the credentials that AWS's SDK finds.

    Args:
        service: ``lambda`` or ``sagemaker``.
        region: For example ``us-east-1``.
        profile: The profile of AWS's configuration.

    Returns:
        A signer for ``ClientOptions``.

    Raises:
        RequestError: botocore is not installed, or there are no credentials.
    """
    session = _session(profile)
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    credentials = session.get_credentials()
    if credentials is None:
        raise RequestError("no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")

    def sign(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        request = AWSRequest(method, url, dict(headers), body)
        # Frozen per call: temporary credentials are renewed in between.
        SigV4Auth(credentials.get_frozen_credentials(), service, region).add_auth(request)
        return dict(request.headers)

    return sign


def api_url(service: str, options: ClientOptions) -> str:
    """The URL of a service's API.

    Args:
        service: ``lambda`` or ``sagemaker``.
        options: The client's options.

    Returns:
        For example ``https://lambda.us-east-1.amazonaws.com``.

    Raises:
        RequestError: botocore is not installed, or no region is given.
    """
    region = options.aws_region or _session(options.aws_profile).get_config_variable("region")
    if not region:
        raise RequestError("no AWS region: give aws_region, or set AWS_REGION or AWS_DEFAULT_REGION")
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://{_HOSTS[service]}.{region}.{suffix}"


def region_of(host: str, options: ClientOptions) -> str:
    """The region that a host is in, for signatures.

    Args:
        host: For example ``lambda.us-east-1.amazonaws.com``, or ``abc.lambda-url.us-east-1.on.aws``.
        options: The client's options.

    Raises:
        RequestError: It is not known.
    """
    parts = host.split(".")
    if options.aws_region:
        return options.aws_region
    if host.endswith(".on.aws") and len(parts) >= 4:
        return parts[-3]
    if ".amazonaws.com" in host:
        return parts[parts.index("amazonaws") - 1]
    return str(_session(options.aws_profile).get_config_variable("region") or _no_region())


def _no_region() -> str:
    raise RequestError("no AWS region: give aws_region, or set AWS_REGION or AWS_DEFAULT_REGION")


def _session(profile: str | None) -> Any:
    try:
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session
    except ImportError:
        raise RequestError(_NEEDED) from None
    session = Session(profile=profile)
    try:
        session.get_scoped_config()
    except BotoCoreError as error:
        raise RequestError(f"AWS's configuration cannot be used: {error}") from None
    return session
