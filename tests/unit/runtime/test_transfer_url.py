"""A caller's URL is refused unless it names allowed storage, in whatever disguise it comes."""

import ipaddress
import json
import subprocess
import sys

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
from serverless_dnn.runtime.http.transfer_addresses import networks_of, why_refused
from serverless_dnn.runtime.http.transfer_request import TransferRequest, read_transfer_request
from serverless_dnn.runtime.http.transfer_url import TransferHosts, read_url
from serverless_dnn.runtime.options import values_from_environment
from serverless_dnn.runtime.settings import TransferOptions

SECRET = "c0ffee5ec4e7"
QUERY = f"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=900&X-Amz-Signature={SECRET}"
S3 = TransferHosts("s3")
EVERY_PRIVATE = networks_of(
    "10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,172.16.0.0/12,192.168.0.0/16,::1/128,fc00::/7,64:ff9b::/96"
)

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


REFUSED_ALWAYS = [
    "169.254.169.254", "169.254.170.2", "169.254.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192",
    "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fe80::1", "fe80::1%eth0", "febf::1",
    "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1", "240.0.0.1", "255.255.255.255",
    "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.88.99.1", "192.0.0.8",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8", "::127.0.0.1", "::8.8.8.8",
    "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "64:ff9b::169.254.169.254", "64:ff9b::100.100.100.200", "64:ff9b::0.0.0.0", "64:ff9b::224.0.0.1",
    "64:ff9b:1::1", "100::1", "2001:db8::1", "3fff::1", "2001:10::1", "fec0::1", "5f00::1", "4000::1",
    "", "localhost", "127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "127.0.0.1:443", "[::1]", "8.8.8.8 ",
]  # fmt: skip
REFUSED_UNLESS_LISTED = [
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1",
    "::1", "fc00::1", "fd12:3456::1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED_ALWAYS)
def test_addresses_that_no_option_allows(address: str) -> None:
    assert why_refused(address)
    assert why_refused(address, EVERY_PRIVATE)


@pytest.mark.parametrize("address", REFUSED_UNLESS_LISTED)
def test_private_addresses_have_to_be_listed(address: str) -> None:
    assert why_refused(address) == "not a public address"
    assert why_refused(address, EVERY_PRIVATE) == ""


def test_a_listed_network_lists_no_other() -> None:
    assert why_refused("10.1.0.1", networks_of("10.1.0.0/16")) == ""
    assert why_refused("10.2.0.1", networks_of("10.1.0.0/16"))
    # NAT64 leads to public addresses, and to private ones only if they are listed too.
    assert why_refused("64:ff9b::8.8.8.8", networks_of("64:ff9b::/96")) == ""
    assert why_refused("64:ff9b::10.1.0.1", networks_of("64:ff9b::/96"))
    assert why_refused("64:ff9b::10.1.0.1", networks_of("64:ff9b::/96,10.1.0.0/16")) == ""


@pytest.mark.parametrize("address", ["52.216.8.1", "3.5.0.1", "54.231.0.1", "2600:1fa0:8000::1", "2a05:d07a:a000::1"])
def test_public_addresses(address: str) -> None:
    assert why_refused(address) == ""


@given(st.ip_addresses())
def test_what_is_accepted_is_public_by_pythons_tables_too(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if not why_refused(str(address)):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("HOSTS", "s3,10.0.0.1", "10.0.0.1"),
        ("HOSTS", "2130706433", "2130706433"),
        ("HOSTS", "https://s3.amazonaws.com", "minio"),
        ("HOSTS", "*", "got '\\*'"),
        ("HOSTS", "*.com", "got"),
        ("HOSTS", "a.*.example.com", "got"),
        ("HOSTS", "minio:99999", "99999"),
        ("HOSTS", "none,s3", "both"),
        ("NETWORKS", "0.0.0.0/0", "parts of 10.0.0.0/8"),
        ("NETWORKS", "::/0", "parts of"),
        ("NETWORKS", "169.254.0.0/16", "parts of"),
        ("NETWORKS", "10.0.0.1/8", "host bits"),
        ("NETWORKS", "ten", "'ten'"),
        ("MAX_MIB", "0", "at least 1"),
        ("TIMEOUT_S", "0", "more than 0"),
    ],
)
def test_options_that_would_open_a_hole_are_errors(variable: str, text: str, expected: str) -> None:
    with pytest.raises(InvalidArgumentError, match=expected) as raised:
        values_from_environment(TransferOptions, {f"SDNN_TRANSFER_{variable}": text})

    assert str(raised.value).startswith(f"SDNN_TRANSFER_{variable}: ")


