"""A caller's URL is refused unless it names allowed storage, in whatever disguise it comes."""

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from serverless_dnn.runtime.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    PermissionDeniedError,
    ServingError,
)
from serverless_dnn.runtime.http.transfer_url import TransferHosts, read_url

SECRET = "c0ffee5ec4e7"
QUERY = f"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=900&X-Amz-Signature={SECRET}"
S3 = TransferHosts("s3")
MALFORMED = {
    "plain http": "http://s3.amazonaws.com/b/k",
    "ftp": "ftp://s3.amazonaws.com/b/k",
    "file": "file:///etc/passwd",
    "gopher": "gopher://s3.amazonaws.com/_x",
    "data": "data:application/json,{}",
    "no scheme": "//s3.amazonaws.com/b/k",
    "scheme in scheme": "https:https://s3.amazonaws.com/b/k",
    "one slash": "https:/s3.amazonaws.com/b/k",
    "three slashes": "https:///s3.amazonaws.com/b/k",
    "empty": "",
    "decimal IPv4": "https://2130706433/latest/meta-data",
    "octal IPv4": "https://0177.0.0.1/k",
    "octal IPv4 in one number": "https://017700000001/k",
    "hexadecimal IPv4": "https://0x7f000001/k",
    "hexadecimal IPv4 by parts": "https://0x7f.0x0.0x0.0x1/k",
    "short IPv4": "https://127.1/k",
    "shortest IPv4": "https://0/k",
    "mixed IPv4": "https://0x7f.1/k",
    "metadata": "https://169.254.169.254/latest/meta-data/iam",
    "metadata, decimal": "https://2852039166/latest/meta-data",
    "metadata with port": "https://169.254.169.254:443/k",
    "public IPv4": "https://52.216.0.1/b/k",
    "IPv4 with trailing dot": "https://127.0.0.1./k",
    "IPv6 loopback": "https://[::1]/k",
    "IPv6 metadata": "https://[fd00:ec2::254]/k",
    "mapped IPv4": "https://[::ffff:169.254.169.254]/k",
    "NAT64": "https://[64:ff9b::a9fe:a9fe]/k",
    "IPv6 with zone": "https://[fe80::1%25eth0]/k",
    "IPv6 without brackets": "https://::1/k",
    "user info": "https://s3.amazonaws.com@evil.example/b/k",
    "user info with password": "https://s3.amazonaws.com:443@evil.example/k",
    "user info before storage": "https://evil.example@s3.amazonaws.com/k",
    "escaped at sign": "https://s3.amazonaws.com%40evil.example/k",
    "two at signs": "https://a@s3.amazonaws.com@evil.example/k",
    "backslash as slash": "https://evil.example\\@s3.amazonaws.com/k",
    "backslash after host": "https://s3.amazonaws.com\\.evil.example/k",
    "backslashes for slashes": "https:\\\\s3.amazonaws.com/k",
    "fragment as user info": "https://evil.example#@s3.amazonaws.com/k",
    "fragment": "https://s3.amazonaws.com/b/k#x",
    "query as user info": "https://evil.example?@s3.amazonaws.com/k",
    "trailing dot": "https://s3.amazonaws.com./b/k",
    "leading dot": "https://.s3.amazonaws.com/b/k",
    "two dots": "https://s3..amazonaws.com/b/k",
    "ideographic full stop": "https://s3。amazonaws。com/b/k",
    "full-width letters": "https://ｓ３.amazonaws.com/b/k",
    "cyrillic look-alike": "https://s3.аmazonaws.com/b/k",
    "kelvin sign": "https://buc\u212aet.s3.amazonaws.com/k",
    "circled digits": "https://①②⑦.⓪.⓪.①/k",
    "soft hyphen": "https://s3.amazon\u00adaws.com/k",
    "zero width space": "https://s3.amazonaws.com\u200b.evil.example/k",
    "right to left override": "https://s3.amazonaws.com/\u202ek",
    "escaped host": "https://%73%33.amazonaws.com/b/k",
    "escaped dot": "https://s3.amazonaws.com%2eevil.example/k",
    "escaped null in host": "https://s3.amazonaws.com%00.evil.example/k",
    "underscore": "https://a_b.s3.amazonaws.com/k",
    "leading hyphen": "https://-a.s3.amazonaws.com/k",
    "asterisk": "https://*.s3.amazonaws.com/k",
    "several hosts": "https://s3.amazonaws.com,evil.example/k",
    "space in host": "https://s3.amazonaws.com evil.example/k",
    "space in front": " https://s3.amazonaws.com/b/k",
    "space in path": "https://s3.amazonaws.com/b/k HTTP/1.1",
    "tab in scheme": "ht\ttps://s3.amazonaws.com/b/k",
    "newline at end": "https://s3.amazonaws.com/b/k\n",
    "newline in host": "https://s3.amazonaws.com\n.evil.example/k",
    "header injection": "https://s3.amazonaws.com/b/k HTTP/1.1\r\nX-Evil: 1\r\n",
    "header injection in query": "https://s3.amazonaws.com/b/k?a=1\r\nHost: evil.example",
    "escaped header injection": "https://s3.amazonaws.com/b/k%0d%0aHost:%20evil.example",
    "escaped null": "https://s3.amazonaws.com/b/k%00",
    "null": "https://s3.amazonaws.com/b/k\0",
    "delete": "https://s3.amazonaws.com/b/k\x7f",
    "broken escape": "https://s3.amazonaws.com/b/%zz",
    "escape cut short": "https://s3.amazonaws.com/b/k%2",
    "brackets in path": "https://s3.amazonaws.com/b/[k]",
    "port of letters": "https://s3.amazonaws.com:https/b/k",
    "empty port": "https://s3.amazonaws.com:/b/k",
    "port 0": "https://s3.amazonaws.com:0/b/k",
    "port with zeros in front": "https://s3.amazonaws.com:00443/b/k",
    "port too large": "https://s3.amazonaws.com:65979/b/k",
    "negative port": "https://s3.amazonaws.com:-443/b/k",
    "two ports": "https://s3.amazonaws.com:443:80/b/k",
    "no path": "https://s3.amazonaws.com",
    "query without path": f"https://s3.amazonaws.com{QUERY}",
    "label too long": f"https://{'a' * 64}.example/k",
    "host too long": f"https://{'a.' * 127}example/k",
    "URL too long": f"https://s3.amazonaws.com/{'k' * 8192}",
}  # fmt: skip
NOT_ALLOWED = {
    "another host": "https://evil.example/b/k",
    "localhost": "https://localhost/k",
    "metadata by name": "https://metadata.google.internal/computeMetadata/v1/",
    "instance data by name": "https://instance-data/latest",
    "name for loopback": "https://127.0.0.1.nip.io/k",
    "storage as prefix": "https://s3.amazonaws.com.evil.example/b/k",
    "storage as suffix": "https://evils3.amazonaws.com/b/k",
    "storage as label": "https://s3.evil.example/b/k",
    "an EC2 machine": "https://ec2-203-0-113-25.compute-1.amazonaws.com/k",
    "an EC2 machine of a region": "https://ec2-203-0-113-25.us-west-2.compute.amazonaws.com/k",
    "a load balancer": "https://s3-123.us-east-1.elb.amazonaws.com/k",
    "a load balancer called s3": "https://s3.us-east-1.elb.amazonaws.com/k",
    "an API": "https://abc123.execute-api.us-east-1.amazonaws.com/s3",
    "a website of a bucket": "https://bucket.s3-website-us-east-1.amazonaws.com/k",
    "a website of a bucket, dotted": "https://bucket.s3-website.eu-central-1.amazonaws.com/k",
    "an endpoint service": "https://vpce-1a2b-3c4d.vpce-svc-5e6f.us-east-1.vpce.amazonaws.com/k",
    "another service": "https://sts.amazonaws.com/?Action=GetCallerIdentity",
    "two labels before": "https://a.evil.s3.amazonaws.com/k",
    "region of no shape": "https://s3.evil.amazonaws.com/k",
    "china without region": "https://s3.amazonaws.com.cn/b/k",
    "another top level": "https://s3.us-east-1.amazonaws.org/k",
    "punycode look-alike": "https://s3.xn--mazonaws-6fg.com/b/k",
    "port 80": "https://s3.amazonaws.com:80/b/k",
    "port of ssh": "https://s3.amazonaws.com:22/b/k",
    "port 8443": "https://s3.us-east-1.amazonaws.com:8443/b/k",
}  # fmt: skip


