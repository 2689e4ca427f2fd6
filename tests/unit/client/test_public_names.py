"""What is public is listed, shown by tab completion, and documented within reason."""

import inspect
import pydoc
import re
import subprocess
import sys

import serverless_dnn.client as package


def test_everything_public_is_there_and_nothing_else_is_shown() -> None:
    assert {"connect", "connect_async", "Client", "ClientOptions", "ClientError", "Prediction"} <= set(dir(package))
    for name in dir(package):
        assert name in package.__doc__ or name.startswith("Async")
        value = getattr(package, name)
        assert value.__name__ == name
        assert inspect.getdoc(value)


def test_sync_and_async_are_twins() -> None:
    pairs = [
        (getattr(package, name.removeprefix("Async")), getattr(package, name))
        for name in dir(package)
        if name.startswith("Async")
    ]

    assert len(pairs) == 5
    for one, other in pairs:
        methods = [{name for name in dir(kind) if not name.startswith("_")} for kind in (one, other)]
        assert methods[0] == methods[1]
        for name in methods[0]:
            theirs = [inspect.signature(getattr(kind, name)) for kind in (one, other) if callable(getattr(kind, name))]
            assert len({str(signature.replace(return_annotation="")) for signature in theirs}) <= 1


def test_every_kind_of_client_has_every_method() -> None:
    wanted = {"predict", "encode", "classify", "regress", "signatures", "versions", "ready", "wait_until_ready"}
    wanted |= {"with_options", "close"}

    for name in dir(package):
        if name.endswith("Client"):
            assert wanted <= set(dir(getattr(package, name)))


def test_help_fits_some_screens() -> None:
    assert len(pydoc.plain(pydoc.render_doc(package)).splitlines()) < 100
    for kind in (package.Client, package.GrpcClient, package.ClientOptions):
        assert len(pydoc.plain(pydoc.render_doc(kind)).splitlines()) < 155


def test_it_is_light() -> None:
    code = """
import sys, resource
import numpy
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from serverless_dnn.client import connect
connect("grpc://h:1", "m")
heavy = {"tensorflow", "botocore", "boto3", "google.auth", "pytest"} & set(sys.modules)
print(heavy, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    found = re.fullmatch(r"set\(\) (\d+)\n", told)

    assert found, told
    assert int(found[1]) < 60