def test_options_are_checked_however_they_are_given() -> None:
    assert TransferOptions().hosts == "s3"
    assert TransferOptions().networks is None
    assert TransferOptions(max_mib=2).max_bytes == 2 << 20
    with pytest.raises(InvalidArgumentError, match=r"0\.0\.0\.0/0"):
        TransferOptions(networks="0.0.0.0/0")
    with pytest.raises(InvalidArgumentError, match="evil"):
        TransferOptions(hosts="evil.*")


def test_parsed_options_are_texts_that_parse_again() -> None:
    given_ = {"SDNN_TRANSFER_HOSTS": " S3 , minio:9000,", "SDNN_TRANSFER_NETWORKS": "10.0.0.0/8, ::1/128"}
    values = values_from_environment(TransferOptions, given_)

    assert values == {"transfer_hosts": "s3,minio:9000", "transfer_networks": "10.0.0.0/8,::1/128"}
    assert values_from_environment(TransferOptions, {"SDNN_TRANSFER_HOSTS": "NONE"}) == {"transfer_hosts": "none"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'"inputs_url"',
        b'["inputs_url"]',
        b'{"instances": [1.0]}',
        b'{"instances": ["inputs_url"]}',
        b'{"inputs": {"inputs_url": ["https://example.com"]}}',
        b'{"instances": ["inputs_url"',
        b"\x93NUMPY\x01\x00",
        b"\x0a\x0c\x0a\x0ahalf_plus_two",
        b'{"instances": [' + b"1," * 20_000 + b"1]}",
        b'{"instances": [' + b"[" * 5_000 + b'"inputs_url"',
        b" " * 20_000,
    ],
)
def test_ordinary_bodies_name_no_urls(body: bytes) -> None:
    assert read_transfer_request(body) is None


def test_bodies_that_name_urls() -> None:
    one, two = f"https://s3.amazonaws.com/b/in{QUERY}", f"https://s3.amazonaws.com/b/out{QUERY}"

    assert read_transfer_request(json.dumps({"inputs_url": one}).encode()) == TransferRequest(one, None)
    both = {"outputs_url": two, "inputs_url": one}
    for text in (json.dumps(both), json.dumps(both, indent=2), f"\ufeff \n{json.dumps(both)}"):
        assert read_transfer_request(text.encode()) == TransferRequest(one, two)
    assert SECRET not in repr(TransferRequest(one, two))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"outputs_url": "https://x"}', "needs inputs_url"),
        (b'{"inputs_url": "https://x", "output_url": "y"}', "got also 'output_url'"),
        (b'{"inputs_url": "https://x", "signature_name": "y"}', "got also 'signature_name'"),
        (b'{"instances": [1], "outputs_url": "https://x"}', "got also 'instances'"),
        (b'{"inputs_url": 1}', "inputs_url must be a string with a URL, got int"),
        (b'{"inputs_url": null}', "NoneType"),
        (b'{"inputs_url": ["c0ffee5ec4e7"]}', "list"),
        (b'{"inputs_url": "https://x", "outputs_url": {}}', "outputs_url must be a string"),
        (b'{"inputs_url": "c0ffee5ec4e7', "not valid JSON"),
        (b'{"inputs_url": "c0ffee5ec4e7"} and more', "not valid JSON"),
        (b'{"inputs_url": ' + b"[" * 10_000, "not valid JSON"),
        (b'{"inputs_url": "\xff"}', "not valid JSON"),
        (b'{ "inputs_url": "' + b"c0ffee5ec4e7" * 2_000 + b'"}', "at most 16384 bytes"),
    ],
)
def test_malformed_bodies_that_name_urls(body: bytes, expected: str) -> None:
    with pytest.raises(InvalidArgumentError, match=expected) as raised:
        read_transfer_request(body)

    assert SECRET not in str(raised.value)


@given(st.text(max_size=100))
def test_whatever_is_no_url_is_an_error_of_the_callers(text: str) -> None:
    for url in (text, f"https://{text}", f"https://s3.amazonaws.com/{text}"):
        try:
            assert url.lower().endswith(S3.check(url).target.lower())
        except ServingError as error:
            assert isinstance(error, InvalidArgumentError | PermissionDeniedError)  # noqa: PT017 - either may come


def test_a_server_without_transfers_does_not_load_what_they_need() -> None:
    code = (
        "import sys; from serverless_dnn.runtime.http import transfers; from serverless_dnn.runtime.settings import "
        "TransferOptions; transfers.Transfers(TransferOptions()); "
        "print([name for name in ('ssl', 'http.client', 'socket') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