def _with_secret(url: str) -> str:
    return url if "?" in url or "#" in url or not url.isprintable() else url + QUERY


@pytest.mark.parametrize("url", MALFORMED.values(), ids=MALFORMED)
def test_malformed_urls_are_refused_and_not_quoted(url: str) -> None:
    for text in (url, _with_secret(url)):
        with pytest.raises(InvalidArgumentError, match="pre-signed URL must") as raised:
            S3.check(text)

        assert SECRET not in str(raised.value)
        assert "evil" not in str(raised.value)


def test_what_is_wrong_is_said() -> None:
    for url, expected in (
        ("http://s3.amazonaws.com/b/k", "start with https://"),
        ("https://user:word@s3.amazonaws.com/k", "not hold a user name or a password"),
        ("https://10.0.0.1/k", "name its host, not give an address"),
        ("https://[::1]:443/k", "name its host, not give an address"),
        ("https://s3.amazonaws.com./k", "letters, digits and hyphens between single dots"),
        ("https://s3.amazonaws.com:0/k", "a port from 1 to 65535"),
        ("https://s3.amazonaws.com/a b", "visible ASCII"),
        ("https://s3.amazonaws.com/a|b", "RFC 3986"),
    ):
        with pytest.raises(InvalidArgumentError, match=expected):
            S3.check(url)


@pytest.mark.parametrize("url", NOT_ALLOWED.values(), ids=NOT_ALLOWED)
def test_other_hosts_and_ports_are_refused(url: str) -> None:
    with pytest.raises(PermissionDeniedError) as raised:
        S3.check(_with_secret(url))

    assert SECRET not in str(raised.value)


def test_urls_that_amazons_own_library_signs() -> None:
    session = boto3.Session("AKIAEXAMPLE", "not-a-secret", "token/+=" * 60)
    signed = []
    for partition in ("aws", "aws-cn", "aws-us-gov"):
        for region in session.get_available_regions("s3", partition):
            for style, dual_stack in (("virtual", False), ("path", False), ("virtual", True)):
                config = Config(
                    signature_version="s3v4",
                    s3={"addressing_style": style, "use_dualstack_endpoint": dual_stack},
                )
                client = session.client("s3", region, config=config)
                signed.extend(
                    client.generate_presigned_url(call, {"Bucket": "my-bucket-1", "Key": "a b/ü&?.npy"})
                    for call in ("get_object", "put_object")
                )
    for extra in ({"use_accelerate_endpoint": True}, {"us_east_1_regional_endpoint": "legacy"}):
        client = session.client("s3", "us-east-1", config=Config(signature_version="s3v4", s3=extra))
        signed.append(client.generate_presigned_url("get_object", {"Bucket": "my-bucket-1", "Key": "k"}))
    client = session.client("s3", "us-east-1", config=Config(signature_version="s3v4", use_fips_endpoint=True))
    signed.append(client.generate_presigned_url("get_object", {"Bucket": "dots.need.paths", "Key": "k"}))

    assert len(signed) > 200
    for url in signed:
        read = S3.check(url)

        assert f"https://{read.host}{read.target}" == url
        assert read.port == 443
        assert "X-Amz" not in repr(read)
        assert "token" not in read.shown


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.amazonaws.com/bucket/key",
        "https://bucket.s3.amazonaws.com/key?AWSAccessKeyId=A&Signature=a%2Fb%3D&Expires=1",
        "https://bucket.s3-us-west-2.amazonaws.com/key",
        "https://bucket.s3-external-1.amazonaws.com/key",
        "https://s3-fips-us-gov-west-1.amazonaws.com/bucket/key",
        "https://bucket.s3.eusc-de-east-1.amazonaws.eu/key",
        "HTTPS://Bucket.S3.EU-West-1.AmazonAWS.com:443/Key",
        "https://s3.us-east-1.amazonaws.com/bucket/../key/%20%C3%BC/%2e%2E/~!$&'()*+,;=:@",
    ],
)
def test_other_urls_of_s3(url: str) -> None:
    assert url.endswith(S3.check(url).target)


def test_hosts_of_the_operator() -> None:
    hosts = TransferHosts("MinIO:9000, *.blob.example.com, localhost")

    assert hosts.check("https://minio:9000/b/k").port == 9000
    assert hosts.check("https://a.blob.example.com/b/k").host == "a.blob.example.com"
    assert hosts.check("https://LOCALHOST/k").host == "localhost"
    for url in (
        "https://minio/b/k",
        "https://a.blob.example.com:9000/k",
        "https://blob.example.com/k",
        "https://a.b.blob.example.com/k",
        "https://a-blob.example.com/k",
        "https://s3.amazonaws.com/b/k",
    ):
        with pytest.raises(PermissionDeniedError):
            hosts.check(url)


def test_without_hosts_nothing_is_used() -> None:
    with pytest.raises(FailedPreconditionError, match="SDNN_TRANSFER_HOSTS"):
        TransferHosts("none").check("https://s3.amazonaws.com/b/k")


def test_what_is_shown_is_never_secret_and_never_long() -> None:
    assert read_url(f"https://h/a/b{QUERY}").shown == "https://h/a/b"
    assert read_url(f"https://h:444/a%20b{QUERY}").shown == "https://h:444/a%20b"
    # Escaped once too often, the query is part of the path.
    for mark in ("%3F", "%3f", "%253F", "%25253f", ";", "&"):
        assert read_url(f"https://h/k{mark}X-Amz-Signature={SECRET}").shown == "https://h/k..."
    assert len(read_url(f"https://h/{'k' * 5000}").shown) < 300


@given(st.text(max_size=100))
def test_whatever_is_no_url_is_an_error_of_the_callers(text: str) -> None:
    for url in (text, f"https://{text}", f"https://s3.amazonaws.com/{text}"):
        try:
            assert url.lower().endswith(S3.check(url).target.lower())
        except ServingError as error:
            assert isinstance(error, InvalidArgumentError | PermissionDeniedError)  # noqa: PT017 - either may come
